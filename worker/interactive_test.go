package worker_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// interactiveWorld is a gateway, an interactive MCP server and its authorization server.
type interactiveWorld struct {
	*world
	idp    *authserver.Listening
	server *mcpserver.Listening
}

func newInteractiveWorld(t *testing.T, options authserver.Options, fields string) *interactiveWorld {
	t.Helper()
	w := &interactiveWorld{world: newWorld(t)}
	var err error
	w.idp, err = authserver.Listen("127.0.0.1:0", options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.idp.Close() })
	w.server, err = mcpserver.Listen("127.0.0.1:0", mcpserver.Options{Issuer: w.idp.Issuer(), KeysURL: w.idp.KeysURL(), Revoked: w.idp.Revoked})
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.server.Close() })
	w.add("files", fields)
	return w
}

// add registers an interactive server at the gateway.
func (w *interactiveWorld) add(slug, fields string) {
	w.t.Helper()
	status, out := w.do("POST", "/v1/mcp/server", fmt.Sprintf(`{"server_name":%q,"slug":%q,"url":%q,"transport":"http","auth_type":"oauth2","oauth2_flow":"authorization_code"%s}`, slug, slug, w.server.URL(), fields))
	require.Equal(w.t, http.StatusCreated, status, "%v", out)
}

// key makes an access key that may call every server.
func (w *world) key(name string) string {
	w.t.Helper()
	status, out := w.do("POST", "/v1/keys", fmt.Sprintf(`{"name":%q,"all_servers":true}`, name))
	require.Equal(w.t, http.StatusCreated, status, "%v", out)
	return out["key"].(string)
}

// browser is a person's browser: it keeps cookies and follows a redirect when told to.
type browser struct {
	t    *testing.T
	http *http.Client
}

func newBrowser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &browser{t, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (b *browser) do(r *http.Request) (*http.Response, string) {
	b.t.Helper()
	resp, err := b.http.Do(r)
	require.NoError(b.t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	_ = resp.Body.Close()
	return resp, string(body)
}

func (b *browser) get(url string) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	require.NoError(b.t, err)
	return b.do(r)
}

// post sends a form as a page of this origin would.
func (b *browser) post(address, origin string, form url.Values) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequest("POST", address, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", origin)
	return b.do(r)
}

// begin asks the management API for a flow in this browser and answers the address at the
// authorization server.
func (w *interactiveWorld) begin(b *browser, key, slug, body string) string {
	w.t.Helper()
	r, err := http.NewRequest("POST", w.gateway.URL+"/v1/mcp/server/"+slug+"/connect", strings.NewReader(body))
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

// authorize lets the authorization server approve and answers where it sends the browser.
func (b *browser) authorize(address string) string {
	b.t.Helper()
	resp, body := b.get(address)
	require.Equal(b.t, http.StatusFound, resp.StatusCode, body)
	return resp.Header.Get("Location")
}

// call calls a tool through the gateway with a key and answers the status and the body.
func (w *interactiveWorld) call(credential, slug string) (int, string) {
	w.t.Helper()
	resp, body := w.send("POST", "/mcp/"+slug, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "Authorization", "Bearer "+credential, "Mcp-Protocol-Version", "2025-11-25")
	return resp.StatusCode, body
}

func (w *interactiveWorld) connectionOf(key, slug string) map[string]any {
	w.t.Helper()
	_, body := w.send("GET", "/v1/mcp/server/"+slug+"/connection", "", "Authorization", "Bearer "+key)
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
			w := newInteractiveWorld(t, c.options, c.fields)
			if c.client == "gw" {
				w.idp.Register(authserver.Client{ID: "gw", Secrets: []string{"gw-secret"}, RedirectURIs: []string{w.gateway.URL + "/callback"}})
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
			assert.Equal(t, false, w.connectionOf(bob, "files")["connected"])

			resp, _ = w.send("DELETE", "/v1/mcp/server/files/connection", "", "Authorization", "Bearer "+alice)
			assert.Equal(t, http.StatusNoContent, resp.StatusCode)
			status, _ = w.call(alice, "files")
			assert.Equal(t, http.StatusForbidden, status)
		})
	}
}

