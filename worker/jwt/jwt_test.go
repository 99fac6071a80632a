package jwt_test

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
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/jwt"
	"github.com/grantway/grantway/worker/platform/gocrypto"
	"github.com/grantway/grantway/worker/platform/memory"
)

const (
	iss = "https://idp.example.com"
	aud = "https://mcp.example.com/mcp/orders"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// signer signs tokens and publishes its public key.
type signer struct {
	alg, kid string
	private  crypto.Signer
}

func newSigner(t testing.TB, alg, kid string) signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case jwt.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jwt.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	require.NoError(t, err)
	return signer{alg, kid, key}
}

func (s signer) jwk() map[string]any {
	k := map[string]any{"kid": s.kid, "use": "sig"}
	switch p := s.private.Public().(type) {
	case *ecdsa.PublicKey:
		point, _ := p.Bytes()
		k["kty"], k["crv"], k["x"], k["y"] = "EC", "P-256", b64(point[1:33]), b64(point[33:])
	case ed25519.PublicKey:
		k["kty"], k["crv"], k["x"] = "OKP", "Ed25519", b64(p)
	case *rsa.PublicKey:
		k["kty"], k["n"], k["e"] = "RSA", b64(p.N.Bytes()), b64(big.NewInt(int64(p.E)).Bytes())
	}
	return k
}

func (s signer) sign(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	h := map[string]any{"alg": s.alg, "kid": s.kid, "typ": "at+jwt"}
	for k, v := range header {
		h[k] = v
	}
	hb, err := json.Marshal(h)
	require.NoError(t, err)
	cb, err := json.Marshal(claims)
	require.NoError(t, err)
	input := b64(hb) + "." + b64(cb)
	der, err := x509.MarshalPKCS8PrivateKey(s.private)
	require.NoError(t, err)
	sig, err := (&gocrypto.Crypto{}).Sign(t.Context(), s.alg, der, []byte(input))
	require.NoError(t, err)
	return input + "." + b64(sig)
}

func good() map[string]any {
	now := time.Now().Unix()
	return map[string]any{"iss": iss, "sub": "alice", "aud": aud, "iat": now, "nbf": now, "exp": now + 300}
}

func with(name string, value any) map[string]any {
	c := good()
	if value == nil {
		delete(c, name)
	} else {
		c[name] = value
	}
	return c
}

func keySetOf(t testing.TB, jwks ...map[string]any) []jwt.Key {
	t.Helper()
	b, err := json.Marshal(map[string]any{"keys": jwks})
	require.NoError(t, err)
	keys, err := jwt.ParseKeySet(b)
	require.NoError(t, err)
	return keys
}

func verify(ctx context.Context, compact string, keys []jwt.Key) error {
	t, err := jwt.Parse(compact)
	if err != nil {
		return err
	}
	want := jwt.Expected{Issuer: iss, Audiences: []string{aud}, Types: []string{"at+jwt", "jwt", ""}, Leeway: time.Minute}
	return jwt.Verify(ctx, &gocrypto.Crypto{}, t, want, func(context.Context, string) ([]jwt.Key, error) { return keys, nil })
}

func TestVerifyAcceptsEachAlgorithm(t *testing.T) {
	for _, alg := range jwt.Algorithms {
		t.Run(alg, func(t *testing.T) {
			s := newSigner(t, alg, "k1")
			keys := keySetOf(t, s.jwk())
			require.Len(t, keys, 1)
			assert.NoError(t, verify(t.Context(), s.sign(t, nil, good()), keys))
			assert.NoError(t, verify(t.Context(), s.sign(t, nil, with("aud", []string{"https://other.example", aud})), keys), "one of several audiences")
			assert.NoError(t, verify(t.Context(), s.sign(t, map[string]any{"typ": "application/AT+JWT"}, good()), keys))
			tampered := s.sign(t, nil, good())
			parts := strings.Split(tampered, ".")
			claims, _ := json.Marshal(with("sub", "mallory"))
			assert.ErrorIs(t, verify(t.Context(), parts[0]+"."+b64(claims)+"."+parts[2], keys), jwt.ErrSignature)
		})
	}
}

