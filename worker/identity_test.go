package worker_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
)

// newIssuer starts an authorization server with clients that obtain tokens for the
// gateway.
func (w *world) newIssuer(clients ...authserver.Client) *authserver.Listening {
	w.t.Helper()
	s, err := authserver.Listen("127.0.0.1:0", authserver.Options{Scopes: []string{"mcp:call", "mcp:admin"}, Clients: clients})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = s.Close() })
	return s
}

// trust makes issuers the accepted ones.
func (w *world) trust(issuers ...map[string]any) {
	w.t.Helper()
	b, err := json.Marshal(map[string]any{"jwt_issuers": issuers})
	require.NoError(w.t, err)
	status, out := w.do("PUT", "/v1/settings/issuers", string(b))
	require.Equal(w.t, http.StatusOK, status, "%v", out)
}

// mint obtains a token at an issuer by client credentials.
func mint(t *testing.T, s *authserver.Listening, client, secret, resource string, scopes ...string) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(scopes) > 0 {
		form.Set("scope", strings.Join(scopes, " "))
	}
	if resource != "" {
		form.Set("resource", resource)
	}
	r, err := http.NewRequest("POST", s.TokenEndpoint(), strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, secret)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	var out struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&out))
	require.NotEmpty(t, out.AccessToken)
	return out.AccessToken
}

// get sends a request with these headers and answers the response with its body read.
func (w *world) send(method, path, body string, headers ...string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequest(method, w.gateway.URL+path, strings.NewReader(body))
	require.NoError(w.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	require.NoError(w.t, err)
	b, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	_ = resp.Body.Close()
	return resp, string(b)
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

func TestOfficialClientCredentialsClient(t *testing.T) {
	w := newWorld(t)
	w.register("demo", w.upstream(true))
	s := w.newIssuer(authserver.Client{ID: "agent", Method: authserver.MethodPost, Secrets: []string{"agent-secret"}, DefaultAudience: w.gateway.URL + "/mcp/demo"})
	w.trust(map[string]any{"issuer": s.Issuer(), "grants": []any{map[string]any{"claim": "scope", "value": "mcp:call", "servers": []string{"demo"}}}})

	handler, err := extauth.NewClientCredentialsHandler(&extauth.ClientCredentialsHandlerConfig{
		Credentials: &oauthex.ClientCredentials{ClientID: "agent", ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: "agent-secret"}},
	})
	require.NoError(t, err)
	c := sdk.NewClient(&sdk.Implementation{Name: "agent", Version: "1"}, nil)
	session, err := c.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: w.gateway.URL + "/mcp/demo", OAuthHandler: handler}, nil)
	require.NoError(t, err)
	defer func() { _ = session.Close() }()
	result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "hello"}})
	require.NoError(t, err)
	assert.Equal(t, "hello", result.Content[0].(*sdk.TextContent).Text)
	assert.Equal(t, 1, s.Stats().Mints["agent"], "one token for the whole conversation")
	assert.True(t, strings.HasPrefix((*w.seen.Load()).Get("Authorization"), "Bearer token-"), "the caller's token is never passed on")
}

