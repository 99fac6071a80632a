package contract

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
)

// begin asks the management API for a flow in this browser and answers the address at the
// authorization server.
func (w *realm) begin(b *browser, key, slug, body string) string {
	w.t.Helper()
	r, err := http.NewRequest("POST", w.url+"/v1/mcp/server/"+slug+"/connect", strings.NewReader(body))
	require.NoError(w.t, err)
	r.Header.Set("Authorization", "Bearer "+key)
	resp, text := b.do(r)
	require.Equal(w.t, http.StatusOK, resp.StatusCode, text)
	var out struct {
		URL string `json:"authorization_url"`
	}
	require.NoError(w.t, json.Unmarshal([]byte(text), &out))
	return out.URL
}

func (w *realm) connectionOf(key, slug string) map[string]any {
	w.t.Helper()
	_, body := w.request("GET", "/v1/mcp/server/"+slug+"/connection", "", "Authorization", "Bearer "+key)
	var out map[string]any
	require.NoError(w.t, json.Unmarshal([]byte(body), &out))
	return out
}

func TestInteractiveFlow(t *testing.T) {
	for name, c := range map[string]struct {
		options authserver.Options
		fields  string
		client  string // how the client_id begins
	}{
		"metadata document":    {authserver.Options{MetadataDocuments: true, Registration: true}, "", "http://127.0.0.1"},
		"dynamic registration": {authserver.Options{Registration: true}, "", "dcr-"},
		"pre-registered": {authserver.Options{MetadataDocuments: true, Registration: true, Clients: []authserver.Client{{ID: "gw", Secrets: []string{"gw-secret"}}}},
			`,"client_id":"gw","credentials":{"client_secret":"gw-secret"}`, "gw"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newInteractiveRealm(t, c.options, c.fields)
			if c.client == "gw" {
				w.idp.Register(authserver.Client{ID: "gw", Secrets: []string{"gw-secret"}, RedirectURIs: []string{w.url + "/callback"}})
			}
			alice, bob := w.key("alice"), w.key("bob")

			status, body := w.call(alice, "files")
			require.Equal(t, http.StatusForbidden, status, body)
			assert.Contains(t, body, "interactive_authorization_required")
			assert.Contains(t, body, "/connect/files")
			assert.Empty(t, w.server.Requests(), "nothing reaches the server without a token but the gateway's own discovery")

			b := newBrowser(t)
			at := w.begin(b, alice, "files", `{}`)
			u, err := url.Parse(at)
			require.NoError(t, err)
			q := u.Query()
			assert.True(t, strings.HasPrefix(q.Get("client_id"), c.client), q.Get("client_id"))
			assert.Equal(t, "S256", q.Get("code_challenge_method"))
			assert.Equal(t, w.server.URL(), q.Get("resource"))
			assert.Equal(t, "mcp:read mcp:call", q.Get("scope"))
			assert.NotContains(t, at, "verifier")

			resp, page := b.get(b.authorize(at))
			require.Equal(t, http.StatusOK, resp.StatusCode, page)
			assert.Contains(t, page, "Connected")

			status, body = w.call(alice, "files")
			require.Equal(t, http.StatusOK, status, body)
			status, body = w.call(bob, "files")
			assert.Equal(t, http.StatusForbidden, status, "another caller has nothing of it: %s", body)
			assert.Equal(t, true, w.connectionOf(alice, "files")["connected"])
			assert.Equal(t, true, w.connectionOf(alice, "files")["renewable"], "the refresh token is kept")
			assert.Equal(t, false, w.connectionOf(bob, "files")["connected"])

			resp, _ = w.request("DELETE", "/v1/mcp/server/files/connection", "", "Authorization", "Bearer "+alice)
			assert.Equal(t, http.StatusNoContent, resp.StatusCode)
			status, _ = w.call(alice, "files")
			assert.Equal(t, http.StatusForbidden, status)
		})
	}
}

func TestSharedIdentity(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	alice := w.key("alice")
	b := newBrowser(t)
	r, err := http.NewRequest("POST", w.url+"/v1/mcp/server/files/connect", strings.NewReader(`{"shared":true}`))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+alice)
	resp, _ := b.do(r)
	assert.Equal(t, http.StatusForbidden, resp.StatusCode, "only an administrator")

	resp, page := b.get(b.authorize(w.begin(b, w.adminKey, "files", `{"shared":true,"return_to":"/ui/connected"}`)))
	require.Equal(t, http.StatusSeeOther, resp.StatusCode, page)
	assert.Equal(t, "/ui/connected", resp.Header.Get("Location"))
	status, body := w.call(alice, "files")
	assert.Equal(t, http.StatusOK, status, body)
}

