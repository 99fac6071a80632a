package jwk

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func keys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return map[string]crypto.Signer{"ES256": ec, "EdDSA": ed, "RS256": rs}
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// same checks a parsed key against the standard library's reading of the original.
func same(t *testing.T, want crypto.Signer, got *Private) {
	t.Helper()
	again, err := x509.ParsePKCS8PrivateKey(got.PKCS8)
	require.NoError(t, err)
	assert.True(t, want.(interface{ Equal(crypto.PrivateKey) bool }).Equal(again))
	der, err := x509.MarshalPKIXPublicKey(want.Public())
	require.NoError(t, err)
	spki, err := got.Public.SPKI()
	require.NoError(t, err)
	assert.Equal(t, der, spki)
}

func TestParsePrivate(t *testing.T) {
	for alg, key := range keys(t) {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		got, err := ParsePrivate(pemOf("PRIVATE KEY", der))
		require.NoError(t, err, alg)
		same(t, key, got)
		assert.Equal(t, alg, got.Public.Algorithms()[0])

		switch k := key.(type) {
		case *ecdsa.PrivateKey:
			der, err := x509.MarshalECPrivateKey(k)
			require.NoError(t, err)
			got, err := ParsePrivate(pemOf("EC PRIVATE KEY", der))
			require.NoError(t, err)
			same(t, key, got)
			d, err := k.Bytes()
			require.NoError(t, err)
			got, err = ParsePrivate(`{"kty":"EC","crv":"P-256","kid":"k1","alg":"ES256","d":"` + encode(d) + `"}`)
			require.NoError(t, err)
			same(t, key, got)
			assert.Equal(t, "k1 ES256", got.Kid+" "+got.Alg)
		case ed25519.PrivateKey:
			got, err := ParsePrivate(`{"kty":"OKP","crv":"Ed25519","d":"` + encode(k.Seed()) + `"}`)
			require.NoError(t, err)
			same(t, key, got)
		case *rsa.PrivateKey:
			got, err := ParsePrivate(pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k)))
			require.NoError(t, err)
			same(t, key, got)
			b := func(n *big.Int) string { return encode(n.Bytes()) }
			doc, err := json.Marshal(map[string]string{
				"kty": "RSA", "n": b(k.N), "e": b(big.NewInt(int64(k.E))), "d": b(k.D), "p": b(k.Primes[0]), "q": b(k.Primes[1]),
				"dp": b(k.Precomputed.Dp), "dq": b(k.Precomputed.Dq), "qi": b(k.Precomputed.Qinv),
			})
			require.NoError(t, err)
			got, err = ParsePrivate(string(doc))
			require.NoError(t, err)
			same(t, key, got)
		}
	}
}

func TestWhatIsNoPrivateKeyIsRefused(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	other8, err := x509.MarshalPKCS8PrivateKey(p384)
	require.NoError(t, err)
	other1, err := x509.MarshalECPrivateKey(p384)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"nothing":            "",
		"text":               "hello",
		"certificate":        pemOf("CERTIFICATE", []byte{0x30, 0}),
		"encrypted":          pemOf("ENCRYPTED PRIVATE KEY", []byte{0x30, 0}),
		"empty":              pemOf("PRIVATE KEY", nil),
		"cut off":            pemOf("PRIVATE KEY", element(tagSequence, integer(nil), algorithmP256)),
		"another curve":      pemOf("PRIVATE KEY", other8),
		"another curve SEC1": pemOf("EC PRIVATE KEY", other1),
		"public JWK":         `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`,
		"zero key":           `{"kty":"EC","crv":"P-256","d":"` + encode(make([]byte, 32)) + `"}`,
		"symmetric JWK":      `{"kty":"oct","k":"AAAA"}`,
		"RSA without primes": `{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}`,
		"short RSA":          `{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB","p":"Aw","q":"Aw","dp":"Aw","dq":"Aw","qi":"Aw"}`,
	} {
		_, err := ParsePrivate(text)
		assert.ErrorIs(t, err, ErrPrivate, name)
	}
}

func TestPublicKeysOutsideTheRulesAreRefused(t *testing.T) {
	off := make([]byte, 32)
	off[31] = 1
	even := make([]byte, 256)
	even[0] = 0x80
	odd := append([]byte(nil), even...)
	odd[255] = 1
	for name, p := range map[string]Public{
		"no kind":       {},
		"off the curve": {Kty: "EC", Crv: "P-256", X: encode(off), Y: encode(off)},
		"other curve":   {Kty: "EC", Crv: "P-384", X: encode(off), Y: encode(off)},
		"short RSA":     {Kty: "RSA", N: "AQAB", E: "AQAB"},
		"even modulus":  {Kty: "RSA", N: encode(even), E: "AQAB"},
		"even exponent": {Kty: "RSA", N: encode(odd), E: "AQAA"},
		"exponent 1":    {Kty: "RSA", N: encode(odd), E: "AQ"},
		"no base64":     {Kty: "OKP", Crv: "Ed25519", X: "***"},
	} {
		_, err := p.SPKI()
		assert.ErrorIs(t, err, ErrPublic, name)
	}
}

// The example of RFC 7638 §3.1.
func TestThumbprint(t *testing.T) {
	p := Public{Kty: "RSA", E: "AQAB", N: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}
	assert.Equal(t, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", p.Thumbprint())
}

func FuzzParsePrivate(f *testing.F) {
	for _, key := range keys(f) {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(f, err)
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		got, err := ParsePrivate(pemOf("PRIVATE KEY", der))
		if err != nil {
			require.ErrorIs(t, err, ErrPrivate)
			return
		}
		again, err := ParsePrivate(pemOf("PRIVATE KEY", got.PKCS8))
		require.NoError(t, err)
		assert.Equal(t, got.PKCS8, again.PKCS8, "what is written is read again")
	})
}
