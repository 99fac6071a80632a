package contract

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// migrating is an interactive server that can change over to another authorization server.
type migrating struct {
	url  string
	now  atomic.Pointer[mcpserver.Server]
	gate sync.Mutex
	said map[*authserver.Listening][]url.Values // what each token endpoint was sent
}

func (m *migrating) use(t *testing.T, idp *authserver.Listening) {
	t.Helper()
	s, err := mcpserver.New(mcpserver.Options{BaseURL: m.url, Issuer: idp.Issuer(), KeysURL: idp.KeysURL(), Revoked: idp.Revoked})
	require.NoError(t, err)
	m.now.Store(s)
}

// listen notes what the token endpoint is sent.
func (m *migrating) listen(idp *authserver.Listening) {
	idp.Fail(authserver.Fault{Times: -1, Match: func(r *http.Request) bool {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		form, _ := url.ParseQuery(string(body))
		m.gate.Lock()
		defer m.gate.Unlock()
		m.said[idp] = append(m.said[idp], form)
		return false
	}})
}

// sent answers the values of a parameter that a token endpoint was sent.
func (m *migrating) sent(idp *authserver.Listening, parameter string) (values []string) {
	m.gate.Lock()
	defer m.gate.Unlock()
	for _, form := range m.said[idp] {
		if v := form.Get(parameter); v != "" {
			values = append(values, v)
		}
	}
	return values
}

func newMigrating(t *testing.T, idps ...*authserver.Listening) *migrating {
	t.Helper()
	m := &migrating{said: map[*authserver.Listening][]url.Values{}}
	m.url = newServer(t, func(rw http.ResponseWriter, r *http.Request) { m.now.Load().ServeHTTP(rw, r) })
	for _, idp := range idps {
		m.listen(idp)
	}
	return m
}

// An interactive server that names another authorization server than before: the connection ends, the refresh token of the old one
// goes nowhere, and the person connects again at the new one, where the gateway registers anew. Whether the old one still renews, or
// is gone, is all the same.
func TestInteractiveServerChangesItsIssuer(t *testing.T) {
	for name, gone := range map[string]bool{"the old one works on": false, "the old one is gone": true} {
		t.Run(name, func(t *testing.T) {
			w := newRealm(t)
			before, after := w.authserver(authserver.Options{Registration: true}), w.authserver(authserver.Options{Registration: true})
			m := newMigrating(t, before, after)
			m.use(t, before)
			w.create("moving", fmt.Sprintf(`{"server_name":"moving","slug":"moving","url":%q,"transport":"http","auth_type":"oauth2","oauth2_flow":"authorization_code"}`, m.now.Load().URL()))
			alice := w.key("alice")
			connect := func() (clientID string) {
				b := newBrowser(t)
				at := w.begin(b, alice, "moving", "")
				resp, page := b.get(b.authorize(at))
				require.Equal(t, http.StatusOK, resp.StatusCode, page)
				return mustURL(t, at).Query().Get("client_id")
			}
			first := connect()
			status, body := w.call(alice, "moving")
			require.Equal(t, http.StatusOK, status, body)
			before.RevokeAll()
			status, body = w.call(alice, "moving")
			require.Equal(t, http.StatusOK, status, "while it is the same one, a refused token is renewed: %s", body)

			m.use(t, after)
			asked := before.Stats().TokenRequests
			if gone {
				require.NoError(t, before.Close())
			}
			w.ends(alice, "moving")
			status, body = w.call(alice, "moving")
			assert.Equal(t, http.StatusForbidden, status, body)
			assert.Contains(t, body, "/connect/moving")
			assert.Equal(t, asked, before.Stats().TokenRequests, "no token of before is renewed")
			assert.Zero(t, after.Stats().TokenRequests, "nobody has authorized anything there")
			assert.Equal(t, true, w.connectionOf(alice, "moving")["ended"])

			second := connect()
			assert.NotEqual(t, first, second, "a registration of its own")
			status, body = w.call(alice, "moving")
			require.Equal(t, http.StatusOK, status, body)
			assert.Equal(t, after.Issuer(), w.connectionOf(alice, "moving")["issuer"])
			after.RevokeAll()
			status, body = w.call(alice, "moving")
			require.Equal(t, http.StatusOK, status, body)
			assert.Equal(t, []string{second}, distinct(append(m.sent(after, "client_id"), second)), "the old client is not used there")
			require.NotEmpty(t, m.sent(after, "refresh_token"))
			for _, token := range m.sent(after, "refresh_token") {
				assert.NotContains(t, m.sent(before, "refresh_token"), token)
			}
			assert.Equal(t, asked, before.Stats().TokenRequests)
		})
	}
}

// ends waits until a caller is told that the connection has ended, which is not looked into again at once after a token was
// refused.
func (w *realm) ends(credential, slug string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		status, body := w.call(credential, slug)
		return status == http.StatusForbidden && strings.Contains(body, `"connection_ended"`)
	}, patience, 100*time.Millisecond)
}

func distinct(values []string) (out []string) {
	seen := map[string]bool{}
	for _, v := range values {
		if !seen[v] {
			seen[v], out = true, append(out, v)
		}
	}
	return out
}

// A client that an administrator has entered belongs to the authorization server at which it was first used.
func TestEnteredClientStaysWithItsIssuer(t *testing.T) {
	w := newRealm(t)
	client := authserver.Client{ID: "gw", Secrets: []string{"gw-secret"}, RedirectURIs: []string{w.url + "/callback"}}
	before, after := w.authserver(authserver.Options{Clients: []authserver.Client{client}}), w.authserver(authserver.Options{Clients: []authserver.Client{client}})
	m := newMigrating(t, before, after)
	m.use(t, before)
	w.create("moving", fmt.Sprintf(`{"server_name":"moving","slug":"moving","url":%q,"transport":"http","auth_type":"oauth2","oauth2_flow":"authorization_code","client_id":"gw","credentials":{"client_secret":"gw-secret"}}`, m.now.Load().URL()))
	alice, b := w.key("alice"), newBrowser(t)
	resp, page := b.get(b.authorize(w.begin(b, alice, "moving", "")))
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	status, body := w.call(alice, "moving")
	require.Equal(t, http.StatusOK, status, body)

	m.use(t, after)
	w.ends(alice, "moving")
	status, out := w.do("POST", "/v1/mcp/server/moving/connect", `{}`)
	assert.Equal(t, http.StatusBadGateway, status)
	assert.Equal(t, "issuer_changed", out["error"].(map[string]any)["code"], "%v", out)
	assert.Zero(t, after.Stats().TokenRequests)
}
