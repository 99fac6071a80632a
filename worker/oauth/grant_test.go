package oauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform/gocrypto"
	"github.com/grantway/grantway/worker/registry"
)

type network func(*http.Request) (*http.Response, error)

func (f network) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
}

// request is what arrived at the token endpoint.
type request struct {
	header http.Header
	form   url.Values
	raw    string
}

// grant performs one grant against a token endpoint that accepts everything.
func grant(t *testing.T, g *oauth.Grant) (request, error) {
	t.Helper()
	var got request
	e := endpoint(network(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		form, err := url.ParseQuery(string(body))
		require.NoError(t, err)
		got = request{r.Header.Clone(), form, string(body)}
		return reply(200, `{"access_token":"t","token_type":"bearer","expires_in":60}`), nil
	}))
	_, err := e.Token(context.Background(), g)
	return got, err
}

func endpoint(n network) *oauth.Endpoint {
	return &oauth.Endpoint{
		HTTP: n, Crypto: &gocrypto.Crypto{}, Timeout: 10 * time.Second, BodyLimit: 64 << 10, AssertionLife: time.Minute,
		Life: oauth.Life{Assumed: 5 * time.Minute, Longest: 24 * time.Hour},
	}
}

func simple(method registry.ClientAuth) *oauth.Grant {
	return &oauth.Grant{
		Server: "orders", Flow: registry.FlowClientCredentials, TokenURL: "https://idp.example.com/token", ClientID: "client:1 ü", Method: method, Secret: "a+b c%&=ü",
	}
}

func TestClientSecretBasicEncodesBothHalvesFirst(t *testing.T) {
	got, err := grant(t, simple(registry.ClientSecretBasic))
	require.NoError(t, err)
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(got.header.Get("Authorization"), "Basic "))
	require.NoError(t, err)
	assert.Equal(t, "client%3A1+%C3%BC:a%2Bb+c%25%26%3D%C3%BC", string(raw), "RFC 6749 §2.3.1")
	assert.Equal(t, "grant_type=client_credentials", got.raw, "nothing of the credential in the body")
	assert.Equal(t, "application/json", got.header.Get("Accept"))
	assert.Equal(t, "application/x-www-form-urlencoded", got.header.Get("Content-Type"))
}

func TestClientSecretPost(t *testing.T) {
	got, err := grant(t, simple(registry.ClientSecretPost))
	require.NoError(t, err)
	assert.Empty(t, got.header.Get("Authorization"))
	assert.Equal(t, "client:1 ü", got.form.Get("client_id"))
	assert.Equal(t, "a+b c%&=ü", got.form.Get("client_secret"))
}

func TestParameters(t *testing.T) {
	g := simple(registry.ClientSecretBasic)
	g.Scopes, g.Audience, g.Resource = []string{"b", "a"}, "api", "https://mcp.example.com/mcp/"
	g.Extra = map[string]string{"tenant": "7", "grant_type": "password", "client_id": "evil", "resource": "evil"}
	got, err := grant(t, g)
	require.NoError(t, err)
	assert.Equal(t, url.Values{
		"grant_type": {"client_credentials"}, "scope": {"b a"}, "audience": {"api"}, "resource": {"https://mcp.example.com/mcp/"}, "tenant": {"7"},
	}, got.form, "reserved names are left out, the resource is sent byte for byte")
}

func TestFlowsWithASubject(t *testing.T) {
	g := simple(registry.ClientSecretPost)
	g.Flow, g.Subject = registry.FlowJWTBearer, "the.callers.jwt"
	got, err := grant(t, g)
	require.NoError(t, err)
	assert.Equal(t, "urn:ietf:params:oauth:grant-type:jwt-bearer", got.form.Get("grant_type"))
	assert.Equal(t, "the.callers.jwt", got.form.Get("assertion"))

	g.Flow = registry.FlowTokenExchange
	got, err = grant(t, g)
	require.NoError(t, err)
	assert.Equal(t, "urn:ietf:params:oauth:grant-type:token-exchange", got.form.Get("grant_type"))
	assert.Equal(t, "the.callers.jwt", got.form.Get("subject_token"))
	assert.Equal(t, "urn:ietf:params:oauth:token-type:access_token", got.form.Get("subject_token_type"))

	g.SubjectType = "urn:ietf:params:oauth:token-type:jwt"
	got, err = grant(t, g)
	require.NoError(t, err)
	assert.Equal(t, g.SubjectType, got.form.Get("subject_token_type"))
}

