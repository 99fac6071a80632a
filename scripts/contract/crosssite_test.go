package contract

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
)

// TestCrossSiteRequests: a page of another site has the browser send a signed-in administrator's cookie to every route that
// changes something, and nothing comes of it.
func TestCrossSiteRequests(t *testing.T) {
	w := newRealm(t)
	w.m2m("demo")
	b, err := os.ReadFile("../../worker/openapi/openapi.json")
	require.NoError(t, err)
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(b, &document))
	resp, body := w.request("POST", "/v1/session", `{"key":"`+w.adminKey+`"}`)
	require.Less(t, resp.StatusCode, 300, body)
	cookie, _, _ := strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	resp, body = w.request("GET", "/v1/session", "", "Cookie", cookie)
	require.Equal(t, http.StatusOK, resp.StatusCode, "the session is good: %s", body)
	resp, _ = w.request("POST", "/v1/session", `{"key":"`+w.adminKey+`"}`, "Origin", "https://evil.example")
	assert.Equal(t, http.StatusForbidden, resp.StatusCode, "signing in from another site")

	routes := 0
	for path, methods := range document.Paths {
		for method := range methods {
			method = strings.ToUpper(method)
			if method == "GET" || method == "HEAD" || method == "PARAMETERS" || method+path == "POST/v1/session" {
				continue
			}
			routes++
			at := strings.NewReplacer("{id}", "demo", "{server}", "demo").Replace(path)
			for name, headers := range map[string][]string{
				"without the header":         {},
				"from another origin":        {"X-Grantway-CSRF", "1", "Origin", "https://evil.example"},
				"from an origin that is not": {"X-Grantway-CSRF", "1", "Origin", "null"},
				"as the browser says":        {"X-Grantway-CSRF", "1", "Sec-Fetch-Site", "cross-site"},
				"of a sibling":               {"X-Grantway-CSRF", "1", "Sec-Fetch-Site", "same-site"},
			} {
				resp, body := w.request(method, at, `{}`, append(headers, "Cookie", cookie)...)
				assert.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, resp.StatusCode, "%s %s %s: %s", method, at, name, body)
			}
		}
	}
	assert.Greater(t, routes, 25, "every route that changes something is in openapi.json")
	status, out := w.do("GET", "/v1/mcp/server/demo", "")
	assert.Equal(t, http.StatusOK, status, "nothing was changed: %v", out)
	resp, _ = w.request("GET", "/v1/session", "", "Cookie", cookie)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

// TestPagesCannotBeFramed: no page of the gateway can be put into another's, and none runs a script.
func TestPagesCannotBeFramed(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	alice, c := w.key("alice"), w.newRelayClient("/files")
	c.post(w.url+"/connect", w.url, url.Values{"key": {alice}})
	pages := map[string]*http.Response{}
	get := func(name, address string) { pages[name], _ = c.get(address) }
	get("connections", w.url+"/connect")
	get("a connection", w.url+"/connect/files")
	get("consent", c.address())
	get("a refused authorization request", w.url+"/files/authorize?client_id=x")
	get("a refused callback", w.url+"/callback?state=x&code=y")
	pages["on the way"], _ = c.post(w.url+"/connect/files", w.url, url.Values{"action": {"connect"}})
	get("connected", c.authorize(refresh(pages["on the way"])))
	for name, resp := range pages {
		policy := resp.Header.Get("Content-Security-Policy")
		assert.Contains(t, resp.Header.Get("Content-Type"), "text/html", name)
		assert.Contains(t, policy, "frame-ancestors 'none'", name)
		assert.Contains(t, policy, "default-src 'none'", name)
		assert.NotContains(t, policy, "unsafe", name)
		assert.Equal(t, "DENY", resp.Header.Get("X-Frame-Options"), name)
		assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"), name)
	}
}

// TestMixUp: an attacker's authorization server, which the gateway also uses, can neither finish a flow of the honest one nor
// get its code.
func TestMixUp(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	honest := w.idp
	evil := w.authserver(authserver.Options{Registration: true})
	w.server = w.mcpserver(evil)
	w.add("evil", "")
	alice, b := w.key("alice"), newBrowser(t)
	code := func(back string) string { return mustURL(t, back).Query().Get("code") }

	atHonest, atEvil := w.begin(b, alice, "files", ""), w.begin(b, alice, "evil", "")
	backHonest, backEvil := b.authorize(atHonest), b.authorize(atEvil)
	// The honest server's code with the other flow's state: as it is, and in the name of the other one.
	for name, iss := range map[string]string{"issuer as it is": honest.Issuer(), "issuer forged": evil.Issuer()} {
		begun := b.authorize(w.begin(b, alice, "evil", "")) // a state is good for one response
		before := evil.Stats().TokenRequests
		q := url.Values{"code": {code(backHonest)}, "state": mustURL(t, begun).Query()["state"], "iss": {iss}}
		resp, page := b.get(w.url + "/callback?" + q.Encode())
		assert.GreaterOrEqual(t, resp.StatusCode, 400, "%s: %s", name, page)
		if iss == honest.Issuer() {
			assert.Contains(t, page, "issuer_mismatch")
			assert.Equal(t, before, evil.Stats().TokenRequests, "the code never reaches the other server")
		}
	}
	// The attacker's code for the honest flow.
	q := url.Values{"code": {code(backEvil)}, "state": mustURL(t, backHonest).Query()["state"], "iss": {evil.Issuer()}}
	resp, page := b.get(w.url + "/callback?" + q.Encode())
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
	assert.Contains(t, page, "issuer_mismatch")
	for _, slug := range []string{"files", "evil"} {
		assert.Equal(t, false, w.connectionOf(alice, slug)["connected"], slug)
	}
	for _, s := range []*authserver.Listening{honest, evil} {
		assert.Empty(t, s.Stats().Mints, "no token was issued")
	}
}
