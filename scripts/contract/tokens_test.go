package contract

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
)

// changeReach is more than a change of a record takes to reach every instance.
const changeReach = patience

// whoami calls the tool of this name.
func (g *gateway) whoami(t *testing.T, id string) answer {
	t.Helper()
	return g.admin(t, "POST", "/mcp-rest/tools/call", map[string]any{"server_id": id, "name": "whoami", "arguments": map[string]any{}})
}

// tokenID is the jti of the token that a successful whoami was called with.
func (a answer) tokenID(t *testing.T) string {
	t.Helper()
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	identity, ok := a.object(t)["structuredContent"].(map[string]any)
	require.True(t, ok, "%s", a.text)
	id, _ := identity["token_id"].(string)
	require.NotEmpty(t, id)
	return id
}

// Every way to authenticate at a token endpoint works against a server that accepts no other.
func TestClientAuthentication(t *testing.T) {
	g := theGateway(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	secret := "a secret: with+odd/characters %20 äöü" + rand.Text()
	for _, test := range []struct {
		name, method, algorithm string
		key                     any
	}{
		{"client_secret_basic", authserver.MethodBasic, "", nil},
		{"client_secret_post", authserver.MethodPost, "", nil},
		{"client_secret_jwt", authserver.MethodSecret, "", nil},
		{"private_key_jwt ES256", authserver.MethodKey, "ES256", ec},
		{"private_key_jwt RS256", authserver.MethodKey, "RS256", rsaKey},
		{"private_key_jwt PS256", authserver.MethodKey, "PS256", rsaKey},
		{"private_key_jwt EdDSA", authserver.MethodKey, "EdDSA", ed},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUpstream(t)
			u.client.Method = test.method
			record := u.record()
			credentials := record["credentials"].(map[string]any)
			record["token_endpoint_auth_method"] = test.method
			if test.key == nil {
				u.client.Secrets = []string{secret}
				credentials["client_secret"] = secret
			} else {
				key := jose.JSONWebKey{Key: test.key, KeyID: "k1", Algorithm: test.algorithm}
				u.client.Secrets, u.client.Keys = nil, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}}
				der, err := x509.MarshalPKCS8PrivateKey(test.key)
				require.NoError(t, err)
				delete(credentials, "client_secret")
				credentials["client_private_key"] = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
				credentials["client_private_key_id"] = "k1"
				credentials["client_private_key_alg"] = test.algorithm
			}
			u.idp.Register(u.client)
			a := g.admin(t, "POST", "/v1/mcp/server", record)
			require.Equal(t, 201, a.StatusCode, "%s", a.text)
			assert.NotContains(t, string(a.text), "PRIVATE KEY")
			assert.NotContains(t, string(a.text), secret)
			id, _ := a.object(t)["server_id"].(string)
			g.whoami(t, id).tokenID(t)
			assert.Equal(t, 1, u.mints())
		})
	}
}

// resource (RFC 8707) and audience reach the token endpoint byte for byte.
func TestAudience(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	u.client.DefaultAudience, u.client.Audiences = "nothing useful", []string{u.mcp.URL()}
	u.idp.Register(u.client)
	for _, field := range []string{"upstream_resource", "audience"} {
		a := g.admin(t, "POST", "/v1/mcp/server", with(u.record(), field, u.mcp.URL()))
		require.Equal(t, 201, a.StatusCode, "%s", a.text)
		id, _ := a.object(t)["server_id"].(string)
		g.whoami(t, id).tokenID(t)
	}
}

// A token endpoint may say anything about a token's life. The call works; a token is never used past its end.
func TestLifeOfTokens(t *testing.T) {
	g := theGateway(t)
	for value, kept := range map[string]bool{
		"missing": true, "null": true, "0": false, "-5": false, "5": true, `"3600"`: true, "3600.5": true, "true": true, `"soon"`: true, "1e18": true, "[]": true, "{}": true,
	} {
		t.Run(value, func(t *testing.T) {
			u := newUpstream(t)
			server := u.create(t, g)
			fault := authserver.Fault{Times: -1, ExpiresIn: json.RawMessage(value)}
			if value == "missing" {
				fault = authserver.Fault{Times: -1, Edit: func(reply map[string]any) { delete(reply, "expires_in") }}
			}
			u.idp.Fail(fault)
			first, second := g.whoami(t, server.id).tokenID(t), g.whoami(t, server.id).tokenID(t)
			if !kept {
				assert.NotEqual(t, first, second, "a token that has ended is used once")
			} else if value != "5" { // that may have ended between the two
				assert.Equal(t, first, second)
			}
		})
	}
}

