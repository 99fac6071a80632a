package gocrypto_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/platform/gocrypto"
)

type pair struct{ private, public []byte }

func keys(t *testing.T, private, public any) pair {
	t.Helper()
	a, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	b, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	return pair{a, b}
}

func TestSignVerify(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	ec, rs, ed := keys(t, p256, &p256.PublicKey), keys(t, rsa2048, &rsa2048.PublicKey), keys(t, private, public)
	raw := pair{[]byte("secret"), []byte("secret")}
	var c gocrypto.Crypto
	ctx := context.Background()
	for _, tc := range []struct {
		alg  string
		keys pair
		size int
	}{{"ES256", ec, 64}, {"RS256", rs, 256}, {"PS256", rs, 256}, {"EdDSA", ed, 64}, {"HS256", raw, 32}} {
		for range 2 { // parsed, then from the cache
			signature, err := c.Sign(ctx, tc.alg, tc.keys.private, []byte("message"))
			require.NoError(t, err, tc.alg)
			require.Len(t, signature, tc.size, tc.alg)
			for _, v := range []struct {
				message   string
				signature []byte
				want      bool
			}{{"message", signature, true}, {"another", signature, false}, {"message", signature[1:], false}, {"message", nil, false}} {
				ok, err := c.Verify(ctx, tc.alg, tc.keys.public, []byte(v.message), v.signature)
				require.NoError(t, err, tc.alg)
				assert.Equal(t, v.want, ok, tc.alg)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	other, ec := keys(t, p384, &p384.PublicKey), keys(t, p256, &p256.PublicKey)
	var c gocrypto.Crypto
	for _, tc := range []struct {
		name, alg string
		keys      pair
	}{
		{"unknown algorithm", "none", ec}, {"another curve", "ES256", other}, {"another kind of key", "RS256", ec}, {"EdDSA with EC", "EdDSA", ec},
		{"no key", "ES256", pair{}}, {"empty secret", "HS256", pair{}}, {"public in place of private", "ES256", pair{ec.public, ec.private}},
	} {
		_, err := c.Sign(t.Context(), tc.alg, tc.keys.private, []byte("m"))
		var failure *platform.Error
		require.ErrorAs(t, err, &failure, tc.name)
		assert.Equal(t, platform.CodeInvalid, failure.Code, tc.name)
		_, err = c.Verify(t.Context(), tc.alg, tc.keys.public, []byte("m"), make([]byte, 64))
		require.ErrorAs(t, err, &failure, tc.name)
	}
}

// TestKnownAnswer is RFC 4231 test case 2 for HMAC SHA-256.
func TestKnownAnswer(t *testing.T) {
	var c gocrypto.Crypto
	got, err := c.Sign(t.Context(), "HS256", []byte("Jefe"), []byte("what do ya want for nothing?"))
	require.NoError(t, err)
	require.Equal(t, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", hex.EncodeToString(got))
}