func TestSharedIdentity(t *testing.T) {
	w := newInteractiveWorld(t, authserver.Options{Registration: true}, "")
	alice := w.key("alice")
	b := newBrowser(t)
	r, err := http.NewRequest("POST", w.gateway.URL+"/v1/mcp/server/files/connect", strings.NewReader(`{"shared":true}`))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+alice)
	resp, _ := b.do(r)
	assert.Equal(t, http.StatusForbidden, resp.StatusCode, "only an administrator")

	resp, page := b.get(b.authorize(w.begin(b, adminKey, "files", `{"shared":true,"return_to":"/ui/connected"}`)))
	require.Equal(t, http.StatusSeeOther, resp.StatusCode, page)
	assert.Equal(t, "/ui/connected", resp.Header.Get("Location"))
	status, body := w.call(alice, "files")
	assert.Equal(t, http.StatusOK, status, body)
}

// The attacks on the flow, one by one.
func TestFlowAttacks(t *testing.T) {
	w := newInteractiveWorld(t, authserver.Options{Registration: true}, "")
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
			resp, body := w.send("POST", "/v1/mcp/server/files/connect", `{"return_to":"`+to+`"}`, "Authorization", "Bearer "+alice)
			assert.Equal(t, http.StatusUnprocessableEntity, resp.StatusCode, "%s: %s", to, body)
		}
	})
	t.Run("cross-site start with a session cookie", func(t *testing.T) {
		resp, _ := w.send("POST", "/v1/session", `{"key":"`+adminKey+`"}`)
		cookie := resp.Header.Get("Set-Cookie")
		cookie, _, _ = strings.Cut(cookie, ";")
		resp, body := w.send("POST", "/v1/mcp/server/files/connect", `{"shared":true}`, "Cookie", cookie, "Origin", "https://evil.example")
		assert.Equal(t, http.StatusForbidden, resp.StatusCode, body)
	})
	t.Run("state replay", func(t *testing.T) {
		b := newBrowser(t)
		back := b.authorize(w.begin(b, alice, "files", ""))
		saved := b.http.Jar.Cookies(mustURL(t, w.gateway.URL))
		resp, page := b.get(back)
		require.Equal(t, http.StatusOK, resp.StatusCode, page)
		b.http.Jar.SetCookies(mustURL(t, w.gateway.URL), saved)
		resp, page = b.get(back)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "once")
		assert.Contains(t, page, "invalid_callback")
	})
	t.Run("the flow's cookie", func(t *testing.T) {
		resp, _ := w.send("POST", "/v1/mcp/server/files/connect", `{}`, "Authorization", "Bearer "+alice, "X-Forwarded-Proto", "https")
		cookie := resp.Header.Get("Set-Cookie")
		for _, want := range []string{"__Host-grantway_flow_", "HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=300"} {
			assert.Contains(t, cookie, want)
		}
		assert.NotContains(t, cookie, "Domain")
	})
	t.Run("an M2M server", func(t *testing.T) {
		w.register("m2m", w.upstream(true))
		for _, path := range []string{"/v1/mcp/server/m2m/connect", "/m2m/register", "/m2m/token"} {
			resp, body := w.send("POST", path, `{}`, "Authorization", "Bearer "+adminKey)
			assert.Equal(t, http.StatusNotFound, resp.StatusCode, "%s: %s", path, body)
		}
		for _, path := range []string{"/m2m/authorize?client_id=x", "/.well-known/oauth-authorization-server/m2m", "/.well-known/openid-configuration/m2m"} {
			resp, body := w.send("GET", path, "")
			assert.Equal(t, http.StatusNotFound, resp.StatusCode, "%s: %s", path, body)
		}
		assert.Zero(t, w.mints.Load())
	})
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
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
			w := newWorld(t)
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
			status, out := w.do("POST", "/v1/mcp/server", fmt.Sprintf(`{"server_name":"x","slug":"x","url":"%s/mcp","transport":"http","auth_type":"oauth2","oauth2_flow":"authorization_code"%s}`, self, issuer))
			require.Equal(t, http.StatusCreated, status, "%v", out)
			status, out = w.do("POST", "/v1/mcp/server/x/connect", `{}`)
			assert.GreaterOrEqual(t, status, 500, "%v", out)
			assert.Equal(t, c.code, out["error"].(map[string]any)["code"], "%v", out)
		})
	}
}