// The attacks on algorithms and keys of RFC 8725 §2 and §3.
func TestVerifyRefusesConfusion(t *testing.T) {
	es, rs := newSigner(t, jwt.ES256, "ec"), newSigner(t, jwt.RS256, "rsa")
	keys := keySetOf(t, es.jwk(), rs.jwk())
	spki, err := x509.MarshalPKIXPublicKey(rs.private.Public())
	require.NoError(t, err)
	forge := func(header map[string]any, sign func(input string) []byte) string {
		hb, _ := json.Marshal(header)
		cb, _ := json.Marshal(good())
		input := b64(hb) + "." + b64(cb)
		return input + "." + b64(sign(input))
	}
	hmacWith := func(key []byte) func(string) []byte {
		return func(input string) []byte {
			m := hmac.New(sha256.New, key)
			m.Write([]byte(input))
			return m.Sum(nil)
		}
	}
	nothing := func(string) []byte { return []byte{0} }
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"alg none":                        {forge(map[string]any{"alg": "none", "kid": "rsa"}, nothing), jwt.ErrAlgorithm},
		"alg None":                        {forge(map[string]any{"alg": "None", "kid": "rsa"}, nothing), jwt.ErrAlgorithm},
		"alg empty":                       {forge(map[string]any{"alg": "", "kid": "rsa"}, nothing), jwt.ErrMalformed},
		"alg absent":                      {forge(map[string]any{"kid": "rsa"}, nothing), jwt.ErrMalformed},
		"alg in another case of the name": {forge(map[string]any{"ALG": "ES256", "kid": "ec"}, nothing), jwt.ErrMalformed},
		"HMAC with the public key":        {forge(map[string]any{"alg": "HS256", "kid": "rsa"}, hmacWith(spki)), jwt.ErrAlgorithm},
		"HMAC with an empty key":          {forge(map[string]any{"alg": "HS256"}, hmacWith(nil)), jwt.ErrAlgorithm},
		"ES256 for the RSA key":           {es.sign(t, map[string]any{"kid": "rsa"}, good()), jwt.ErrNoKey},
		"RS256 for the EC key":            {rs.sign(t, map[string]any{"kid": "ec"}, good()), jwt.ErrNoKey},
		"ES256 of zeros":                  {forge(map[string]any{"alg": "ES256", "kid": "ec"}, func(string) []byte { return make([]byte, 64) }), jwt.ErrSignature},
		"ES256 in DER": {forge(map[string]any{"alg": "ES256", "kid": "ec"}, func(in string) []byte {
			s := sha256.Sum256([]byte(in))
			b, _ := es.private.Sign(rand.Reader, s[:], crypto.SHA256)
			return b
		}), jwt.ErrSignature},
		"another key with a known kid": {newSigner(t, jwt.ES256, "ec").sign(t, nil, good()), jwt.ErrSignature},
		"its own key in the header": {func() string {
			s := newSigner(t, jwt.ES256, "mine")
			return s.sign(t, map[string]any{"jwk": s.jwk()}, good())
		}(), jwt.ErrNoKey},
		"jku":                      {newSigner(t, jwt.ES256, "mine").sign(t, map[string]any{"jku": "https://evil.example/jwks"}, good()), jwt.ErrNoKey},
		"crit":                     {es.sign(t, map[string]any{"crit": []string{"exp"}}, good()), jwt.ErrMalformed},
		"b64 false":                {es.sign(t, map[string]any{"b64": false}, good()), jwt.ErrMalformed},
		"kid that is a path":       {es.sign(t, map[string]any{"kid": "../../../../dev/null"}, good()), jwt.ErrNoKey},
		"kid that is a query":      {es.sign(t, map[string]any{"kid": "' OR '1'='1"}, good()), jwt.ErrNoKey},
		"kid that is not a string": {es.sign(t, map[string]any{"kid": 7}, good()), jwt.ErrMalformed},
		"no signature":             {strings.TrimRight(es.sign(t, nil, good()), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), jwt.ErrMalformed},
		"a fourth part":            {es.sign(t, nil, good()) + ".x", jwt.ErrMalformed},
		"padding":                  {es.sign(t, nil, good()) + "=", jwt.ErrMalformed},
		"line break":               {strings.Replace(es.sign(t, nil, good()), ".", "\n.", 1), jwt.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) { assert.ErrorIs(t, verify(t.Context(), c.token, keys), c.want) })
	}
}