func TestTokenAttacks(t *testing.T) {
	w := newWorld(t)
	w.register("demo", w.upstream(true))
	w.register("other", w.upstream(true))
	client := authserver.Client{ID: "agent", Secrets: []string{"s"}, TokenLifetime: time.Hour}
	s := w.newIssuer(client)
	foreign := w.newIssuer(client)
	w.trust(map[string]any{"issuer": s.Issuer(), "scopes_supported": []string{"mcp:call"}, "grants": []any{
		map[string]any{"claim": "scope", "value": "mcp:call", "servers": []string{"demo", "other"}},
	}})
	demo := w.gateway.URL + "/mcp/demo"
	good := mint(t, s, "agent", "s", demo, "mcp:call")

	resp, body := w.send("POST", "/mcp/demo", initialize, "Authorization", "Bearer "+good)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	resp, body = w.send("POST", "/demo/mcp", initialize, "Authorization", "Bearer "+good)
	require.Equal(t, http.StatusOK, resp.StatusCode, "the alias is the same endpoint: %s", body)
	gatewayWide := mint(t, s, "agent", "s", w.gateway.URL, "mcp:call")
	resp, body = w.send("POST", "/mcp/other", initialize, "Authorization", "Bearer "+gatewayWide)
	require.Equal(t, http.StatusOK, resp.StatusCode, "a token for the gateway as a whole: %s", body)

	for name, c := range map[string]struct {
		path    string
		headers []string
		status  int
	}{
		"audience of another path":      {"/mcp/other", []string{"Authorization", "Bearer " + good}, 401},
		"audience of a server, on /mcp": {"/mcp", []string{"Authorization", "Bearer " + good}, 401},
		"another issuer":                {"/mcp/demo", []string{"Authorization", "Bearer " + mint(t, foreign, "agent", "s", demo, "mcp:call")}, 401},
		"no audience asked for":         {"/mcp/demo", []string{"Authorization", "Bearer " + mint(t, s, "agent", "s", "", "mcp:call")}, 401},
		"audience of a forged host": {"/mcp/demo", []string{
			"Authorization", "Bearer " + mint(t, s, "agent", "s", "https://elsewhere.example/mcp/demo", "mcp:call"),
			"X-Forwarded-Host", "elsewhere.example", "X-Forwarded-Proto", "https",
		}, 401},
		"in the query":                 {"/mcp/demo?access_token=" + good, nil, 401},
		"in a cookie":                  {"/mcp/demo", []string{"Cookie", "__Host-grantway_session=" + good}, 401},
		"two Authorization headers":    {"/mcp/demo", []string{"Authorization", "Bearer " + good, "Authorization", "Bearer x"}, 401},
		"as a Cloudflare Access token": {"/mcp/demo", []string{"Cf-Access-Jwt-Assertion", good}, 401},
		"without a matching grant":     {"/mcp/demo", []string{"Authorization", "Bearer " + mint(t, s, "agent", "s", demo, "mcp:admin")}, 403},
		"a tampered signature":         {"/mcp/demo", []string{"Authorization", "Bearer " + good[:len(good)-4] + "AAAA"}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := w.send("POST", c.path, initialize, c.headers...)
			require.Equal(t, c.status, resp.StatusCode, body)
			challenge := resp.Header.Get("WWW-Authenticate")
			path, _, _ := strings.Cut(c.path, "?")
			assert.Contains(t, challenge, `resource_metadata="`+w.gateway.URL+"/.well-known/oauth-protected-resource"+path+`"`)
			if c.status == http.StatusForbidden {
				assert.Contains(t, challenge, `error="insufficient_scope", scope="mcp:call"`)
			}
			assert.NotContains(t, body, good[:40])
		})
	}

	t.Run("may not manage", func(t *testing.T) {
		resp, _ := w.send("GET", "/v1/keys", "", "Authorization", "Bearer "+gatewayWide)
		assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	})
	t.Run("a removed issuer's tokens end at once", func(t *testing.T) {
		w.trust()
		resp, _ := w.send("POST", "/mcp/demo", initialize, "Authorization", "Bearer "+good)
		assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	})
}

func TestClaimsGrantRoles(t *testing.T) {
	w := newWorld(t)
	s := w.newIssuer(authserver.Client{ID: "ops", Secrets: []string{"s"}})
	w.trust(map[string]any{"issuer": s.Issuer(), "audiences": []string{"grantway-admin"}, "name_claim": "client_id", "grants": []any{
		map[string]any{"claim": "scope", "value": "mcp:admin", "role": "admin"},
	}})
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"mcp:admin"}, "audience": {"grantway-admin"}}
	r, err := http.NewRequest("POST", s.TokenEndpoint(), strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("ops", "s")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	var tok struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&tok))
	got, body := w.send("GET", "/v1/keys", "", "Authorization", "Bearer "+tok.AccessToken)
	assert.Equal(t, http.StatusOK, got.StatusCode, body)
}

func TestCloudflareAccess(t *testing.T) {
	w := newWorld(t)
	s := w.newIssuer(authserver.Client{ID: "team", Secrets: []string{"s"}, DefaultAudience: "aud-tag-of-the-application"})
	w.trust(map[string]any{"issuer": s.Issuer(), "jwks_url": s.KeysURL(), "cloudflare_access": true, "audiences": []string{"aud-tag-of-the-application"}, "grants": []any{
		map[string]any{"claim": "sub", "value": "team", "role": "admin"},
	}})
	token := mint(t, s, "team", "s", "")
	resp, body := w.send("GET", "/v1/keys", "", "Cf-Access-Jwt-Assertion", token)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	resp, body = w.send("POST", "/v1/keys", `{"name":"x"}`, "Cf-Access-Jwt-Assertion", token)
	assert.Equal(t, http.StatusForbidden, resp.StatusCode, "a browser adds this header by itself, so a change needs the CSRF header")
	assert.Contains(t, body, "csrf_rejected")
	resp, body = w.send("POST", "/v1/keys", `{"name":"x"}`, "Cf-Access-Jwt-Assertion", token, "X-Grantway-CSRF", "1")
	assert.Equal(t, http.StatusCreated, resp.StatusCode, body)
	resp, _ = w.send("POST", "/v1/keys", `{"name":"x"}`, "Cf-Access-Jwt-Assertion", token, "X-Grantway-CSRF", "1", "Origin", "https://evil.example")
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	resp, _ = w.send("GET", "/v1/keys", "", "Authorization", "Bearer "+token)
	assert.Equal(t, http.StatusUnauthorized, resp.StatusCode, "an identity token of Cloudflare Access is not a bearer token")
}

