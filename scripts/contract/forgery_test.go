package contract

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
)

// TestForgedTokens: what an attacker can make without the issuer's key, and what the issuer made for another time or purpose.
func TestForgedTokens(t *testing.T) {
	w := newRealm(t)
	w.m2m("demo")
	var offset atomic.Int64
	s := w.authserver(authserver.Options{
		Algorithm: jose.RS256, Scopes: []string{"mcp:call"}, Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) },
		Clients: []authserver.Client{{ID: "agent", Secrets: []string{"s"}}, {ID: "forever", Secrets: []string{"s"}, TokenLifetime: 10 * 365 * 24 * time.Hour}},
	})
	w.trust(map[string]any{"issuer": s.Issuer(), "grants": []any{map[string]any{"all_servers": true}}})
	resource := w.url + "/mcp/demo"
	call := func(token string) (int, string) {
		resp, body := w.request("POST", "/mcp/demo", initialize, "Authorization", "Bearer "+token)
		return resp.StatusCode, body
	}
	good := mint(t, s, "agent", "s", forResource(resource))
	status, body := call(good)
	require.Equal(t, http.StatusOK, status, body)
	at := func(d time.Duration, client string) string {
		offset.Store(int64(d))
		defer offset.Store(0)
		return mint(t, s, client, "s", forResource(resource))
	}

	// An attacker's own server of keys, which nobody must ask.
	var asked atomic.Int64
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	evil := newServer(t, func(rw http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_ = json.NewEncoder(rw).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256"}}})
	})
	now := time.Now().Unix()
	claims := map[string]any{"iss": s.Issuer(), "sub": "agent", "aud": resource, "iat": now, "exp": now + 600, "scope": "mcp:call"}
	sign := func(algorithm jose.SignatureAlgorithm, key any, header map[jose.HeaderKey]any) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, &jose.SignerOptions{ExtraHeaders: header})
		require.NoError(t, err)
		token, err := jwt.Signed(signer).Claims(claims).Serialize()
		require.NoError(t, err)
		return token
	}
	public := s.Keys().Keys[0]
	spki, err := x509.MarshalPKIXPublicKey(public.Key)
	require.NoError(t, err)
	jwk, err := public.MarshalJSON()
	require.NoError(t, err)
	kid := func(id string) map[jose.HeaderKey]any { return map[jose.HeaderKey]any{"kid": id} }
	encode := func(header string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + strings.Split(good, ".")[1] + "."
	}
	signature := strings.Split(good, ".")[2]
	for name, token := range map[string]string{
		"alg none":                              encode(`{"alg":"none"}`) + "AA",
		"alg None":                              encode(`{"alg":"None"}`) + "AA",
		"no signature":                          strings.Join(strings.Split(good, ".")[:2], ".") + ".",
		"no alg":                                encode(`{}`) + signature,
		"HMAC with the public key in DER":       sign(jose.HS256, spki, kid(public.KeyID)),
		"HMAC with the public key in PEM":       sign(jose.HS256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}), kid(public.KeyID)),
		"HMAC with the public key as a JWK":     sign(jose.HS512, append(jwk, make([]byte, 64)...), kid(public.KeyID)),
		"ES256 in the name of an RSA key":       sign(jose.ES256, key, kid(public.KeyID)),
		"another algorithm over the same bytes": encode(`{"alg":"PS256","kid":"`+public.KeyID+`"}`) + signature,
		"kid as a path":                         sign(jose.ES256, key, kid("../../../../dev/null")),
		"kid as an address":                     sign(jose.ES256, key, kid(evil+"/keys")),
		"kid as a query":                        sign(jose.ES256, key, kid("k' UNION SELECT 'x")),
		"kid that is empty":                     sign(jose.ES256, key, kid("")),
		"jku":                                   sign(jose.ES256, key, map[jose.HeaderKey]any{"kid": "k", "jku": evil + "/keys"}),
		"x5u":                                   sign(jose.ES256, key, map[jose.HeaderKey]any{"kid": "k", "x5u": evil + "/keys"}),
		"jwk":                                   sign(jose.ES256, key, map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: key.Public(), KeyID: "k"}}),
		"crit":                                  encode(`{"alg":"RS256","kid":"`+public.KeyID+`","crit":["exp"]}`) + signature,
		"expired":                               at(-2*time.Hour, "agent"),
		"from the future":                       at(2*time.Hour, "agent"),
		"for ever":                              at(0, "forever"),
		"of the issuer for itself":              mint(t, s, "agent", "s", forResource(s.Issuer())),
		"another claim under the signature":     strings.Split(good, ".")[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+s.Issuer()+`","sub":"root","aud":"`+resource+`","exp":9999999999}`)) + "." + signature,
	} {
		status, body := call(token)
		assert.Equal(t, http.StatusUnauthorized, status, "%s: %s", name, body)
		assert.NotContains(t, body, token, name)
	}
	assert.Zero(t, asked.Load(), "no address in a token is ever asked")
}