func TestConnectPage(t *testing.T) {
	w := newInteractiveWorld(t, authserver.Options{Registration: true}, "")
	alice := w.key("alice")
	b := newBrowser(t)
	resp, page := b.get(w.gateway.URL + "/connect/files")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Contains(t, page, `name="key"`)
	assert.Equal(t, "DENY", resp.Header.Get("X-Frame-Options"))
	for _, bad := range []string{"<script", "style=", "onclick", "<style"} {
		assert.NotContains(t, page, bad)
	}
	resp, page = b.post(w.gateway.URL+"/connect/files", w.gateway.URL, url.Values{"key": {"gw_wrong"}})
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	assert.NotContains(t, page, "gw_wrong")
	resp, page = b.post(w.gateway.URL+"/connect/files", "https://evil.example", url.Values{"key": {alice}, "action": {"connect"}})
	assert.Equal(t, http.StatusForbidden, resp.StatusCode, "a form of another site: %s", page)

	resp, page = b.post(w.gateway.URL+"/connect/files", w.gateway.URL, url.Values{"key": {alice}})
	require.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Contains(t, page, "Signed in as alice")
	assert.Contains(t, page, "not connected")
	assert.NotContains(t, page, alice)
	resp, page = b.post(w.gateway.URL+"/connect/files", w.gateway.URL, url.Values{"action": {"connect"}})
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	to := strings.TrimPrefix(resp.Header.Get("Refresh"), "0; url=")
	resp, page = b.get(b.authorize(to))
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	status, body := w.call(alice, "files")
	assert.Equal(t, http.StatusOK, status, body)
	_, page = b.get(w.gateway.URL + "/connect")
	assert.Contains(t, page, "Disconnect")
	_, page = b.post(w.gateway.URL+"/connect/files", w.gateway.URL, url.Values{"action": {"disconnect"}})
	assert.Contains(t, page, "not connected")
	status, _ = w.call(alice, "files")
	assert.Equal(t, http.StatusForbidden, status)
}

// relayClient is an MCP client that does its own OAuth at the gateway.
type relayClient struct {
	*browser
	w        *interactiveWorld
	issuer   string
	id       string
	redirect string
	verifier string
}

func (w *interactiveWorld) newRelayClient(prefix string) *relayClient {
	c := &relayClient{browser: newBrowser(w.t), w: w, issuer: w.gateway.URL + prefix, redirect: "http://127.0.0.1:33333/cb", verifier: strings.Repeat("v", 50)}
	resp, body := w.send("POST", prefix+"/register", `{"client_name":"Editor","redirect_uris":["`+c.redirect+`"]}`)
	require.Equal(w.t, http.StatusCreated, resp.StatusCode, body)
	var out struct {
		ID string `json:"client_id"`
	}
	require.NoError(w.t, json.Unmarshal([]byte(body), &out))
	c.id = out.ID
	return c
}

