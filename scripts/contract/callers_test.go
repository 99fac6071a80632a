package contract

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// issuer signs the JWTs of callers.
type issuer struct {
	url    string
	keys   jose.JSONWebKeySet
	signer jose.Signer
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i := &issuer{keys: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}}}
	i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, (&jose.SignerOptions{}).WithType("JWT"))
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(i.keys)
	}))
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

// token answers a JWT of this subject.
func (i *issuer) token(t *testing.T, subject string, audience ...string) string {
	t.Helper()
	now := time.Now()
	text, err := jwt.Signed(i.signer).Claims(jwt.Claims{
		Issuer: i.url, Subject: subject, Audience: audience, ID: rand.Text(), IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(10 * time.Minute)),
	}).Serialize()
	require.NoError(t, err)
	return text
}

var (
	tokenIDMember = regexp.MustCompile(`"token_id":"([^"]+)"`)
	subjectMember = regexp.MustCompile(`"subject":"([^"]+)"`)
)

// The flows in which a caller's own JWT becomes the access token for the upstream, at an authorization server that trusts
// the callers' issuer: each caller has a token of its own, and all of them can be purged.
func TestTokensOfCallers(t *testing.T) {
	g, stop := startGateway(t, goodEnvironment()) // other instances would follow a change of its issuers only within seconds
	defer func() { assert.NoError(t, stop()) }()
	callers := newIssuer(t)
	trusted := g.admin(t, "PUT", "/v1/settings/issuers", map[string]any{"jwt_issuers": []any{map[string]any{
		"issuer": callers.url, "jwks_url": callers.url + "/keys", "grants": []any{map[string]any{"all_servers": true}},
	}}})
	require.Equal(t, http.StatusOK, trusted.StatusCode, "%s", trusted.text)
	for flow, members := range map[string]map[string]any{
		"token_exchange": {"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, // RFC 8693 §3
		"jwt_bearer":     {},
	} {
		t.Run(flow, func(t *testing.T) {
			u := upstreamAt(t, authserver.Options{TrustedIssuers: []authserver.TrustedIssuer{{Issuer: callers.url, Keys: callers.keys}}})
			record := with(u.record(), "oauth2_flow", flow)
			record["token_endpoint_auth_method"] = "client_secret_basic"
			for name, value := range members {
				record[name] = value
			}
			a := g.admin(t, "POST", "/v1/mcp/server", record)
			require.Equal(t, 201, a.StatusCode, "%s", a.text)
			id, _ := a.object(t)["server_id"].(string)
			slug, _ := a.object(t)["slug"].(string)

			send := func(credential string) answer {
				return g.anonymous(t, "POST", "/mcp/"+slug, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`,
					"Authorization", "Bearer "+credential, "Accept", "application/json, text/event-stream", "Mcp-Protocol-Version", "2025-11-25")
			}
			call := func(credential string) (tokenID, subject string) {
				a := send(credential)
				require.Equal(t, 200, a.StatusCode, "%s", a.text)
				found, who := tokenIDMember.FindSubmatch(a.text), subjectMember.FindSubmatch(a.text)
				require.NotNil(t, found, "%s", a.text)
				require.NotNil(t, who, "%s", a.text)
				return string(found[1]), string(who[1])
			}
			jwtOf := func(subject string) string { return callers.token(t, subject, g.url, u.idp.Issuer()) }
			alice, bob := jwtOf("alice"), jwtOf("bob")
			var wait sync.WaitGroup
			for range 20 {
				wait.Go(func() { assert.Equal(t, 200, send(alice).StatusCode) })
			}
			wait.Wait()
			assert.Equal(t, 1, u.mints(), "one token for all of alice's calls")
			old, subject := call(alice)
			assert.Equal(t, "alice", subject)
			of, subject := call(bob)
			assert.Equal(t, "bob", subject)
			assert.NotEqual(t, old, of)
			assert.Equal(t, 2, u.mints())
			for _, r := range u.mcp.Requests() {
				assert.NotContains(t, r.Header.Get("Authorization"), alice, "the caller's own JWT stays here")
			}
			refused := send(g.adminKey)
			assert.Equal(t, 502, refused.StatusCode, "a caller without a JWT: %s", refused.text)
			assert.Contains(t, string(refused.text), "subject_token_missing")

			status := g.admin(t, "GET", "/v1/mcp/server/"+id+"/token", nil)
			assert.Equal(t, "per_caller", status.object(t)["state"])
			assert.NotContains(t, string(status.text), "eyJ")

			// A purge with a mint under way.
			u.idp.Fail(authserver.Fault{Delay: time.Second})
			carol, before := jwtOf("carol"), u.idp.Stats().TokenRequests
			wait.Go(func() { assert.Equal(t, 200, send(carol).StatusCode) })
			require.Eventually(t, func() bool { return u.idp.Stats().TokenRequests > before }, time.Minute, 5*time.Millisecond)
			purge := g.admin(t, "DELETE", "/v1/mcp/server/"+id+"/token", nil)
			require.Equal(t, 200, purge.StatusCode, "%s", purge.text)
			assert.Equal(t, 1.0, purge.object(t)["generation"])
			wait.Wait()
			void := map[string]bool{}
			for _, r := range u.mcp.Requests() {
				void[r.Header.Get("Authorization")] = true
			}
			require.Eventually(t, func() bool { // other instances hear of it within the bound of a changed record
				seen := len(u.mcp.Requests())
				for range g.instances {
					for _, credential := range []string{alice, bob, carol} {
						send(credential) // an assertion is good once (RFC 7523 §3 item 7): then there is no second token
					}
				}
				for _, r := range u.mcp.Requests()[seen:] {
					if void[r.Header.Get("Authorization")] {
						return false
					}
				}
				return true
			}, 90*time.Second, 200*time.Millisecond)
			_, subject = call(jwtOf("alice"))
			assert.Equal(t, "alice", subject)
			if flow == "token_exchange" { // an assertion is good once
				record = with(record, "allow_scope_step_up", true)
				record["server_name"] = name("step-up")
				record["credentials"].(map[string]any)["scopes"] = []string{mcpserver.ScopeRead}
				a := g.admin(t, "POST", "/v1/mcp/server", record)
				require.Equal(t, 201, a.StatusCode, "%s", a.text)
				slug, _ = a.object(t)["slug"].(string)
				mints := u.mints()
				_, subject = call(jwtOf("alice"))
				assert.Equal(t, "alice", subject, "a token with more scopes is hers too")
				assert.Equal(t, 2, u.mints()-mints)
			}
			audit := g.admin(t, "GET", "/v1/audit?action=token.purge", nil)
			assert.Contains(t, string(audit.text), id)
		})
	}
}
