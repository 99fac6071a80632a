package contract

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// person is a browser: it keeps cookies and is told which redirects to follow.
type person struct {
	t      *testing.T
	client *http.Client
	origin string
}

func newPerson(t *testing.T, g *gateway) *person {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &person{t, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, g.url}
}

func (p *person) do(method, address string, form url.Values, headers ...string) (*http.Response, string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(p.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", p.origin)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := p.client.Do(r)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	return resp, string(body)
}

// follow goes to an authorization server, which approves, and answers where it leads.
func (p *person) follow(address string) string {
	p.t.Helper()
	resp, body := p.do(http.MethodGet, address, nil)
	require.Equal(p.t, http.StatusFound, resp.StatusCode, body)
	return resp.Header.Get("Location")
}

func refresh(resp *http.Response) string {
	return strings.TrimPrefix(resp.Header.Get("Refresh"), "0; url=")
}

// TestIdentity: callers by access token, people's authorizations, and the relay.
func TestIdentity(t *testing.T) {
	onItsOwn := func(name string, test func(*testing.T, *gateway)) {
		t.Run(name, func(t *testing.T) {
			// Other instances follow a change of the issuers within seconds: each list is a gateway's first.
			g, stop := startGateway(t, goodEnvironment())
			defer func() { assert.NoError(t, stop()) }()
			test(t, g)
		})
	}
	for _, algorithm := range []jose.SignatureAlgorithm{jose.ES256, jose.RS256} {
		onItsOwn("access token "+string(algorithm), func(t *testing.T, g *gateway) { testAccessToken(t, g, algorithm) })
	}
	onItsOwn("interactive", testInteractive)
}

func testAccessToken(t *testing.T, g *gateway, algorithm jose.SignatureAlgorithm) {
	upstreamIssuer, err := authserver.Listen("127.0.0.1:0", authserver.Options{Clients: []authserver.Client{{ID: "gateway", Secrets: []string{"s"}}}})
	require.NoError(t, err)
	defer upstreamIssuer.Close()
	server, err := mcpserver.Listen("127.0.0.1:0", mcpserver.Options{Issuer: upstreamIssuer.Issuer(), KeysURL: upstreamIssuer.KeysURL()})
	require.NoError(t, err)
	defer server.Close()
	slug := "jwt-" + strings.ToLower(string(algorithm))
	created := g.admin(t, "POST", "/v1/mcp/server", map[string]any{
		"server_name": slug, "slug": slug, "url": server.URL(), "transport": "http", "auth_type": "oauth2", "oauth2_flow": "client_credentials", "client_id": "gateway",
		"token_url": upstreamIssuer.TokenEndpoint(), "token_endpoint_auth_method": "client_secret_basic", "upstream_resource": "auto", "credentials": map[string]any{"client_secret": "s"},
	})
	require.Equal(t, http.StatusCreated, created.StatusCode, "%s", created.text)

	issuer, err := authserver.Listen("127.0.0.1:0", authserver.Options{Algorithm: algorithm, Clients: []authserver.Client{
		{ID: "agent", Method: authserver.MethodPost, Secrets: []string{"agent-secret"}, DefaultAudience: g.url + "/mcp/" + slug},
	}})
	require.NoError(t, err)
	defer issuer.Close()
	trusted := g.admin(t, "PUT", "/v1/settings/issuers", map[string]any{"jwt_issuers": []any{map[string]any{
		"issuer": issuer.Issuer(), "grants": []any{map[string]any{"claim": "scope", "value": "mcp:call", "servers": []string{slug}}},
	}}})
	require.Equal(t, http.StatusOK, trusted.StatusCode, "%s", trusted.text)

	handler, err := extauth.NewClientCredentialsHandler(&extauth.ClientCredentialsHandlerConfig{
		Credentials: &oauthex.ClientCredentials{ClientID: "agent", ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: "agent-secret"}},
	})
	require.NoError(t, err)
	client := mcp.NewClient(&mcp.Implementation{Name: "agent", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: g.url + "/mcp/" + slug, OAuthHandler: handler, DisableStandaloneSSE: true}, nil)
	require.NoError(t, err, "the official client, with nothing but its documented M2M provider")
	defer session.Close()
	tools, err := session.ListTools(t.Context(), nil)
	require.NoError(t, err)
	assert.NotEmpty(t, tools.Tools)

	source, err := handler.TokenSource(t.Context())
	require.NoError(t, err)
	token, err := source.Token()
	require.NoError(t, err)
	for name, bad := range map[string]string{
		"tampered":       token.AccessToken[:len(token.AccessToken)-6] + "AAAAAA",
		"alg none":       base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(token.AccessToken, ".")[1] + ".AA",
		"no signature":   strings.Join(strings.Split(token.AccessToken, ".")[:2], ".") + ".",
		"another issuer": base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"https://evil.example"}`)) + ".AA",
	} {
		a := g.anonymous(t, "POST", "/mcp/"+slug, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "Authorization", "Bearer "+bad, "Accept", "application/json, text/event-stream", "Mcp-Protocol-Version", "2025-11-25")
		assert.Equal(t, http.StatusUnauthorized, a.StatusCode, "%s: %s", name, a.text)
		assert.Contains(t, a.Header.Get("WWW-Authenticate"), `resource_metadata="`+g.url+`/.well-known/oauth-protected-resource/mcp/`+slug+`"`)
	}
}

var ticket = regexp.MustCompile(`name="ticket" value="([^"]+)"`)

