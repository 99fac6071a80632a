package contract

import (
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync/atomic"
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
	const email, other = `{"sub":"demo-user","email":"ada@example.com"}`, `{"sub":"another","email":"eve@example.com"}`
	for name, c := range map[string]struct {
		scopes string
		status int
		answer string // of the UserInfo endpoint
		want   string
		asked  bool
		edit   func(reply map[string]any)
	}{
		"an ID token without a name":                     {`"openid","mcp:call"`, 200, email, "ada@example.com", true, nil},
		"no ID token":                                    {`"openid","mcp:call"`, 200, email, "ada@example.com", true, func(reply map[string]any) { delete(reply, "id_token") }},
		"nothing but an opaque access token":             {`"openid","mcp:call"`, 200, `{"sub":"demo-user"}`, "demo-user", true, func(reply map[string]any) { delete(reply, "id_token"); reply["access_token"] = "opaque" }},
		"openid was not asked for":                       {`"mcp:call"`, 200, email, "demo-user", false, nil},
		"openid was not granted":                         {`"openid","mcp:call"`, 200, email, "demo-user", false, func(reply map[string]any) { reply["scope"] = "mcp:call" }},
		"an answer about another person":                 {`"openid","mcp:call"`, 200, other, "demo-user", true, nil},
		"an answer about nobody":                         {`"openid","mcp:call"`, 200, `{"email":"eve@example.com"}`, "demo-user", true, nil},
		"an ID token that is tampered is not helped out": {`"openid","mcp:call"`, 200, email, "", false, idToken(func(id string) string { return id[:len(id)-8] + "AAAAAAAA" })},
		"an endpoint that refuses":                       {`"openid","mcp:call"`, 401, email, "demo-user", true, nil},
		"an endpoint that fails":                         {`"openid","mcp:call"`, 500, ``, "demo-user", true, nil},
		"an endpoint that redirects":                     {`"openid","mcp:call"`, 302, ``, "demo-user", true, nil},
		"an answer that is no JSON":                      {`"openid","mcp:call"`, 200, `eyJhbGciOiJub25lIn0.e30.`, "demo-user", true, nil},
		"an answer that is too large":                    {`"openid","mcp:call"`, 200, `{"sub":"demo-user","email":"ada@example.com","x":"` + strings.Repeat("x", 128<<10) + `"}`, "demo-user", true, nil},
	} {
		t.Run("UserInfo: "+name, func(t *testing.T) {
			var asked, elsewhere atomic.Int64
			var credential atomic.Value
			away := newServer(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
			at := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				credential.Store(r.Header.Get("Authorization"))
				w.Header().Set("Location", away)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.answer)
			})
			w := newInteractiveRealm(t, authserver.Options{Registration: true, Scopes: []string{"openid", "mcp:read", "mcp:call"}, UserInfoURL: at + "/userinfo"}, `,"scopes":[`+c.scopes+`]`)
			alice, b := w.key("alice"), newBrowser(t)
			back := b.authorize(w.begin(b, alice, "files", `{}`))
			var token string
			w.idp.Fail(authserver.Fault{Edit: func(reply map[string]any) {
				if c.edit != nil {
					c.edit(reply)
				}
				token = reply["access_token"].(string)
			}})
			resp, page := b.get(back)
			require.Equal(t, http.StatusOK, resp.StatusCode, page)
			account, _ := w.connectionOf(alice, "files")["account"].(string)
			assert.Equal(t, c.want, account)
			assert.Equal(t, true, w.connectionOf(alice, "files")["connected"], "whatever the endpoint says")
			assert.Equal(t, c.asked, asked.Load() > 0)
			assert.LessOrEqual(t, asked.Load(), int64(1))
			assert.Zero(t, elsewhere.Load(), "no redirect is followed")
			if c.asked {
				assert.Equal(t, "Bearer "+token, credential.Load())
			}
		})
	}
	t.Run("UserInfo: addresses that are not asked", func(t *testing.T) {
		for _, at := range []string{"https://10.0.0.1/userinfo", "https://169.254.169.254/", "https://2130706433/", "https://0x7f.1/", "https://[::ffff:10.0.0.1]/", "https://metadata.google.internal/", "http://idp.example/userinfo", "file:///etc/passwd"} {
			w := newInteractiveRealm(t, authserver.Options{Registration: true, Scopes: []string{"openid", "mcp:read", "mcp:call"}, UserInfoURL: at}, `,"scopes":["openid"]`)
			alice, b := w.key("alice"), newBrowser(t)
			resp, page := b.get(b.authorize(w.begin(b, alice, "files", `{}`)))
			require.Equal(t, http.StatusOK, resp.StatusCode, page)
			assert.Equal(t, "demo-user", w.connectionOf(alice, "files")["account"], at)
			status, _ := w.do("DELETE", "/v1/mcp/server/files", "")
			require.Less(t, status, 300)
			w.servers = nil
		}
	})
	t.Run("UserInfo: a record with a token endpoint of its own", func(t *testing.T) {
		var asked atomic.Int64
		at := newServer(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
		w := newRealm(t)
		w.idp = w.authserver(authserver.Options{Registration: true, Scopes: []string{"openid", "mcp:read", "mcp:call"}, UserInfoURL: at})
		w.server = w.mcpserver(w.idp)
		elsewhere := httputil.NewSingleHostReverseProxy(mustURL(t, w.idp.Issuer()))
		w.add("files", `,"scopes":["openid"],"token_url":"`+newServer(t, elsewhere.ServeHTTP)+mustURL(t, w.idp.TokenEndpoint()).Path+`"`)
		alice, b := w.key("alice"), newBrowser(t)
		resp, page := b.get(b.authorize(w.begin(b, alice, "files", `{}`)))
		require.Equal(t, http.StatusOK, resp.StatusCode, page)
		assert.Zero(t, asked.Load(), "its token is not for this issuer's endpoint")
	})
	t.Run("the page says it", func(t *testing.T) {
		w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
		alice, b := w.key("alice"), newBrowser(t)
		b.get(b.authorize(w.begin(b, alice, "files", `{}`)))
		_, page := b.post(w.url+"/connect/files", w.url, map[string][]string{"key": {alice}})
		assert.Contains(t, page, "<dt>Account</dt><dd>demo-user</dd>")
	})
}
