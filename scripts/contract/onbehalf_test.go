package contract

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// TestEnterpriseManagedAuthorization: the caller's verified JWT becomes an identity
// assertion at the enterprise's provider, and that an access token at the server's own
// authorization server.
func TestEnterpriseManagedAuthorization(t *testing.T) {
	w := newRealm(t)
	// The enterprise: it issues the callers' tokens, and exchanges them for assertions.
	callers := w.newIssuer(authserver.Client{ID: "alice", Secrets: []string{"s"}}, authserver.Client{ID: "bob", Secrets: []string{"s"}})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	var seen []url.Values
	var enterprise string
	var issuer string // of the server's authorization server
	enterprise = newServer(t, func(rw http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		_ = r.ParseForm()
		seen = append(seen, r.PostForm)
		rw.Header().Set("Content-Type", "application/json")
		if id != "grantway-at-idp" || secret != "idp-secret" {
			rw.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprint(rw, `{"error":"invalid_client"}`)
			return
		}
		caller, err := jwt.ParseSigned(r.PostForm.Get("subject_token"), []jose.SignatureAlgorithm{jose.ES256})
		var claims jwt.Claims
		if err != nil || caller.UnsafeClaimsWithoutVerification(&claims) != nil {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "e"}}, (&jose.SignerOptions{}).WithType("oauth-id-jag+jwt"))
		if err != nil {
			panic(err)
		}
		now := time.Now()
		assertion, err := jwt.Signed(signer).Claims(map[string]any{
			"iss": enterprise, "sub": claims.Subject, "aud": r.PostForm.Get("audience"), "client_id": "grantway-at-as", "resource": r.PostForm.Get("resource"),
			"jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		}).Serialize()
		if err != nil {
			panic(err)
		}
		_ = json.NewEncoder(rw).Encode(map[string]any{"access_token": assertion, "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag", "token_type": "N_A", "expires_in": 60})
	})
	as, err := authserver.Listen("127.0.0.1:0", authserver.Options{
		Clients:        []authserver.Client{{ID: "grantway-at-as", Secrets: []string{"as-secret"}}},
		TrustedIssuers: []authserver.TrustedIssuer{{Issuer: enterprise, Keys: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "e", Algorithm: "ES256"}}}}},
	})
	require.NoError(t, err)
	defer func() { _ = as.Close() }()
	issuer = as.Issuer()
	server, err := mcpserver.Listen("127.0.0.1:0", mcpserver.Options{Issuer: issuer, KeysURL: as.KeysURL()})
	require.NoError(t, err)
	defer func() { _ = server.Close() }()
	out := w.create("erp", fmt.Sprintf(`{"server_name":"erp","slug":"erp","url":%q,"transport":"http","auth_type":"oauth2","oauth2_flow":"jwt_bearer","client_id":"grantway-at-as",
		"token_endpoint_auth_method":"client_secret_basic","identity_token_url":"%s/token","identity_client_id":"grantway-at-idp","credentials":{"client_secret":"as-secret","identity_client_secret":"idp-secret"}}`, server.URL(), enterprise))
	assert.NotContains(t, fmt.Sprint(out), "idp-secret")
	w.trust(map[string]any{"issuer": callers.Issuer(), "grants": []any{map[string]any{"all_servers": true}}})

	call := func(credential string) (int, string) {
		resp, body := w.request("POST", "/mcp/erp", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "Authorization", "Bearer "+credential, "Mcp-Protocol-Version", "2025-11-25")
		return resp.StatusCode, body
	}
	alice := mint(t, callers, "alice", "s", forResource(w.url+"/mcp/erp"))
	got, body := call(alice)
	require.Equal(t, http.StatusOK, got, body)
	require.Len(t, seen, 1)
	assert.Equal(t, issuer, seen[0].Get("audience"), "the assertion is for the server's own issuer")
	assert.Equal(t, server.URL(), seen[0].Get("resource"))
	assert.Equal(t, "urn:ietf:params:oauth:token-type:id-jag", seen[0].Get("requested_token_type"))
	assert.Equal(t, alice, seen[0].Get("subject_token"))
	got, _ = call(alice)
	require.Equal(t, http.StatusOK, got)
	assert.Len(t, seen, 1, "the access token is kept")
	got, body = call(mint(t, callers, "bob", "s", forResource(w.url+"/mcp/erp")))
	require.Equal(t, http.StatusOK, got, body)
	require.Len(t, seen, 2, "another caller is never answered with alice's token")
	for _, r := range server.Requests() {
		assert.NotContains(t, r.Header.Get("Authorization"), alice)
	}
	got, body = call(w.adminKey)
	assert.Equal(t, http.StatusBadGateway, got, "never silently the administrator's: %s", body)
	assert.Contains(t, body, "subject_token_missing")
	assert.Len(t, seen, 2)
}
