package contract

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
)

func TestOfficialClientCredentialsClient(t *testing.T) {
	for _, algorithm := range []jose.SignatureAlgorithm{jose.ES256, jose.RS256} {
		t.Run(string(algorithm), func(t *testing.T) { testOfficialClientCredentialsClient(t, algorithm) })
	}
}

func testOfficialClientCredentialsClient(t *testing.T, algorithm jose.SignatureAlgorithm) {
	w := newRealm(t)
	u := w.m2m("demo")
	s := w.authserver(authserver.Options{Algorithm: algorithm, Scopes: []string{"mcp:call"}, Clients: []authserver.Client{
		{ID: "agent", Method: authserver.MethodPost, Secrets: []string{"agent-secret"}, DefaultAudience: w.url + "/mcp/demo"},
	}})
	w.trust(map[string]any{"issuer": s.Issuer(), "grants": []any{map[string]any{"claim": "scope", "value": "mcp:call", "servers": []string{"demo"}}}})

	handler, err := extauth.NewClientCredentialsHandler(&extauth.ClientCredentialsHandlerConfig{
		Credentials: &oauthex.ClientCredentials{ClientID: "agent", ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: "agent-secret"}},
	})
	require.NoError(t, err)
	c := sdk.NewClient(&sdk.Implementation{Name: "agent", Version: "1"}, nil)
	session, err := c.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: w.url + "/mcp/demo", OAuthHandler: handler}, nil)
	require.NoError(t, err)
	defer func() { _ = session.Close() }()
	result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "hello"}})
	require.NoError(t, err)
	assert.Equal(t, "hello", result.Content[0].(*sdk.TextContent).Text)
	assert.Equal(t, 1, s.Stats().Mints["agent"], "one token for the whole conversation")
	source, err := handler.TokenSource(t.Context())
	require.NoError(t, err)
	token, err := source.Token()
	require.NoError(t, err)
	for _, r := range u.mcp.Requests() {
		assert.NotContains(t, fmt.Sprint(r.Header), token.AccessToken, "the caller's token is never passed on")
	}
}

func TestTokenAttacks(t *testing.T) {
	w := newRealm(t)
	w.m2m("demo")
	w.m2m("other")
	client := authserver.Client{ID: "agent", Secrets: []string{"s"}, TokenLifetime: time.Hour}
	s := w.newIssuer(client)
	foreign := w.newIssuer(client)
	w.trust(map[string]any{"issuer": s.Issuer(), "scopes_supported": []string{"mcp:call"}, "grants": []any{
		map[string]any{"claim": "scope", "value": "mcp:call", "servers": []string{"demo", "other"}},
	}})
	demo := w.url + "/mcp/demo"
	good := mint(t, s, "agent", "s", forResource(demo, "mcp:call"))

	resp, body := w.request("POST", "/mcp/demo", initialize, "Authorization", "Bearer "+good)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	resp, body = w.request("POST", "/demo/mcp", initialize, "Authorization", "Bearer "+good)
	require.Equal(t, http.StatusOK, resp.StatusCode, "the alias is the same endpoint: %s", body)
	gatewayWide := mint(t, s, "agent", "s", forResource(w.url, "mcp:call"))
	resp, body = w.request("POST", "/mcp/other", initialize, "Authorization", "Bearer "+gatewayWide)
	require.Equal(t, http.StatusOK, resp.StatusCode, "a token for the gateway as a whole: %s", body)

	for name, c := range map[string]struct {
		path    string
		headers []string
		status  int
	}{
		"audience of another path":      {"/mcp/other", []string{"Authorization", "Bearer " + good}, 401},
		"audience of a server, on /mcp": {"/mcp", []string{"Authorization", "Bearer " + good}, 401},
		"another issuer":                {"/mcp/demo", []string{"Authorization", "Bearer " + mint(t, foreign, "agent", "s", forResource(demo, "mcp:call"))}, 401},
		"no audience asked for":         {"/mcp/demo", []string{"Authorization", "Bearer " + mint(t, s, "agent", "s", forResource("", "mcp:call"))}, 401},
		"audience of a forged host": {"/mcp/demo", []string{
			"Authorization", "Bearer " + mint(t, s, "agent", "s", forResource("https://elsewhere.example/mcp/demo", "mcp:call")),
			"X-Forwarded-Host", "elsewhere.example", "Forwarded", "host=elsewhere.example;proto=https",
		}, 401},
		"in the query":                 {"/mcp/demo?access_token=" + good, nil, 401},
		"in a cookie":                  {"/mcp/demo", []string{"Cookie", "__Host-grantway_session=" + good}, 401},
		"two Authorization headers":    {"/mcp/demo", []string{"Authorization", "Bearer " + good, "Authorization", "Bearer x"}, 401},
		"as a Cloudflare Access token": {"/mcp/demo", []string{"Cf-Access-Jwt-Assertion", good}, 401},
		"without a matching grant":     {"/mcp/demo", []string{"Authorization", "Bearer " + mint(t, s, "agent", "s", forResource(demo, "mcp:admin"))}, 403},
		"a tampered signature":         {"/mcp/demo", []string{"Authorization", "Bearer " + good[:len(good)-4] + "AAAA"}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := w.request("POST", c.path, initialize, c.headers...)
			require.Equal(t, c.status, resp.StatusCode, body)
			challenge := resp.Header.Get("WWW-Authenticate")
			path, _, _ := strings.Cut(c.path, "?")
			assert.Contains(t, challenge, `resource_metadata="`+w.url+"/.well-known/oauth-protected-resource"+path+`"`)
			if c.status == http.StatusForbidden {
				assert.Contains(t, challenge, `error="insufficient_scope", scope="mcp:call"`)
			}
			assert.NotContains(t, body, good[:40])
		})
	}

	t.Run("may not manage", func(t *testing.T) {
		resp, _ := w.request("GET", "/v1/keys", "", "Authorization", "Bearer "+gatewayWide)
		assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	})
	t.Run("a removed issuer's tokens end at once", func(t *testing.T) {
		w.trust()
		resp, _ := w.request("POST", "/mcp/demo", initialize, "Authorization", "Bearer "+good)
		assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	})
}