func (c *relayClient) address(edit ...string) string {
	sum := sha256.Sum256([]byte(c.verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {c.id}, "redirect_uri": {c.redirect}, "state": {"st&ate"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "resource": {c.w.gateway.URL + "/mcp/files"},
	}
	for i := 0; i < len(edit); i += 2 {
		q.Set(edit[i], edit[i+1])
	}
	return c.issuer + "/authorize?" + q.Encode()
}

var ticketField = regexp.MustCompile(`name="ticket" value="([^"]+)"`)

// consent allows the client with a key and answers the address that the browser is sent to.
func (c *relayClient) consent(key string) string {
	c.t.Helper()
	resp, page := c.get(c.address())
	require.Equal(c.t, http.StatusOK, resp.StatusCode, page)
	m := ticketField.FindStringSubmatch(page)
	require.NotNil(c.t, m, page)
	form := url.Values{"ticket": {html.UnescapeString(m[1])}, "decision": {"allow"}}
	if key != "" {
		form.Set("key", key)
	}
	resp, page = c.post(c.issuer+"/authorize", c.w.gateway.URL, form)
	require.Equal(c.t, http.StatusOK, resp.StatusCode, page)
	return strings.TrimPrefix(resp.Header.Get("Refresh"), "0; url=")
}

func (c *relayClient) exchange(form url.Values) (int, map[string]any) {
	c.t.Helper()
	resp, err := http.PostForm(c.issuer+"/token", form)
	require.NoError(c.t, err)
	defer func() { _ = resp.Body.Close() }()
	var out map[string]any
	require.NoError(c.t, json.NewDecoder(resp.Body).Decode(&out))
	return resp.StatusCode, out
}

func (c *relayClient) codeForm(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "client_id": {c.id}, "code": {code}, "redirect_uri": {c.redirect}, "code_verifier": {c.verifier}}
}

func TestRelay(t *testing.T) {
	w := newInteractiveWorld(t, authserver.Options{Registration: true}, "")
	w.add("other", "")
	alice := w.key("alice")
	_, body := w.send("GET", "/.well-known/oauth-protected-resource/mcp/files", "")
	assert.Contains(t, body, `"authorization_servers":["`+w.gateway.URL+`/files"]`)
	resp, _ := w.send("POST", "/mcp/files", initialize)
	assert.Contains(t, resp.Header.Get("WWW-Authenticate"), "resource_metadata=")
	_, body = w.send("GET", "/.well-known/oauth-authorization-server/files", "")
	assert.Contains(t, body, `"issuer":"`+w.gateway.URL+`/files"`)

	c := w.newRelayClient("/files")
	upstream := c.consent(alice)
	require.True(t, strings.HasPrefix(upstream, w.idp.Issuer()), "the gateway is authorized at the upstream first: %s", upstream)
	resp, page := c.get(c.authorize(upstream))
	require.Equal(t, http.StatusFound, resp.StatusCode, page)
	back := mustURL(t, resp.Header.Get("Location"))
	assert.Equal(t, c.redirect, "http://"+back.Host+back.Path)
	assert.Equal(t, "st&ate", back.Query().Get("state"))
	assert.Equal(t, w.gateway.URL+"/files", back.Query().Get("iss"))
	code := back.Query().Get("code")
	require.NotEmpty(t, code)

	wrong := c.codeForm(code)
	wrong.Set("code_verifier", strings.Repeat("w", 50))
	status, out := c.exchange(wrong)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "invalid_grant", out["error"])
	status, _ = c.exchange(c.codeForm(code))
	assert.Equal(t, http.StatusBadRequest, status, "a code that was tried is spent")

	back = mustURL(t, c.consent("")) // signed in and connected: straight back
	status, out = c.exchange(c.codeForm(back.Query().Get("code")))
	require.Equal(t, http.StatusOK, status, "%v", out)
	token, refresh := out["access_token"].(string), out["refresh_token"].(string)

	got, body := w.call(token, "files")
	require.Equal(t, http.StatusOK, got, body)
	for _, path := range []string{"/mcp/other", "/mcp", "/v1/connections", "/v1/keys"} {
		resp, _ := w.send("POST", path, initialize, "Authorization", "Bearer "+token)
		assert.GreaterOrEqual(t, resp.StatusCode, 401, "the token is for one server: %s", path)
	}
	for _, r := range w.server.Requests() {
		assert.NotContains(t, fmt.Sprint(r.Header)+string(r.Body), token, "the client's token never reaches the upstream")
	}

	status, out = c.exchange(url.Values{"grant_type": {"refresh_token"}, "client_id": {c.id}, "refresh_token": {refresh}})
	require.Equal(t, http.StatusOK, status, "%v", out)
	got, _ = w.call(out["access_token"].(string), "files")
	assert.Equal(t, http.StatusOK, got)
	status, _ = c.exchange(url.Values{"grant_type": {"refresh_token"}, "client_id": {c.id}, "refresh_token": {refresh}})
	assert.Equal(t, http.StatusBadRequest, status, "a refresh token is good once")
	other := w.newRelayClient("/files")
	status, _ = other.exchange(url.Values{"grant_type": {"refresh_token"}, "client_id": {other.id}, "refresh_token": {out["refresh_token"].(string)}})
	assert.Equal(t, http.StatusBadRequest, status, "and for its client alone")
}

