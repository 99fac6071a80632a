package seal_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/seal"
)

func keyring(t *testing.T, current string, previous ...string) *seal.Keyring {
	t.Helper()
	k, err := seal.NewKeyring(current, previous...)
	require.NoError(t, err)
	return k
}

func TestASealedValueOpensOnlyWhereItWasSealedFor(t *testing.T) {
	k := keyring(t, seal.GenerateKey())
	sealed := k.Seal([]byte("s3cret"), "record", "id-1", "client_secret")

	plain, err := k.Open(sealed, "record", "id-1", "client_secret")
	require.NoError(t, err)
	assert.Equal(t, "s3cret", string(plain))

	for name, aad := range map[string][]string{
		"another row":         {"record", "id-2", "client_secret"},
		"another name":        {"record", "id-1", "auth_value"},
		"no parts":            nil,
		"parts joined":        {"recordid-1", "client_secret"},
		"border moved":        {"recor", "did-1", "client_secret"},
		"one empty part more": {"record", "id-1", "client_secret", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := k.Open(sealed, aad...)
			assert.ErrorIs(t, err, seal.ErrCorrupt)
		})
	}
}

func TestEveryDamagedByteIsNoticed(t *testing.T) {
	k := keyring(t, seal.GenerateKey())
	sealed := k.Seal([]byte("token"), "a")
	for i := range sealed {
		damaged := append([]byte(nil), sealed...)
		damaged[i] ^= 1
		_, err := k.Open(damaged, "a")
		assert.Error(t, err, "byte %d", i)
		_, err = k.Open(sealed[:i], "a")
		assert.ErrorIs(t, err, seal.ErrCorrupt, "cut at %d", i)
	}
}

func TestRotationOpensOldAndSealsNew(t *testing.T) {
	old, current := seal.GenerateKey(), seal.GenerateKey()
	before := keyring(t, old)
	sealed := before.Seal([]byte("x"), "a")

	after := keyring(t, current, old)
	plain, err := after.Open(sealed, "a")
	require.NoError(t, err)
	assert.Equal(t, "x", string(plain))
	assert.Equal(t, before.KeyID(), seal.KeyIDOf(sealed))
	assert.Equal(t, after.KeyID(), seal.KeyIDOf(after.Seal([]byte("x"), "a")))
	assert.NotEqual(t, before.KeyID(), after.KeyID())
	assert.ElementsMatch(t, []string{after.KeyID(), before.KeyID()}, after.KeyIDs())

	lost := keyring(t, current)
	_, err = lost.Open(sealed, "a")
	require.ErrorIs(t, err, seal.ErrUnknownKey)
	assert.Contains(t, err.Error(), before.KeyID())
}

func TestKeysAreCheckedAndNeverShown(t *testing.T) {
	good := seal.GenerateKey()
	url := strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(good)
	assert.Equal(t, keyring(t, good).KeyID(), keyring(t, url).KeyID(), "URL alphabet without padding")

	for name, bad := range map[string]string{
		"empty":      "",
		"not base64": "!!!not-base64-but-private!!!",
		"16 bytes":   "AAAAAAAAAAAAAAAAAAAAAA==",
		"33 bytes":   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := seal.NewKeyring(bad)
			require.Error(t, err)
			if bad != "" {
				assert.NotContains(t, err.Error(), bad)
			}
			_, err = seal.NewKeyring(good, bad)
			assert.ErrorContains(t, err, "previous key 1")
		})
	}
}

func TestFingerprintIsKeyed(t *testing.T) {
	a, b := keyring(t, seal.GenerateKey()), keyring(t, seal.GenerateKey())
	assert.Equal(t, a.Fingerprint([]byte("s")), a.Fingerprint([]byte("s")))
	assert.NotEqual(t, a.Fingerprint([]byte("s")), a.Fingerprint([]byte("t")))
	assert.NotEqual(t, a.Fingerprint([]byte("s")), b.Fingerprint([]byte("s")))
	assert.Len(t, a.Fingerprint([]byte("s")), 32)
}

func FuzzOpen(f *testing.F) {
	k, err := seal.NewKeyring("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	require.NoError(f, err)
	f.Add(k.Seal([]byte("token"), "row"))
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		plain, err := k.Open(sealed, "another row")
		assert.Error(t, err)
		assert.Nil(t, plain)
		_ = seal.KeyIDOf(sealed)
	})
}

func BenchmarkSealAndOpen(b *testing.B) {
	k, err := seal.NewKeyring(seal.GenerateKey())
	require.NoError(b, err)
	plain := make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Open(k.Seal(plain, "token", "row"), "token", "row"); err != nil {
			b.Fatal(err)
		}
	}
}