// keys of every kind that private_key_jwt takes, with how to check a signature.
func keys(t *testing.T) map[string]struct {
	private any
	alg     string
	verify  func(message, signature []byte) bool
} {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	pub, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	hash := func(m []byte) []byte { s := sha256.Sum256(m); return s[:] }
	return map[string]struct {
		private any
		alg     string
		verify  func(message, signature []byte) bool
	}{
		"ES256": {ec, "ES256", func(m, s []byte) bool {
			return len(s) == 64 && ecdsa.Verify(&ec.PublicKey, hash(m), new(big.Int).SetBytes(s[:32]), new(big.Int).SetBytes(s[32:]))
		}},
		"RS256": {rs, "RS256", func(m, s []byte) bool { return rsa.VerifyPKCS1v15(&rs.PublicKey, crypto.SHA256, hash(m), s) == nil }},
		"PS256": {rs, "PS256", func(m, s []byte) bool {
			return rsa.VerifyPSS(&rs.PublicKey, crypto.SHA256, hash(m), s, &rsa.PSSOptions{SaltLength: 32}) == nil
		}},
		"EdDSA": {ed, "EdDSA", func(m, s []byte) bool { return ed25519.Verify(pub, m, s) }},
	}
}

func TestPrivateKeyJWT(t *testing.T) {
	for name, key := range keys(t) {
		t.Run(name, func(t *testing.T) {
			der, err := x509.MarshalPKCS8PrivateKey(key.private)
			require.NoError(t, err)
			stored, described, err := registry.ParseClientKey(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), key.alg, "")
			require.NoError(t, err)
			seen := map[string]bool{}
			for range 2 {
				g := simple(registry.PrivateKeyJWT)
				g.Secret, g.PrivateKey, g.KeyAlg, g.KeyID, g.Issuer = "", stored, key.alg, described.ID, "https://idp.example.com"
				got, err := grant(t, g)
				require.NoError(t, err)
				assert.Equal(t, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", got.form.Get("client_assertion_type"))
				assert.Empty(t, got.form.Get("client_secret"))
				header, claims, input, signature := takeApart(t, got.form.Get("client_assertion"))
				assert.True(t, key.verify(input, signature))
				assert.Equal(t, map[string]any{"alg": key.alg, "typ": "JWT", "kid": described.ID}, header)
				assert.Equal(t, "client:1 ü", claims["iss"])
				assert.Equal(t, claims["iss"], claims["sub"])
				assert.Equal(t, "https://idp.example.com", claims["aud"], "the issuer by default")
				life := claims["exp"].(float64) - claims["iat"].(float64)
				assert.True(t, life > 0 && life <= 300)
				jti := claims["jti"].(string)
				assert.False(t, seen[jti], "fresh each time")
				seen[jti] = true
			}
		})
	}
}

func TestTheAssertionsAudience(t *testing.T) {
	g := simple(registry.ClientSecretJWT)
	for _, test := range []struct{ issuer, override, want string }{
		{"", "", "https://idp.example.com/token"},
		{"https://issuer.example.com", "", "https://issuer.example.com"},
		{"https://issuer.example.com", "urn:custom", "urn:custom"},
	} {
		g.Issuer, g.AssertionAudience = test.issuer, test.override
		got, err := grant(t, g)
		require.NoError(t, err)
		header, claims, input, signature := takeApart(t, got.form.Get("client_assertion"))
		assert.Equal(t, test.want, claims["aud"])
		assert.Equal(t, "HS256", header["alg"])
		mac := hmac.New(sha256.New, []byte(g.Secret))
		mac.Write(input)
		assert.True(t, hmac.Equal(mac.Sum(nil), signature))
		assert.Empty(t, got.form.Get("client_secret"))
	}
}

func takeApart(t *testing.T, jws string) (header, claims map[string]any, input, signature []byte) {
	t.Helper()
	parts := strings.Split(jws, ".")
	require.Len(t, parts, 3)
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, into))
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	require.NoError(t, err)
	return header, claims, []byte(parts[0] + "." + parts[1]), signature
}

func TestABadKeyIsNotSent(t *testing.T) {
	g := simple(registry.PrivateKeyJWT)
	g.PrivateKey = []byte("-----BEGIN NONSENSE-----")
	_, err := grant(t, g)
	var f *oauth.Failure
	require.True(t, errors.As(err, &f))
	assert.Equal(t, "client_key_invalid", f.Code)
	assert.NotContains(t, f.Message, "NONSENSE")
}

func TestADescriptionIsAHintWithoutSecrets(t *testing.T) {
	e := endpoint(func(r *http.Request) (*http.Response, error) {
		return reply(401, `{"error":"invalid_client","error_description":"secret a+b c%&=ü is wrong\u0000\n`+strings.Repeat("x", 500)+`"}`), nil
	})
	_, err := e.Token(context.Background(), simple(registry.ClientSecretPost))
	var f *oauth.Failure
	require.True(t, errors.As(err, &f))
	assert.Equal(t, "secret *** is wrong", strings.TrimRight(f.Hint, " x"))
	assert.LessOrEqual(t, len(f.Hint), 200)
	assert.NotContains(t, f.Error(), "wrong", "callers do not see it")
}