func TestVerifyRefusesClaims(t *testing.T) {
	s := newSigner(t, jwt.ES256, "k")
	keys := keySetOf(t, s.jwk())
	now := time.Now().Unix()
	for name, c := range map[string]struct {
		claims map[string]any
		want   error
	}{
		"expired":                    {with("exp", now-61), jwt.ErrExpired},
		"expired within the leeway":  {with("exp", now-30), nil},
		"no expiry":                  {with("exp", nil), jwt.ErrNoExpiry},
		"expiry is a string":         {with("exp", "4102444800"), jwt.ErrMalformed},
		"expiry is infinite":         {with("exp", json.Number("1e300")), jwt.ErrMalformed},
		"not yet valid":              {with("nbf", now+120), jwt.ErrNotYet},
		"issued in the future":       {with("iat", now+120), jwt.ErrNotYet},
		"another issuer":             {with("iss", "https://evil.example"), jwt.ErrIssuer},
		"issuer with a slash":        {with("iss", iss+"/"), jwt.ErrIssuer},
		"no issuer":                  {with("iss", nil), jwt.ErrIssuer},
		"audience of another path":   {with("aud", "https://mcp.example.com/mcp/billing"), jwt.ErrAudience},
		"audience as a prefix":       {with("aud", aud+"/x"), jwt.ErrAudience},
		"audience in another case":   {with("aud", strings.ToUpper(aud)), jwt.ErrAudience},
		"no audience":                {with("aud", nil), jwt.ErrAudience},
		"empty audience":             {with("aud", ""), jwt.ErrAudience},
		"audience is an object":      {with("aud", map[string]any{"x": aud}), jwt.ErrMalformed},
		"audience holds not strings": {with("aud", []any{1, aud}), jwt.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			err := verify(t.Context(), s.sign(t, nil, c.claims), keys)
			if c.want == nil {
				assert.NoError(t, err)
				return
			}
			assert.ErrorIs(t, err, c.want)
		})
	}
	for _, typ := range []string{"oauth-id-jag+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt"} {
		assert.ErrorIs(t, verify(t.Context(), s.sign(t, map[string]any{"typ": typ}, good()), keys), jwt.ErrType, typ)
	}
}