func TestRelayAttacks(t *testing.T) {
	w := newInteractiveWorld(t, authserver.Options{Registration: true}, "")
	c := w.newRelayClient("/files")
	for name, edit := range map[string][]string{
		"another host":          {"redirect_uri", "http://evil.example/cb"},
		"another port":          {"redirect_uri", "http://127.0.0.1:44444/cb"},
		"a path below":          {"redirect_uri", c.redirect + "/x"},
		"a query more":          {"redirect_uri", c.redirect + "?x=1"},
		"a final slash":         {"redirect_uri", c.redirect + "/"},
		"another case":          {"redirect_uri", strings.ToUpper(c.redirect)},
		"path traversal":        {"redirect_uri", "http://127.0.0.1:33333/x/../cb"},
		"user information":      {"redirect_uri", "http://127.0.0.1:33333@evil.example/cb"},
		"none":                  {"redirect_uri", ""},
		"an unknown client":     {"client_id", "gwc_AAAA"},
		"a client of elsewhere": {"client_id", "https://evil.example/client.json"},
	} {
		resp, page := c.get(c.address(edit...))
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, name)
		assert.Empty(t, resp.Header.Get("Location"), "%s: nobody is redirected", name)
		assert.Empty(t, resp.Header.Get("Refresh"), name)
		assert.NotContains(t, page, "<script", name)
	}
	for name, edit := range map[string][]string{
		"no PKCE":               {"code_challenge", ""},
		"plain PKCE":            {"code_challenge_method", "plain"},
		"implicit flow":         {"response_type", "token"},
		"audience of elsewhere": {"resource", "https://elsewhere.example/mcp"},
	} {
		resp, page := c.get(c.address(edit...))
		require.Equal(t, http.StatusFound, resp.StatusCode, "%s: %s", name, page)
		back := mustURL(t, resp.Header.Get("Location"))
		assert.NotEmpty(t, back.Query().Get("error"), name)
		assert.Empty(t, back.Query().Get("code"), name)
	}
	for _, bad := range []string{"javascript:alert(1)", "data:text/html,x", "http://evil.example/cb", "https://x.example/#f", "https://u:p@x.example/", "file:///etc/passwd", "/relative", ""} {
		resp, _ := w.send("POST", "/files/register", fmt.Sprintf(`{"redirect_uris":[%q]}`, bad))
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, bad)
	}

	t.Run("consent cannot be skipped or forged", func(t *testing.T) {
		alice := w.key("alice")
		_, page := c.get(c.address())
		m := ticketField.FindStringSubmatch(page)
		require.NotNil(t, m)
		ticket := html.UnescapeString(m[1])
		resp, _ := newBrowser(t).post(c.issuer+"/authorize", w.gateway.URL, url.Values{"ticket": {ticket}, "decision": {"allow"}, "key": {alice}})
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "the ticket is this browser's")
		resp, _ = c.post(c.issuer+"/authorize", "https://evil.example", url.Values{"ticket": {ticket}, "decision": {"allow"}, "key": {alice}})
		assert.Equal(t, http.StatusForbidden, resp.StatusCode, "cross-site")
		resp, _ = c.post(c.issuer+"/authorize", w.gateway.URL, url.Values{"ticket": {ticket[:len(ticket)-4] + "AAAA"}, "decision": {"allow"}, "key": {alice}})
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "tampered")
		resp, _ = c.post(c.issuer+"/authorize", w.gateway.URL, url.Values{"ticket": {ticket}, "decision": {"allow"}})
		assert.Equal(t, http.StatusForbidden, resp.StatusCode, "nobody is signed in")
		resp, _ = c.post(c.issuer+"/authorize", w.gateway.URL, url.Values{"ticket": {ticket}, "decision": {"deny"}})
		assert.Contains(t, resp.Header.Get("Refresh"), "error=access_denied")
	})
	t.Run("a client's name is text", func(t *testing.T) {
		resp, body := w.send("POST", "/files/register", `{"client_name":"<script>alert(1)</script>","redirect_uris":["https://app.example/cb"]}`)
		require.Equal(t, http.StatusCreated, resp.StatusCode, body)
		var out struct {
			ID string `json:"client_id"`
		}
		require.NoError(t, json.Unmarshal([]byte(body), &out))
		_, page := c.get(c.address("client_id", out.ID, "redirect_uri", "https://app.example/cb"))
		assert.NotContains(t, page, "<script>")
		assert.Contains(t, page, "app.example")
	})
}