// The attacks on the flow, one by one.
func TestFlowAttacks(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	alice := w.key("alice")
	edit := func(at, name, value string) string {
		u, err := url.Parse(at)
		require.NoError(t, err)
		q := u.Query()
		if value == "" {
			q.Del(name)
		} else {
			q.Set(name, value)
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	refused := func(t *testing.T, b *browser, at, code string) {
		t.Helper()
		resp, page := b.get(at)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
		assert.Contains(t, page, code)
		assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
		assert.NotContains(t, page, "<script")
		assert.Equal(t, false, w.connectionOf(alice, "files")["connected"])
	}
	t.Run("another browser finishes it (session fixation, login CSRF)", func(t *testing.T) {
		b := newBrowser(t)
		back := b.authorize(w.begin(b, alice, "files", ""))
		refused(t, newBrowser(t), back, "invalid_callback")
	})
	t.Run("another browser with a cookie of its own", func(t *testing.T) {
		b, mallory := newBrowser(t), newBrowser(t)
		back := b.authorize(w.begin(b, alice, "files", ""))
		u, _ := url.Parse(back)
		other := mallory.authorize(w.begin(mallory, w.key("mallory"), "files", ""))
		v, _ := url.Parse(other)
		mixed := v.Query()
		mixed.Set("state", u.Query().Get("state"))
		v.RawQuery = mixed.Encode()
		refused(t, mallory, v.String(), "invalid_callback")
	})
	t.Run("forged state", func(t *testing.T) {
		b := newBrowser(t)
		refused(t, b, edit(b.authorize(w.begin(b, alice, "files", "")), "state", "forged"), "invalid_callback")
	})
	t.Run("no state", func(t *testing.T) {
		b := newBrowser(t)
		refused(t, b, edit(b.authorize(w.begin(b, alice, "files", "")), "state", ""), "invalid_callback")
	})
	t.Run("wrong iss", func(t *testing.T) {
		b := newBrowser(t)
		refused(t, b, edit(b.authorize(w.begin(b, alice, "files", "")), "iss", "https://evil.example"), "issuer_mismatch")
	})
	t.Run("iss with a slash (no normalization)", func(t *testing.T) {
		b := newBrowser(t)
		refused(t, b, edit(b.authorize(w.begin(b, alice, "files", "")), "iss", w.idp.Issuer()+"/"), "issuer_mismatch")
	})
	t.Run("no iss although it is advertised", func(t *testing.T) {
		b := newBrowser(t)
		refused(t, b, edit(b.authorize(w.begin(b, alice, "files", "")), "iss", ""), "issuer_mismatch")
	})
	t.Run("an error of another server is not shown", func(t *testing.T) {
		b := newBrowser(t)
		at := edit(edit(b.authorize(w.begin(b, alice, "files", "")), "iss", "https://evil.example"), "error", "look_at_me")
		resp, page := b.get(at)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
		assert.NotContains(t, page, "look_at_me")
	})
	t.Run("a code of another flow (code injection)", func(t *testing.T) {
		b, mallory := newBrowser(t), newBrowser(t)
		stolen := mallory.authorize(w.begin(mallory, w.key("mallory2"), "files", ""))
		s, _ := url.Parse(stolen)
		resp, page := b.get(edit(b.authorize(w.begin(b, alice, "files", "")), "code", s.Query().Get("code")))
		assert.Equal(t, http.StatusBadGateway, resp.StatusCode, "PKCE: the verifier is of another flow")
		assert.NotContains(t, page, s.Query().Get("code"))
		assert.Equal(t, false, w.connectionOf(alice, "files")["connected"])
	})
	t.Run("doubled parameters", func(t *testing.T) {
		b := newBrowser(t)
		refused(t, b, b.authorize(w.begin(b, alice, "files", ""))+"&code=another", "invalid_callback")
	})
	t.Run("open redirect by return_to", func(t *testing.T) {
		for _, to := range []string{"https://evil.example/ui/", "//evil.example/ui/", "/\\\\evil.example", "/ui/../v1", "/v1/keys", "javascript:alert(1)", "/ui/\\r\\nSet-Cookie: x=y"} {
			resp, body := w.request("POST", "/v1/mcp/server/files/connect", `{"return_to":"`+to+`"}`, "Authorization", "Bearer "+alice)
			assert.Equal(t, http.StatusUnprocessableEntity, resp.StatusCode, "%s: %s", to, body)
		}
	})
	t.Run("cross-site start with a session cookie", func(t *testing.T) {
		resp, _ := w.request("POST", "/v1/session", `{"key":"`+w.adminKey+`"}`)
		cookie := resp.Header.Get("Set-Cookie")
		cookie, _, _ = strings.Cut(cookie, ";")
		resp, body := w.request("POST", "/v1/mcp/server/files/connect", `{"shared":true}`, "Cookie", cookie, "Origin", "https://evil.example")
		assert.Equal(t, http.StatusForbidden, resp.StatusCode, body)
	})
	t.Run("state replay", func(t *testing.T) {
		b := newBrowser(t)
		back := b.authorize(w.begin(b, alice, "files", ""))
		saved := b.http.Jar.Cookies(mustURL(t, w.url))
		resp, page := b.get(back)
		require.Equal(t, http.StatusOK, resp.StatusCode, page)
		b.http.Jar.SetCookies(mustURL(t, w.url), saved)
		resp, page = b.get(back)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "once")
		assert.Contains(t, page, "invalid_callback")
	})
	t.Run("an M2M server", func(t *testing.T) {
		u := w.m2m("m2m")
		for _, path := range []string{"/v1/mcp/server/m2m/connect", "/m2m/register", "/m2m/token"} {
			resp, body := w.request("POST", path, `{}`, "Authorization", "Bearer "+w.adminKey)
			assert.Equal(t, http.StatusNotFound, resp.StatusCode, "%s: %s", path, body)
		}
		for _, path := range []string{"/m2m/authorize?client_id=x", "/.well-known/oauth-authorization-server/m2m", "/.well-known/openid-configuration/m2m"} {
			resp, body := w.request("GET", path, "")
			assert.Equal(t, http.StatusNotFound, resp.StatusCode, "%s: %s", path, body)
		}
		assert.Zero(t, u.mints())
	})
}

func TestMetadataThatMustNotBeUsed(t *testing.T) {
	document := func(issuer, extra string) string {
		return fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":"%s/authorize","token_endpoint":"%s/token","registration_endpoint":"%s/register","code_challenge_methods_supported":["S256"]%s}`, issuer, issuer, issuer, issuer, extra)
	}
	for name, c := range map[string]struct {
		prm, as string // %[1]s is the server's own URL
		code    string
	}{
		"another resource":                 {`{"resource":"https://elsewhere.example/mcp","authorization_servers":["%[1]s"]}`, "", "discovery_failed"},
		"an issuer in a private network":   {`{"resource":"%[1]s/mcp","authorization_servers":["https://10.0.0.1"]}`, "", "discovery_failed"},
		"a decimal address":                {`{"resource":"%[1]s/mcp","authorization_servers":["https://2130706433"]}`, "", "discovery_failed"},
		"a hexadecimal address":            {`{"resource":"%[1]s/mcp","authorization_servers":["https://0x7f000001"]}`, "", "discovery_failed"},
		"an address mapped into IPv6":      {`{"resource":"%[1]s/mcp","authorization_servers":["https://[::ffff:169.254.169.254]"]}`, "", "discovery_failed"},
		"a link-local address":             {`{"resource":"%[1]s/mcp","authorization_servers":["https://169.254.169.254"]}`, "", "discovery_failed"},
		"a name of the inside":             {`{"resource":"%[1]s/mcp","authorization_servers":["https://metadata.google.internal"]}`, "", "discovery_failed"},
		"metadata of another issuer":       {`{"resource":"%[1]s/mcp","authorization_servers":["%[1]s"]}`, document("https://evil.example", ""), "discovery_failed"},
		"no PKCE":                          {`{"resource":"%[1]s/mcp","authorization_servers":["%[1]s"]}`, `{"issuer":"%[1]s","authorization_endpoint":"%[1]s/a","token_endpoint":"%[1]s/t"}`, "pkce_unsupported"},
		"PKCE with plain only (downgrade)": {`{"resource":"%[1]s/mcp","authorization_servers":["%[1]s"]}`, `{"issuer":"%[1]s","authorization_endpoint":"%[1]s/a","token_endpoint":"%[1]s/t","code_challenge_methods_supported":["plain"]}`, "pkce_unsupported"},
		"authorization endpoint inside":    {`{"resource":"%[1]s/mcp","authorization_servers":["%[1]s"]}`, `{"issuer":"%[1]s","authorization_endpoint":"https://192.168.0.1/a","token_endpoint":"%[1]s/t","code_challenge_methods_supported":["S256"]}`, "authorization_url_refused"},
		"authorization endpoint a script":  {`{"resource":"%[1]s/mcp","authorization_servers":["%[1]s"]}`, `{"issuer":"%[1]s","authorization_endpoint":"javascript:alert(1)","token_endpoint":"%[1]s/t","code_challenge_methods_supported":["S256"]}`, "authorization_url_refused"},
		"token endpoint inside":            {`{"resource":"%[1]s/mcp","authorization_servers":["%[1]s"]}`, `{"issuer":"%[1]s","authorization_endpoint":"%[1]s/a","token_endpoint":"https://10.1.1.1/t","code_challenge_methods_supported":["S256"]}`, "discovery_failed"},
		"registration endpoint inside":     {`{"resource":"%[1]s/mcp","authorization_servers":["%[1]s"]}`, `{"issuer":"%[1]s","authorization_endpoint":"%[1]s/a","token_endpoint":"%[1]s/t","registration_endpoint":"https://10.1.1.1/r","code_challenge_methods_supported":["S256"]}`, "registration_failed"},
		"nobody registers":                 {`{"resource":"%[1]s/mcp","authorization_servers":["%[1]s"]}`, `{"issuer":"%[1]s","authorization_endpoint":"%[1]s/a","token_endpoint":"%[1]s/t","code_challenge_methods_supported":["S256"]}`, "client_registration_required"},
		"a redirect to the inside":         {`REDIRECT`, "", "discovery_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRealm(t)
			var self string
			srv := newServer(t, func(rw http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasPrefix(r.URL.Path, "/.well-known/oauth-protected-resource"):
					if c.prm == "REDIRECT" {
						http.Redirect(rw, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
						return
					}
					_, _ = io.WriteString(rw, strings.ReplaceAll(c.prm, "%[1]s", self))
				case strings.HasPrefix(r.URL.Path, "/.well-known/") && c.as != "":
					_, _ = io.WriteString(rw, strings.ReplaceAll(c.as, "%[1]s", self))
				case r.URL.Path == "/mcp":
					rw.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+self+`/.well-known/oauth-protected-resource/mcp"`)
					rw.WriteHeader(http.StatusUnauthorized)
				default:
					rw.WriteHeader(http.StatusNotFound)
				}
			})
			self = srv
			issuer := ""
			if c.prm == "REDIRECT" {
				issuer = `,"issuer":"` + self + `/as"`
			}
			w.create("x", fmt.Sprintf(`{"server_name":"x","slug":"x","url":"%s/mcp","transport":"http","auth_type":"oauth2","oauth2_flow":"authorization_code"%s}`, self, issuer))
			status, out := w.do("POST", "/v1/mcp/server/x/connect", `{}`)
			assert.GreaterOrEqual(t, status, 500, "%v", out)
			assert.Equal(t, c.code, out["error"].(map[string]any)["code"], "%v", out)
		})
	}
}