func TestClaimsGrantRoles(t *testing.T) {
	w := newRealm(t)
	s := w.newIssuer(authserver.Client{ID: "ops", Secrets: []string{"s"}})
	w.trust(map[string]any{"issuer": s.Issuer(), "audiences": []string{"grantway-admin"}, "name_claim": "client_id", "grants": []any{
		map[string]any{"claim": "scope", "value": "mcp:admin", "role": "admin"},
	}})
	token := mint(t, s, "ops", "s", url.Values{"scope": {"mcp:admin"}, "audience": {"grantway-admin"}})
	got, body := w.request("GET", "/v1/keys", "", "Authorization", "Bearer "+token)
	assert.Equal(t, http.StatusOK, got.StatusCode, body)
}

func TestCloudflareAccess(t *testing.T) {
	w := newRealm(t)
	s := w.newIssuer(authserver.Client{ID: "team", Secrets: []string{"s"}, DefaultAudience: "aud-tag-of-the-application"})
	w.trust(map[string]any{"issuer": s.Issuer(), "jwks_url": s.KeysURL(), "cloudflare_access": true, "audiences": []string{"aud-tag-of-the-application"}, "grants": []any{
		map[string]any{"claim": "sub", "value": "team", "role": "admin"},
	}})
	token := mint(t, s, "team", "s", forResource(""))
	resp, body := w.request("GET", "/v1/keys", "", "Cf-Access-Jwt-Assertion", token)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	resp, body = w.request("POST", "/v1/keys", `{"name":"x"}`, "Cf-Access-Jwt-Assertion", token)
	assert.Equal(t, http.StatusForbidden, resp.StatusCode, "a browser adds this header by itself, so a change needs the CSRF header")
	assert.Contains(t, body, "csrf_rejected")
	resp, body = w.request("POST", "/v1/keys", `{"name":"x"}`, "Cf-Access-Jwt-Assertion", token, "X-Grantway-CSRF", "1")
	assert.Equal(t, http.StatusCreated, resp.StatusCode, body)
	resp, _ = w.request("POST", "/v1/keys", `{"name":"x"}`, "Cf-Access-Jwt-Assertion", token, "X-Grantway-CSRF", "1", "Origin", "https://evil.example")
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	resp, _ = w.request("GET", "/v1/keys", "", "Authorization", "Bearer "+token)
	assert.Equal(t, http.StatusUnauthorized, resp.StatusCode, "an identity token of Cloudflare Access is not a bearer token")
}