// Each way to an MCP server has a refused token replaced and the request repeated.
func TestRevokedOnEveryPath(t *testing.T) {
	g := theGateway(t)
	for name, call := range map[string]func(created, *mcp.ClientSession) error{
		"tools/list":     func(_ created, s *mcp.ClientSession) error { _, err := s.ListTools(t.Context(), nil); return err },
		"prompts/list":   func(_ created, s *mcp.ClientSession) error { _, err := s.ListPrompts(t.Context(), nil); return err },
		"resources/list": func(_ created, s *mcp.ClientSession) error { _, err := s.ListResources(t.Context(), nil); return err },
		"prompts/get": func(_ created, s *mcp.ClientSession) error {
			_, err := s.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "greet", Arguments: map[string]string{"name": "n"}})
			return err
		},
		"resources/read": func(_ created, s *mcp.ClientSession) error {
			_, err := s.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "demo://greeting"})
			return err
		},
		"tools/call": func(_ created, s *mcp.ClientSession) error {
			_, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "m"}})
			return err
		},
		"REST list": func(c created, _ *mcp.ClientSession) error {
			return ok(g.admin(t, "GET", "/mcp-rest/tools/list?server_id="+c.id, nil))
		},
		"REST call": func(c created, _ *mcp.ClientSession) error { return ok(g.whoami(t, c.id)) },
		"health": func(c created, _ *mcp.ClientSession) error {
			return ok(g.admin(t, "GET", "/v1/mcp/server/"+c.id+"/health", nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			server := u.create(t, g)
			session := g.connect(t, "/mcp/"+server.slug, g.adminKey)
			g.whoami(t, server.id).tokenID(t)
			u.idp.RevokeAll()
			assert.NoError(t, call(server, session))
			assert.Equal(t, 2, u.mints())
		})
	}
}

// ok says what is wrong with an answer that should be good.
func ok(a answer) error {
	if a.StatusCode != 200 || strings.Contains(string(a.text), `"error"`) && !strings.Contains(string(a.text), `"error":null`) {
		return fmt.Errorf("%d %s", a.StatusCode, a.text)
	}
	return nil
}

// Whatever a token endpoint answers instead of a token, the caller gets a 502, 503 or 504 with a code and no credential,
// no further request is made for the caller, and the server works again when the token endpoint does.
func TestTokenEndpointAnswers(t *testing.T) {
	g := theGateway(t)
	var followed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer elsewhere.Close()
	oauthError := func(code string) []byte { return []byte(`{"error":"` + code + `","error_description":"as told"}`) }
	for _, test := range []struct {
		name  string
		fault authserver.Fault
	}{
		{"array", authserver.Fault{Status: 200, Body: []byte(`[]`)}},
		{"HTML", authserver.Fault{Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte("<html>sign in</html>")}},
		{"empty", authserver.Fault{Status: 200}},
		{"2 MB", authserver.Fault{Status: 200, Body: []byte(`{"access_token":"` + strings.Repeat("x", 2<<20) + `","token_type":"Bearer"}`)}},
		{"no access token", authserver.Fault{Edit: func(reply map[string]any) { delete(reply, "access_token") }}},
		{"empty access token", authserver.Fault{Edit: func(reply map[string]any) { reply["access_token"] = "" }}},
		{"access token is a number", authserver.Fault{Edit: func(reply map[string]any) { reply["access_token"] = 12345 }}},
		{"line break in the access token", authserver.Fault{Edit: func(reply map[string]any) { reply["access_token"] = "a\r\nX-Injected: 1" }}},
		{"other token type", authserver.Fault{Edit: func(reply map[string]any) { reply["token_type"] = "mac" }}},
		{"redirect", authserver.Fault{Status: 307, Header: http.Header{"Location": {elsewhere.URL}}}},
		{"invalid_request", authserver.Fault{Status: 400, Body: oauthError("invalid_request")}},
		{"invalid_client", authserver.Fault{Status: 401, Body: oauthError("invalid_client")}},
		{"forbidden", authserver.Fault{Status: 403, Body: []byte("no")}},
		{"rate limited", authserver.Fault{Status: 429, Header: http.Header{"Retry-After": {"30"}}}},
		{"rate limited, date", authserver.Fault{Status: 429, Header: http.Header{"Retry-After": {"Fri, 31 Dec 2100 23:59:59 GMT"}}}},
		{"server error", authserver.Fault{Status: 500, Body: oauthError("server_error")}},
		{"unavailable", authserver.Fault{Status: 503}},
		{"reset", authserver.Fault{Reset: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUpstream(t)
			server := u.create(t, g)
			test.fault.Times = -1
			u.idp.Fail(test.fault)
			a := g.whoami(t, server.id)
			assert.Contains(t, []int{502, 503, 504}, a.StatusCode, "%s", a.text)
			a.problem(t)
			assert.NotContains(t, string(a.text), u.client.Secrets[0])
			assert.NotContains(t, string(a.text), "eyJ")
			assert.Less(t, len(a.text), 4096)
			assert.Empty(t, u.mcp.Requests(), "nothing reached the MCP server")

			u.idp.ClearFaults()
			purge := g.admin(t, "DELETE", "/v1/mcp/server/"+server.id+"/token", nil)
			require.Less(t, purge.StatusCode, 300, "%s", purge.text)
			require.Eventually(t, func() bool { return g.whoami(t, server.id).StatusCode == 200 }, patience, 10*time.Millisecond)
		})
	}
	assert.Zero(t, followed.Load(), "a redirect was followed with the client's credentials")
}

// maxFailures are shown of a burst.
const maxFailures = 3

