package contract

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
)

// relayClient is an MCP client that does its own OAuth at the gateway.
type relayClient struct {
	*browser
	w        *realm
	issuer   string
	id       string
	redirect string
	verifier string
}

func (w *realm) newRelayClient(prefix string) *relayClient {
	c := &relayClient{browser: newBrowser(w.t), w: w, issuer: w.url + prefix, redirect: "http://127.0.0.1:33333/cb", verifier: strings.Repeat("v", 50)}
	resp, body := w.request("POST", prefix+"/register", `{"client_name":"Editor","redirect_uris":["`+c.redirect+`"]}`)
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
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "resource": {c.w.url + "/mcp/files"},
	}
	for i := 0; i < len(edit); i += 2 {
		q.Set(edit[i], edit[i+1])
	}
	return c.issuer + "/authorize?" + q.Encode()
}

var ticketField = regexp.MustCompile(`name="ticket" value="([^"]+)"`)

// consent allows the client with a key and answers the address that the browser is sent to.
func (c *relayClient) consent(key string) string { return c.allow(c.w, c.address(), key) }

// allow consents to an authorization request with a key and answers where the browser is sent to.
func (b *browser) allow(w *realm, address, key string) string {
	b.t.Helper()
	resp, page := b.get(address)
	require.Equal(b.t, http.StatusOK, resp.StatusCode, page)
	resp, page = b.decide(w, page, address, "allow", key)
	require.Equal(b.t, http.StatusOK, resp.StatusCode, page)
	return refresh(resp)
}

// decide sends the form of a consent page.
func (b *browser) decide(w *realm, page, address, decision, key string) (*http.Response, string) {
	b.t.Helper()
	m := ticketField.FindStringSubmatch(page)
	require.NotNil(b.t, m, page)
	form := url.Values{"ticket": {html.UnescapeString(m[1])}, "decision": {decision}}
	if key != "" {
		form.Set("key", key)
	}
	at, _, _ := strings.Cut(address, "?")
	return b.post(at, w.url, form)
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
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	w.add("other", "")
	alice := w.key("alice")
	_, body := w.request("GET", "/.well-known/oauth-protected-resource/mcp/files", "")
	assert.Contains(t, body, `"authorization_servers":["`+w.url+`/files"]`)
	resp, _ := w.request("POST", "/mcp/files", initialize)
	assert.Contains(t, resp.Header.Get("WWW-Authenticate"), "resource_metadata=")
	_, body = w.request("GET", "/.well-known/oauth-authorization-server/files", "")
	assert.Contains(t, body, `"issuer":"`+w.url+`/files"`)

	c := w.newRelayClient("/files")
	upstream := c.consent(alice)
	require.True(t, strings.HasPrefix(upstream, w.idp.Issuer()), "the gateway is authorized at the upstream first: %s", upstream)
	resp, page := c.get(c.authorize(upstream))
	require.Equal(t, http.StatusFound, resp.StatusCode, page)
	back := mustURL(t, resp.Header.Get("Location"))
	assert.Equal(t, c.redirect, "http://"+back.Host+back.Path)
	assert.Equal(t, "st&ate", back.Query().Get("state"))
	assert.Equal(t, w.url+"/files", back.Query().Get("iss"))
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
		resp, _ := w.request("POST", path, initialize, "Authorization", "Bearer "+token)
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

// TestRelayOfficialClient: the official client with the URL of the server and its authorization code provider, and a person
// who has an access key.
func TestRelayOfficialClient(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	alice := w.key("alice")
	for _, path := range []string{"/mcp/files", "/files/mcp"} {
		b, asked := newBrowser(t), 0
		handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
			DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
				ClientName: "Editor", RedirectURIs: []string{"http://127.0.0.1:33333/cb"}, GrantTypes: []string{"authorization_code", "refresh_token"},
			}},
			AuthorizationCodeFetcher: func(_ context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
				asked++
				at := b.allow(w, args.URL, alice)
				if strings.HasPrefix(at, w.idp.Issuer()) { // the upstream is connected on the way
					resp, page := b.get(b.authorize(at))
					require.Equal(t, http.StatusFound, resp.StatusCode, page)
					at = resp.Header.Get("Location")
				}
				q := mustURL(t, at).Query()
				return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
			},
		})
		require.NoError(t, err)
		c := sdk.NewClient(&sdk.Implementation{Name: "editor", Version: "1"}, nil)
		session, err := c.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: w.url + path, OAuthHandler: handler, DisableStandaloneSSE: true}, nil)
		require.NoError(t, err)
		result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "hello"}})
		require.NoError(t, err)
		assert.Equal(t, "hello", result.StructuredContent.(map[string]any)["message"])
		require.NoError(t, session.Close())
		assert.Equal(t, 1, asked, "the person is asked once")
	}
	assert.Equal(t, true, w.connectionOf(alice, "files")["connected"])
}

func TestRelayAttacks(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
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
		resp, _ := w.request("POST", "/files/register", fmt.Sprintf(`{"redirect_uris":[%q]}`, bad))
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, bad)
	}

	t.Run("consent cannot be skipped or forged", func(t *testing.T) {
		alice := w.key("alice")
		_, page := c.get(c.address())
		m := ticketField.FindStringSubmatch(page)
		require.NotNil(t, m)
		ticket := html.UnescapeString(m[1])
		resp, _ := newBrowser(t).post(c.issuer+"/authorize", w.url, url.Values{"ticket": {ticket}, "decision": {"allow"}, "key": {alice}})
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "the ticket is this browser's")
		resp, _ = c.post(c.issuer+"/authorize", "https://evil.example", url.Values{"ticket": {ticket}, "decision": {"allow"}, "key": {alice}})
		assert.Equal(t, http.StatusForbidden, resp.StatusCode, "cross-site")
		resp, _ = c.post(c.issuer+"/authorize", w.url, url.Values{"ticket": {ticket[:len(ticket)-4] + "AAAA"}, "decision": {"allow"}, "key": {alice}})
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "tampered")
		resp, _ = c.post(c.issuer+"/authorize", w.url, url.Values{"ticket": {ticket}, "decision": {"allow"}})
		assert.Equal(t, http.StatusForbidden, resp.StatusCode, "nobody is signed in")
		resp, _ = c.post(c.issuer+"/authorize", w.url, url.Values{"ticket": {ticket}, "decision": {"deny"}})
		assert.Contains(t, resp.Header.Get("Refresh"), "error=access_denied")
	})
	t.Run("a client's name is text", func(t *testing.T) {
		resp, body := w.request("POST", "/files/register", `{"client_name":"<script>alert(1)</script>","redirect_uris":["https://app.example/cb"]}`)
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
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	resp, body := w.request("GET", "/.well-known/oauth-authorization-server", "")
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	assert.Contains(t, body, `"authorization_endpoint":"`+w.url+`/authorize"`)
	c := w.newRelayClient("")
	alice := w.key("alice")
	resp, page := c.get(c.authorize(c.consent(alice)))
	require.Equal(t, http.StatusFound, resp.StatusCode, page)
	status, out := c.exchange(c.codeForm(mustURL(t, resp.Header.Get("Location")).Query().Get("code")))
	require.Equal(t, http.StatusOK, status, "%v", out)

	w.add("other", "")
	for _, path := range []string{"/authorize", "/.well-known/oauth-authorization-server"} {
		resp, body := w.request("GET", path, "")
		assert.Equal(t, http.StatusNotFound, resp.StatusCode)
		assert.Contains(t, body, "files, other", "names the choices")
	}
}