func TestProtectedResourceMetadata(t *testing.T) {
	w := newRealm(t)
	resp, body := w.request("GET", "/.well-known/oauth-protected-resource/mcp/demo", "")
	assert.Equal(t, http.StatusNotFound, resp.StatusCode, "without an issuer there is nothing to point at")
	assert.Contains(t, body, "no_authorization_server")
	resp, _ = w.request("POST", "/mcp/demo", initialize)
	assert.NotContains(t, resp.Header.Get("WWW-Authenticate"), "resource_metadata")

	s := w.newIssuer()
	w.trust(map[string]any{"issuer": s.Issuer(), "scopes_supported": []string{"mcp:call"}, "grants": []any{map[string]any{"all_servers": true}}})
	for path, resource := range map[string]string{"": "", "/mcp": "/mcp", "/mcp/demo": "/mcp/demo", "/demo/mcp": "/demo/mcp", "/mcp/demo/": "/mcp/demo"} {
		resp, body := w.request("GET", "/.well-known/oauth-protected-resource"+path, "", "Origin", "https://app.example")
		require.Equal(t, http.StatusOK, resp.StatusCode, body)
		assert.Equal(t, "*", resp.Header.Get("Access-Control-Allow-Origin"))
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &m))
		assert.Equal(t, w.url+resource, m["resource"], path)
		assert.Equal(t, []any{s.Issuer()}, m["authorization_servers"])
		assert.Equal(t, []any{"header"}, m["bearer_methods_supported"])
		assert.Equal(t, []any{"mcp:call"}, m["scopes_supported"])
	}
	resp, _ = w.request("GET", "/.well-known/oauth-protected-resource/v1/keys", "")
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
	resp, _ = w.request("POST", "/mcp/demo", initialize, "X-Forwarded-Host", "evil.example")
	assert.Equal(t, fmt.Sprintf(`Bearer resource_metadata="%s/.well-known/oauth-protected-resource/mcp/demo", scope="mcp:call"`, w.url), resp.Header.Get("WWW-Authenticate"))
}

func TestIssuerSettingsAreChecked(t *testing.T) {
	w := newRealm(t)
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
	status, out := w.do("PUT", "/v1/settings/issuers", `{"jwt_issuers":[{"issuer":"https://idp.example.com","grant":[]}]}`)
	assert.Equal(t, http.StatusUnprocessableEntity, status)
	assert.Contains(t, fmt.Sprint(out), "jwt_issuers[0].grant", "an unknown field is named")
}

func TestClientCredentialsExtensionIsAdvertised(t *testing.T) {
	w := newRealm(t)
	w.m2m("demo")
	w.m2m("other")
	discover := func() string {
		_, body := w.request("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
			"Authorization", "Bearer "+w.adminKey, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "server/discover")
		return body
	}
	assert.NotContains(t, discover(), "oauth-client-credentials")
	s := w.newIssuer()
	w.trust(map[string]any{"issuer": s.Issuer(), "grants": []any{map[string]any{"all_servers": true}}})
	assert.Contains(t, discover(), `"extensions":{"io.modelcontextprotocol/oauth-client-credentials":{}}`)
}

// The instance that changes the public URL names it from then on.
func TestPublicURLTakesEffectAtOnce(t *testing.T) {
	w := newRealm(t)
	const path = "/.well-known/oauth-protected-resource/mcp"
	w.trust(map[string]any{"issuer": w.newIssuer().Issuer(), "grants": []any{map[string]any{"claim": "scope", "value": "mcp:call", "groups": []string{"none"}}}})
	_, before := w.request("GET", path, "")
	w.settled = append(w.settled, `/v1/settings {"public_url":null}`)
	for _, url := range []string{"https://one.example.com", "https://two.example.com"} {
		status, out := w.do("PUT", "/v1/settings", `{"public_url":"`+url+`"}`)
		require.Equal(t, http.StatusOK, status, "%v", out)
		_, text := w.request("GET", path, "")
		assert.Contains(t, text, `"resource":"`+url+`/mcp"`, "not %s", before)
	}
}