func TestConnectPage(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	alice := w.key("alice")
	b := newBrowser(t)
	resp, page := b.get(w.url + "/connect/files")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Contains(t, page, `name="key"`)
	assert.Equal(t, "DENY", resp.Header.Get("X-Frame-Options"))
	for _, bad := range []string{"<script", "style=", "onclick", "<style"} {
		assert.NotContains(t, page, bad)
	}
	resp, page = b.post(w.url+"/connect/files", w.url, url.Values{"key": {"gw_wrong"}})
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	assert.NotContains(t, page, "gw_wrong")
	resp, page = b.post(w.url+"/connect/files", "https://evil.example", url.Values{"key": {alice}, "action": {"connect"}})
	assert.Equal(t, http.StatusForbidden, resp.StatusCode, "a form of another site: %s", page)

	resp, page = b.post(w.url+"/connect/files", w.url, url.Values{"key": {alice}})
	require.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Contains(t, page, "Signed in as alice")
	assert.Contains(t, page, "not connected")
	assert.NotContains(t, page, alice)
	resp, page = b.post(w.url+"/connect/files", w.url, url.Values{"action": {"connect"}})
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	to := refresh(resp)
	resp, page = b.get(b.authorize(to))
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	status, body := w.call(alice, "files")
	assert.Equal(t, http.StatusOK, status, body)
	_, page = b.get(w.url + "/connect")
	assert.Contains(t, page, "Disconnect")
	_, page = b.post(w.url+"/connect/files", w.url, url.Values{"action": {"disconnect"}})
	assert.Contains(t, page, "not connected")
	status, _ = w.call(alice, "files")
	assert.Equal(t, http.StatusForbidden, status)
}
