package contract

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
)

// TestConnectedAs: people are shown as whom they are connected, by the word of the
// authorization server and nobody else's.
func TestConnectedAs(t *testing.T) {
	idToken := func(change func(id string) string) func(map[string]any) {
		return func(reply map[string]any) { reply["id_token"] = change(reply["id_token"].(string)) }
	}
	for name, c := range map[string]struct {
		scopes, want string
		edit         func(reply map[string]any)
	}{
		"ID token":                      {`"openid","mcp:call"`, "demo-user@example.com", nil},
		"access token of this issuer":   {`"mcp:call"`, "demo-user", nil},
		"an ID token that is tampered":  {`"openid","mcp:call"`, "", idToken(func(id string) string { return id[:len(id)-8] + "AAAAAAAA" })},
		"an ID token that nobody signs": {`"openid","mcp:call"`, "", idToken(func(id string) string { return "eyJhbGciOiJub25lIn0." + strings.Split(id, ".")[1] + "." })},
		"an access token in its place":  {`"openid","mcp:call"`, "", func(reply map[string]any) { reply["id_token"] = reply["access_token"] }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newInteractiveRealm(t, authserver.Options{Registration: true, Scopes: []string{"openid", "mcp:read", "mcp:call"}}, `,"scopes":[`+c.scopes+`]`)
			alice, b := w.key("alice"), newBrowser(t)
			at := w.begin(b, alice, "files", `{}`)
			assert.Equal(t, strings.Contains(c.scopes, "openid"), mustURL(t, at).Query().Get("nonce") != "")
			back := b.authorize(at)
			if c.edit != nil {
				w.idp.Fail(authserver.Fault{Edit: c.edit})
			}
			resp, page := b.get(back)
			require.Equal(t, http.StatusOK, resp.StatusCode, page)
			account, _ := w.connectionOf(alice, "files")["account"].(string)
			assert.Equal(t, c.want, account)
		})
	}
	t.Run("an ID token of another flow", func(t *testing.T) {
		w := newInteractiveRealm(t, authserver.Options{Registration: true, Scopes: []string{"openid", "mcp:read", "mcp:call"}}, `,"scopes":["openid","mcp:call"]`)
		alice, b := w.key("alice"), newBrowser(t)
		var first string
		w.idp.Fail(authserver.Fault{Edit: func(reply map[string]any) { first = reply["id_token"].(string) }})
		resp, page := b.get(b.authorize(w.begin(b, alice, "files", `{}`)))
		require.Equal(t, http.StatusOK, resp.StatusCode, page)
		w.idp.Fail(authserver.Fault{Edit: func(reply map[string]any) { reply["id_token"] = first }})
		resp, page = b.get(b.authorize(w.begin(b, alice, "files", `{}`)))
		require.Equal(t, http.StatusOK, resp.StatusCode, page)
		assert.NotContains(t, w.connectionOf(alice, "files"), "account", "the nonce is another flow's")
	})
	t.Run("the page says it", func(t *testing.T) {
		w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
		alice, b := w.key("alice"), newBrowser(t)
		b.get(b.authorize(w.begin(b, alice, "files", `{}`)))
		_, page := b.post(w.url+"/connect/files", w.url, map[string][]string{"key": {alice}})
		assert.Contains(t, page, "<dt>Account</dt><dd>demo-user</dd>")
	})
}