func testInteractive(t *testing.T, g *gateway) {
	idp, err := authserver.Listen("127.0.0.1:0", authserver.Options{Registration: true})
	require.NoError(t, err)
	defer idp.Close()
	server, err := mcpserver.Listen("127.0.0.1:0", mcpserver.Options{Issuer: idp.Issuer(), KeysURL: idp.KeysURL()})
	require.NoError(t, err)
	defer server.Close()
	created := g.admin(t, "POST", "/v1/mcp/server", map[string]any{
		"server_name": "files", "slug": "files", "url": server.URL(), "transport": "http", "auth_type": "oauth2", "oauth2_flow": "authorization_code",
	})
	require.Equal(t, http.StatusCreated, created.StatusCode, "%s", created.text)
	made := g.admin(t, "POST", "/v1/keys", map[string]any{"name": "alice", "all_servers": true})
	require.Equal(t, http.StatusCreated, made.StatusCode, "%s", made.text)
	key := made.object(t)["key"].(string)
	call := func(credential string) int {
		a := g.anonymous(t, "POST", "/mcp/files", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "Authorization", "Bearer "+credential,
			"Accept", "application/json, text/event-stream", "Mcp-Protocol-Version", "2025-11-25")
		return a.StatusCode
	}
	require.Equal(t, http.StatusForbidden, call(key))

	// A person connects at the page of the gateway.
	p := newPerson(t, g)
	resp, page := p.do(http.MethodPost, g.url+"/connect/files", url.Values{"key": {key}, "action": {"connect"}})
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	back := p.follow(refresh(resp))
	other := newPerson(t, g)
	resp, page = other.do(http.MethodGet, back, nil)
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "another browser: %s", page)
	resp, page = p.do(http.MethodGet, back, nil)
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	resp, _ = p.do(http.MethodGet, back, nil)
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "once")
	require.Equal(t, http.StatusOK, call(key))

	// An MCP client that knows nothing but OAuth.
	redirect, verifier := "http://127.0.0.1:33333/cb", strings.Repeat("v", 60)
	registered := g.anonymous(t, "POST", "/files/register", map[string]any{"client_name": "Editor", "redirect_uris": []string{redirect}})
	require.Equal(t, http.StatusCreated, registered.StatusCode, "%s", registered.text)
	id := registered.object(t)["client_id"].(string)
	sum := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {id}, "redirect_uri": {redirect}, "state": {"s"}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
	}
	resp, page = p.do(http.MethodGet, g.url+"/files/authorize?"+query.Encode(), nil)
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	m := ticket.FindStringSubmatch(page)
	require.NotNil(t, m, page)
	resp, page = p.do(http.MethodPost, g.url+"/files/authorize", url.Values{"ticket": {html.UnescapeString(m[1])}, "decision": {"allow"}, "key": {key}})
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	at, err := url.Parse(refresh(resp))
	require.NoError(t, err)
	require.NotEmpty(t, at.Query().Get("code"), "connected already: straight back to the client")
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {id}, "code": {at.Query().Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier}}
	spend := func() answer {
		a, err := g.send(t.Context(), "POST", "/files/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		require.NoError(t, err)
		return a
	}
	a := spend()
	require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.text)
	assert.Equal(t, http.StatusOK, call(a.object(t)["access_token"].(string)))
	assert.Equal(t, http.StatusBadRequest, spend().StatusCode, "a code is good once")

	gone := g.anonymous(t, "DELETE", "/v1/mcp/server/files/connection", nil, "Authorization", "Bearer "+key)
	assert.Equal(t, http.StatusNoContent, gone.StatusCode, "%s", gone.text)
	// Another instance may use the token on until it looks again (GRANTWAY_TOKEN_RECHECK_SECONDS).
	st := g.anonymous(t, "GET", "/v1/mcp/server/files/connection", nil, "Authorization", "Bearer "+key)
	assert.Equal(t, false, st.object(t)["connected"], "%s", st.text)
}