// burst calls the tool echo by many callers at once, each with its own message, and answers what went wrong. The callers
// take turns with the keys; without any they use the administrator's.
func (g *gateway) burst(t *testing.T, id string, callers int, keys ...string) (failures []string) {
	t.Helper()
	if len(keys) == 0 {
		keys = []string{g.adminKey}
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	for i := range callers {
		wait.Go(func() {
			want := fmt.Sprint("caller ", i, ".")
			a, err := g.send(t.Context(), "POST", "/mcp-rest/tools/call",
				map[string]any{"server_id": id, "name": "echo", "arguments": map[string]any{"message": want}}, "Authorization", "Bearer "+keys[i%len(keys)])
			if err == nil && a.StatusCode == 200 && strings.Contains(string(a.text), want) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			failures = append(failures, fmt.Sprint(err, " ", string(a.text)))
		})
	}
	wait.Wait()
	if more := len(failures) - maxFailures; more > 0 {
		failures = append(failures[:maxFailures], fmt.Sprint("and ", more, " more"))
	}
	return failures
}

// However many callers meet a revoked token at once, it costs one mint and no failed call.
func TestRevokedToken(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	server := u.create(t, g)
	first := g.whoami(t, server.id).tokenID(t)
	require.Equal(t, 1, u.mints())
	u.idp.RevokeAll()
	assert.Empty(t, g.burst(t, server.id, 50))
	assert.Equal(t, 2, u.mints())
	assert.NotEqual(t, first, g.whoami(t, server.id).tokenID(t))
}

// A valid token is served while the authorization server is down.
func TestOutage(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	server := u.create(t, g)
	token := g.whoami(t, server.id).tokenID(t)
	u.idp.Fail(authserver.Fault{Times: -1, Status: 503})
	assert.Empty(t, g.burst(t, server.id, 50))
	assert.Equal(t, token, g.whoami(t, server.id).tokenID(t))
}

// While the authorization server accepts both secrets, as it does during a rotation, the gateway can be given the new one
// without a failed call. TestRotationUnderLoad goes on to where the old one is forgotten.
func TestSecretRotation(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	record := u.record()
	a := g.admin(t, "POST", "/v1/mcp/server", record)
	require.Equal(t, 201, a.StatusCode, "%s", a.text)
	id, _ := a.object(t)["server_id"].(string)
	g.whoami(t, id).tokenID(t)

	next := "next:" + rand.Text()
	u.idp.RotateSecret(u.client.ID, next, true)
	credentials := maps.Clone(record["credentials"].(map[string]any))
	credentials["client_secret"] = next
	a = g.admin(t, "PUT", "/v1/mcp/server/"+id, with(record, "credentials", credentials))
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	assert.NotContains(t, string(a.text), next)
	u.idp.RevokeAll()
	assert.Empty(t, g.burst(t, id, 20))
	assert.LessOrEqual(t, u.mints(), 3)
}

// What the gateway tells of a token never contains it.
func TestTokenStatus(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	server := u.create(t, g)
	first := g.whoami(t, server.id).tokenID(t)
	token := strings.TrimPrefix(u.mcp.Requests()[0].Header.Get("Authorization"), "Bearer ")
	path := "/v1/mcp/server/" + server.id + "/token"

	a := g.admin(t, "GET", path, nil)
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	assert.NotContains(t, string(a.text), token)
	assert.NotContains(t, string(a.text), u.client.Secrets[0])
	assert.Equal(t, 401, g.anonymous(t, "GET", path, nil).StatusCode)

	a = g.admin(t, "DELETE", path, nil)
	assert.Less(t, a.StatusCode, 300, "%s", a.text)
	require.Eventually(t, func() bool { return g.whoami(t, server.id).tokenID(t) != first }, patience, 10*time.Millisecond, "a purged token is used no more")
	assert.Equal(t, 2, u.mints())

	a = g.admin(t, "POST", path, nil)
	assert.Less(t, a.StatusCode, 300, "%s", a.text)
	assert.NotContains(t, string(a.text), "eyJ")
	assert.Equal(t, 3, u.mints(), "a refresh mints")

	a = g.admin(t, "POST", "/v1/mcp/server/"+server.id+"/explain", nil)
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	assert.NotContains(t, string(a.text), "eyJ")
	assert.NotContains(t, string(a.text), u.client.Secrets[0])
}

// Testing an unsaved server tells what is wrong, and neither reads nor writes the shared cache.
func TestTestToken(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	a := g.admin(t, "POST", "/mcp-rest/test/token", u.record())
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	assert.NotContains(t, string(a.text), "eyJ")
	assert.Equal(t, 1, u.mints())

	record := u.record()
	record["credentials"] = map[string]any{"client_id": u.client.ID, "client_secret": "wrong"}
	a = g.admin(t, "POST", "/mcp-rest/test/token", record)
	assert.NotContains(t, string(a.text), `"ok":true`)
	assert.Contains(t, string(a.text), "invalid_client")
	assert.Equal(t, 1, u.mints())
	server := u.create(t, g)
	g.whoami(t, server.id).tokenID(t)
	assert.Equal(t, 2, u.mints(), "the tested token was not cached")
}