func TestProtectedResourceMetadata(t *testing.T) {
	w := newWorld(t)
	resp, body := w.send("GET", "/.well-known/oauth-protected-resource/mcp/demo", "")
	assert.Equal(t, http.StatusNotFound, resp.StatusCode, "without an issuer there is nothing to point at")
	assert.Contains(t, body, "no_authorization_server")
	resp, _ = w.send("POST", "/mcp/demo", initialize)
	assert.NotContains(t, resp.Header.Get("WWW-Authenticate"), "resource_metadata")

	s := w.newIssuer()
	w.trust(map[string]any{"issuer": s.Issuer(), "scopes_supported": []string{"mcp:call"}, "grants": []any{map[string]any{"all_servers": true}}})
	for path, resource := range map[string]string{"": "", "/mcp": "/mcp", "/mcp/demo": "/mcp/demo", "/demo/mcp": "/demo/mcp", "/mcp/demo/": "/mcp/demo"} {
		resp, body := w.send("GET", "/.well-known/oauth-protected-resource"+path, "", "Origin", "https://app.example")
		require.Equal(t, http.StatusOK, resp.StatusCode, body)
		assert.Equal(t, "*", resp.Header.Get("Access-Control-Allow-Origin"))
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &m))
		assert.Equal(t, w.gateway.URL+resource, m["resource"], path)
		assert.Equal(t, []any{s.Issuer()}, m["authorization_servers"])
		assert.Equal(t, []any{"header"}, m["bearer_methods_supported"])
		assert.Equal(t, []any{"mcp:call"}, m["scopes_supported"])
	}
	resp, _ = w.send("GET", "/.well-known/oauth-protected-resource/v1/keys", "")
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
	resp, _ = w.send("POST", "/mcp/demo", initialize, "X-Forwarded-Host", "evil.example")
	assert.Equal(t, fmt.Sprintf(`Bearer resource_metadata="%s/.well-known/oauth-protected-resource/mcp/demo", scope="mcp:call"`, w.gateway.URL), resp.Header.Get("WWW-Authenticate"))
}

func TestIssuerSettingsAreChecked(t *testing.T) {
	w := newWorld(t)
	for name, body := range map[string]string{
		"private keys URL":         `{"jwt_issuers":[{"issuer":"https://idp.example.com","jwks_url":"https://169.254.169.254/latest","grants":[{"all_servers":true}]}]}`,
		"decimal address":          `{"jwt_issuers":[{"issuer":"https://2130706433/","grants":[{"all_servers":true}]}]}`,
		"IPv4 in IPv6":             `{"jwt_issuers":[{"issuer":"https://[::ffff:10.0.0.1]","grants":[{"all_servers":true}]}]}`,
		"plain http":               `{"jwt_issuers":[{"issuer":"http://idp.example.com","grants":[{"all_servers":true}]}]}`,
		"none":                     `{"jwt_issuers":[{"issuer":"https://idp.example.com","algorithms":["none"],"grants":[{"all_servers":true}]}]}`,
		"HS256":                    `{"jwt_issuers":[{"issuer":"https://idp.example.com","algorithms":["HS256"],"grants":[{"all_servers":true}]}]}`,
		"everybody administers":    `{"jwt_issuers":[{"issuer":"https://idp.example.com","grants":[{"role":"admin"}]}]}`,
		"no grant":                 `{"jwt_issuers":[{"issuer":"https://idp.example.com","grants":[]}]}`,
		"Access without audience":  `{"jwt_issuers":[{"issuer":"https://t.cloudflareaccess.com","cloudflare_access":true,"grants":[{"all_servers":true}]}]}`,
		"unknown server":           `{"jwt_issuers":[{"issuer":"https://idp.example.com","grants":[{"servers":["nowhere"]}]}]}`,
		"twice":                    `{"jwt_issuers":[{"issuer":"https://idp.example.com","grants":[{"all_servers":true}]},{"issuer":"https://idp.example.com","grants":[{"all_servers":true}]}]}`,
		"offline_access in scopes": `{"jwt_issuers":[{"issuer":"https://idp.example.com","scopes_supported":["offline_access"],"grants":[{"all_servers":true}]}]}`,
	} {
		status, out := w.do("PUT", "/v1/settings/issuers", body)
		assert.Equal(t, http.StatusUnprocessableEntity, status, "%s: %v", name, out)
	}
	status, _ := w.do("PUT", "/v1/settings/issuers", `{"jwt_issuers":[{"issuer":"https://idp.example.com","grant":[]}]}`)
	assert.Equal(t, http.StatusBadRequest, status, "an unknown field is a mistake")
}

func TestClientCredentialsExtensionIsAdvertised(t *testing.T) {
	w := newWorld(t)
	w.register("demo", w.upstream(true))
	w.register("other", w.upstream(true))
	discover := func() string {
		_, body := w.send("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
			"Authorization", "Bearer "+adminKey, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "server/discover")
		return body
	}
	assert.NotContains(t, discover(), "oauth-client-credentials")
	s := w.newIssuer()
	w.trust(map[string]any{"issuer": s.Issuer(), "grants": []any{map[string]any{"all_servers": true}}})
	assert.Contains(t, discover(), `"extensions":{"io.modelcontextprotocol/oauth-client-credentials":{}}`)
}