func TestRelayRootForms(t *testing.T) {
	w := newInteractiveWorld(t, authserver.Options{Registration: true}, "")
	resp, body := w.send("GET", "/.well-known/oauth-authorization-server", "")
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	assert.Contains(t, body, `"authorization_endpoint":"`+w.gateway.URL+`/authorize"`)
	c := w.newRelayClient("")
	alice := w.key("alice")
	resp, page := c.get(c.authorize(c.consent(alice)))
	require.Equal(t, http.StatusFound, resp.StatusCode, page)
	status, out := c.exchange(c.codeForm(mustURL(t, resp.Header.Get("Location")).Query().Get("code")))
	require.Equal(t, http.StatusOK, status, "%v", out)

	w.add("other", "")
	for _, path := range []string{"/authorize", "/.well-known/oauth-authorization-server"} {
		resp, body := w.send("GET", path, "")
		assert.Equal(t, http.StatusNotFound, resp.StatusCode)
		assert.Contains(t, body, "files, other", "names the choices")
	}
}

// newServer starts a server and answers its URL.
func newServer(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestCallerWithoutConnectionIsTold(t *testing.T) {
	w := newInteractiveWorld(t, authserver.Options{Registration: true}, "")
	alice := w.key("alice")
	url := w.gateway.URL + "/connect/files"
	call := func(capabilities, more string) (*http.Response, string) {
		return w.send("POST", "/mcp/files", `{"jsonrpc":"2.0","id":"a1","method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":`+capabilities+`}`+more+`}}`,
			"Authorization", "Bearer "+alice, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "echo")
	}
	resp, body := call(`{}`, "")
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	assert.Contains(t, body, `"url":"`+url+`"`)
	assert.Contains(t, body, `connect your account at `+url)

	resp, body = call(`{"elicitation":{"url":{}}}`, "")
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	assert.JSONEq(t, `{"jsonrpc":"2.0","id":"a1","result":{"resultType":"input_required","inputRequests":{"grantway_connect":{"method":"elicitation/create","params":{
		"mode":"url","url":"`+url+`","message":"Server files needs your authorization: connect your account at `+url+`."}}}}}`, body)
	assert.NotContains(t, body, alice)

	b := newBrowser(t)
	resp, page := b.get(b.authorize(w.begin(b, alice, "files", "")))
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	resp, body = call(`{"elicitation":{"url":{}}}`, `,"inputResponses":{"grantway_connect":{"action":"accept"}}`)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	assert.NotContains(t, body, "input_required")
	for _, r := range w.server.Requests() {
		assert.NotContains(t, string(r.Body), "grantway_connect", "the answer was for the gateway")
	}
}
