package admin_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/seal"
)

const m2m = `{"server_name":"CRM","url":"https://crm.test/mcp","auth_type":"oauth2","oauth2_flow":"client_credentials",` +
	`"credentials":{"client_id":"id-1","client_secret":"s3cret-one","token_url":"https://idp.test/token","scopes":["read","write"]}}`

// secret opens what is stored.
func (g *gateway) secret(ref, name string) string {
	g.t.Helper()
	rec, err := directory.NewClient(g.Platform).FindServer(context.Background(), ref)
	require.NoError(g.t, err)
	k, err := seal.NewKeyring(sealingKey)
	require.NoError(g.t, err)
	s, err := oauth.SecretOf(k, rec, name)
	require.NoError(g.t, err)
	return s
}

func TestSecretsGoInAndNeverComeOut(t *testing.T) {
	g := newGateway(t)
	rec := g.create(m2m)
	id := rec["server_id"].(string)
	assert.Equal(t, "id-1", rec["client_id"], "not a secret: shown")
	assert.Equal(t, "client_secret_basic", rec["token_endpoint_auth_method"])
	assert.Equal(t, true, rec["has_secret"])
	assert.NotEmpty(t, rec["secret_last_rotated"])
	assert.Nil(t, rec["credentials"])
	assert.Equal(t, "s3cret-one", g.secret(id, "client_secret"))

	for name, tc := range map[string]struct {
		body   string
		status int
		want   string // secret afterwards
	}{
		"absent keeps":           {`{"description":"x"}`, 200, "s3cret-one"},
		"blank keeps":            {`{"credentials":{"client_secret":""}}`, 200, "s3cret-one"},
		"null deletes: refused":  {`{"credentials":{"client_secret":null}}`, 422, "s3cret-one"},
		"at the top: misplaced":  {`{"client_secret":"x"}`, 422, "s3cret-one"},
		"token_url without it":   {`{"token_url":"https://evil.test/token"}`, 422, "s3cret-one"},
		"url without it":         {`{"url":"https://evil.test/mcp"}`, 422, "s3cret-one"},
		"issuer without it":      {`{"issuer":"https://evil.test"}`, 422, "s3cret-one"},
		"null again, other type": {`{"auth_type":"none","oauth2_flow":null,"credentials":{"client_secret":null}}`, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			id := g.create(m2m)["server_id"].(string)
			r := g.do("PUT", "/v1/mcp/server/"+id, tc.body)
			require.Equal(t, tc.status, r.StatusCode, r.text)
			assert.Equal(t, tc.want, g.secret(id, "client_secret"))
		})
	}
	r := g.do("PUT", "/v1/mcp/server/"+id, `{"token_url":"https://new.test/token"}`)
	assert.Equal(t, "secret_required_again", r.fields()["credentials.client_secret"])
	r = g.must(http.StatusOK, "PUT", "/v1/mcp/server/"+id, `{"token_url":"https://new.test/token","credentials":{"client_secret":"s3cret-two"}}`)
	assert.Equal(t, "https://new.test/token", r.json()["token_url"])
	assert.Equal(t, "s3cret-two", g.secret(id, "client_secret"))
}

// TestNothingSecretIsShownAnywhere creates one of everything and looks for the
// secrets in every answer and in every store.
func TestNothingSecretIsShownAnywhere(t *testing.T) {
	g := newGateway(t)
	id := g.create(m2m)["server_id"].(string)
	g.create(`{"server_name":"Keyed","url":"https://keyed.test/mcp","auth_type":"api_key","credentials":{"auth_value":"s3cret-api"},` +
		`"static_headers":{"X-Tenant":"acme","X-Other-Key":"s3cret-header"}}`)
	signed := g.create(`{"server_name":"Signed","url":"https://signed.test/mcp","auth_type":"oauth2","oauth2_flow":"client_credentials","client_id":"c",` +
		`"token_endpoint_auth_method":"private_key_jwt","credentials":{"client_private_key_generate":"ES256"}}`)
	assert.Contains(t, signed["public_jwk"], `"kty":"EC"`)
	assert.NotContains(t, signed["public_jwk"], `"d"`)
	key := g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"ci"}`).json()["key"].(string)
	g.must(http.StatusOK, "PUT", "/v1/mcp/server/"+id, `{"credentials":{"client_secret":"s3cret-two"}}`)

	keyed := g.must(http.StatusOK, "GET", "/v1/mcp/server/keyed", "").json()
	assert.Equal(t, map[string]any{"X-Tenant": "acme", "X-Other-Key": "***"}, keyed["static_headers"])
	g.must(http.StatusOK, "PUT", "/v1/mcp/server/keyed", `{"static_headers":{"X-Tenant":"globex","X-Other-Key":"***"}}`)
	assert.Contains(t, g.secret("keyed", "static_headers"), "s3cret-header")

	for _, path := range []string{"/v1/mcp/server", "/v1/mcp/server?limit=5", "/v1/mcp/server/" + id, "/v1/mcp/server/signed", "/v1/keys", "/v1/audit", "/v1/audit/export", "/v1/settings"} {
		text := g.must(http.StatusOK, "GET", path, "").text
		for _, secret := range []string{"s3cret", key, "PRIVATE KEY"} {
			assert.NotContains(t, text, secret, path)
		}
	}
	assertStoresHold(t, g, "s3cret", false)
	assertStoresHold(t, g, key, false)
}

// assertStoresHold looks for a text in every value that is kept.
func assertStoresHold(t *testing.T, g *gateway, text string, want bool) {
	t.Helper()
	found := false
	for _, e := range everything(t, g) {
		found = found || strings.Contains(e, text)
	}
	assert.Equal(t, want, found, "%q in the stores", text)
}

func TestAFlowSwitchLeavesNothingStale(t *testing.T) {
	g := newGateway(t)
	id := g.create(m2m)["server_id"].(string)

	r := g.do("PUT", "/v1/mcp/server/"+id, `{"auth_type":"bearer_token","oauth2_flow":"client_credentials","credentials":{"auth_value":"v"}}`)
	assert.Equal(t, "not_applicable", r.fields()["oauth2_flow"], "sent though it does not belong: said")

	rec := g.must(http.StatusOK, "PUT", "/v1/mcp/server/"+id, `{"auth_type":"bearer_token","credentials":{"auth_value":"v"}}`).json()
	for _, name := range []string{"oauth2_flow", "client_id", "token_url", "scopes", "token_endpoint_auth_method"} {
		assert.NotContains(t, rec, name, "merely stored: dropped")
	}
	assert.Empty(t, g.secret(id, "client_secret"))
	assert.Equal(t, "v", g.secret(id, "auth_value"))
}