func TestParseKeySetLeavesOutWhatIsNotForSignatures(t *testing.T) {
	s, r := newSigner(t, jwt.ES256, "k"), newSigner(t, jwt.RS256, "r")
	edit := func(k map[string]any, name string, value any) map[string]any { k[name] = value; return k }
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	for name, k := range map[string]map[string]any{
		"for encryption":       edit(s.jwk(), "use", "enc"),
		"not to verify":        edit(s.jwk(), "key_ops", []string{"sign"}),
		"with a private part":  edit(s.jwk(), "d", "AAAA"),
		"symmetric":            {"kty": "oct", "k": "c2VjcmV0", "kid": "o"},
		"another curve":        edit(s.jwk(), "crv", "P-384"),
		"point not on a curve": edit(s.jwk(), "x", b64(make([]byte, 32))),
		"short RSA":            {"kty": "RSA", "kid": "s", "n": b64(short.N.Bytes()), "e": "AQAB"},
		"even exponent":        edit(r.jwk(), "e", b64([]byte{4})),
		"exponent one":         edit(r.jwk(), "e", b64([]byte{1})),
		"alg of another kind":  edit(s.jwk(), "alg", "HS256"),
	} {
		assert.Empty(t, keySetOf(t, k), name)
	}
	_, err = jwt.ParseKeySet([]byte(`[]`))
	assert.ErrorIs(t, err, jwt.ErrKeySet)
	ps := edit(r.jwk(), "alg", "PS256")
	assert.ErrorIs(t, verify(t.Context(), r.sign(t, nil, good()), keySetOf(t, ps)), jwt.ErrNoKey, "a key for PS256 does not verify RS256")
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestKeySetsRotationAndNegativeCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newSigner(t, jwt.ES256, "one"), newSigner(t, jwt.ES256, "two")
		published := []map[string]any{one.jwk()}
		var fetches, status atomic.Int64
		status.Store(200)
		body := func() string { b, _ := json.Marshal(map[string]any{"keys": published}); return string(b) }
		p := memory.New(nil)
		sets := &jwt.KeySets{Background: p.Background, Timeout: time.Second, Limit: 64 << 10, HTTP: transport(func(r *http.Request) (*http.Response, error) {
			fetches.Add(1)
			assert.Equal(t, "https://idp.example.com/jwks", r.URL.String(), "a kid never changes the address")
			return &http.Response{StatusCode: int(status.Load()), Body: io.NopCloser(strings.NewReader(body())), Header: http.Header{}}, nil
		})}
		find := func(kid string) int {
			k, err := sets.Find(t.Context(), "https://idp.example.com/jwks", kid)
			if err != nil {
				return -1
			}
			return len(k)
		}
		assert.Equal(t, 1, find("one"))
		assert.Equal(t, 1, find("one"))
		assert.EqualValues(t, 1, fetches.Load(), "remembered")

		for range 50 {
			assert.Equal(t, 0, find("../invented"))
		}
		assert.EqualValues(t, 1, fetches.Load(), "just fetched: an invented kid costs nothing")
		time.Sleep(31 * time.Second)
		for range 50 {
			assert.Equal(t, 0, find("invented"))
		}
		assert.EqualValues(t, 2, fetches.Load(), "one look per half minute")

		time.Sleep(31 * time.Second)
		published = append(published, two.jwk())
		assert.Equal(t, 1, find("two"), "a rotation is noticed at once")
		assert.EqualValues(t, 3, fetches.Load())

		status.Store(500)
		time.Sleep(11 * time.Minute)
		assert.Equal(t, 1, find("one"), "while the issuer is down its keys are used on")
		synctest.Wait()
		assert.EqualValues(t, 4, fetches.Load())
		time.Sleep(time.Hour)
		assert.Equal(t, -1, find("one"), "but not for ever")
		n := fetches.Load()
		assert.Equal(t, -1, find("one"))
		assert.Equal(t, n, fetches.Load(), "a failure is remembered")
		status.Store(200)
		time.Sleep(11 * time.Second)
		assert.Equal(t, 1, find("one"))
	})
}

func TestKeySetsLimits(t *testing.T) {
	p := memory.New(nil)
	for name, resp := range map[string]*http.Response{
		"redirect":  {StatusCode: 302, Header: http.Header{"Location": {"http://169.254.169.254/"}}, Body: io.NopCloser(strings.NewReader(""))},
		"too large": {StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"keys":[` + strings.Repeat(" ", 5000) + `]}`))},
		"HTML":      {StatusCode: 200, Body: io.NopCloser(strings.NewReader(`<html>`))},
	} {
		calls := 0
		sets := &jwt.KeySets{Background: p.Background, Timeout: time.Second, Limit: 4096, HTTP: transport(func(*http.Request) (*http.Response, error) { calls++; return resp, nil })}
		_, err := sets.Find(t.Context(), "https://idp.example.com/jwks", "k")
		assert.ErrorIs(t, err, jwt.ErrUnreachable, name)
		assert.Equal(t, 1, calls, name)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("eyJhbGciOiJFUzI1NiJ9.e30.AA")
	f.Add("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, s string) {
		tok, err := jwt.Parse(s)
		if err != nil {
			assert.Equal(t, jwt.ErrMalformed, err, "no error quotes the token")
			return
		}
		assert.NotEmpty(t, tok.Algorithm)
		assert.LessOrEqual(t, len(s), jwt.MaxLength)
	})
}

func FuzzParseKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"","y":""}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = jwt.ParseKeySet(b) })
}
