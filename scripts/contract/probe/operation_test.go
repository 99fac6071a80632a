package probe

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
	"github.com/grantway/grantway/wasm/abi"
	"github.com/grantway/grantway/worker/platform/gocrypto"
)

const opFetch = abi.OpFetch

// outcome is how an operation settled in the guest.
type outcome struct {
	Error string `json:"error"`
	Meta  string `json:"meta"`
	Body  []byte `json:"body"`
	N     int    `json:"n"`
}

// operation performs one in the guest; meta is given line by line.
func (p *probe) operation(t *testing.T, code abi.Op, content string, meta ...string) (o outcome) {
	t.Helper()
	p.send(t, "POST", operationPath(code, meta), body(content)).into(t, &o)
	return o
}

// objectOperation performs one in an object.
func (p *probe) objectOperation(t *testing.T, object string, code abi.Op, content string, meta ...string) (o outcome) {
	t.Helper()
	p.send(t, "POST", query("/object", "class", "MINTER", "name", object, "path", operationPath(code, meta)), body(content)).into(t, &o)
	return o
}

func operationPath(code abi.Op, meta []string) string {
	parameters := []string{"code", strconv.Itoa(int(code))}
	for _, line := range meta {
		parameters = append(parameters, "meta", line)
	}
	return query("/op", parameters...)
}

func TestUnknownOperation(t *testing.T) {
	p := theProbe(t)
	assert.Equal(t, "unsupported", p.operation(t, 9999, "").Error)
	assert.Equal(t, "hello", p.get(t, "/hello").text)
}

func TestKV(t *testing.T) {
	p := theProbe(t)
	binary := "\x00\xff\xfe text \n"
	assert.Equal(t, outcome{Error: ""}, p.operation(t, abi.OpKVPut, binary, "TOKENS", "kv/a", "60", `{"note":"gr\u00fcn \"x\""}`))
	got := p.operation(t, abi.OpKVGet, "", "TOKENS", "kv/a")
	assert.Equal(t, 1, got.N)
	assert.Equal(t, binary, string(got.Body))
	assert.JSONEq(t, `{"note":"grün \"x\""}`, got.Meta)

	assert.Empty(t, p.operation(t, abi.OpKVPut, "", "TOKENS", "kv/empty", "0", "").Error)
	got = p.operation(t, abi.OpKVGet, "", "TOKENS", "kv/empty")
	assert.Equal(t, 1, got.N)
	assert.Empty(t, got.Body)
	assert.Empty(t, got.Meta)

	assert.Equal(t, 0, p.operation(t, abi.OpKVGet, "", "TOKENS", "kv/absent").N)
	assert.Equal(t, 0, p.operation(t, abi.OpKVGet, "", "CONFIG", "kv/a").N, "namespaces are apart")
	assert.Empty(t, p.operation(t, abi.OpKVDelete, "", "TOKENS", "kv/empty").Error)
	assert.Empty(t, p.operation(t, abi.OpKVDelete, "", "TOKENS", "kv/empty").Error, "an absent key is fine")
	assert.Equal(t, 0, p.operation(t, abi.OpKVGet, "", "TOKENS", "kv/empty").N)

	for _, test := range []struct {
		code  abi.Op
		value string
		meta  []string
		want  string
	}{
		{abi.OpKVGet, "", []string{"NOWHERE", "k"}, "notfound"},
		{abi.OpKVGet, "", []string{"TOKENS", ""}, "invalid"},
		{abi.OpKVGet, "", []string{"TOKENS", "a\tb"}, "invalid"},
		{abi.OpKVGet, "", []string{"TOKENS", strings.Repeat("k", 513)}, "limit"},
		{abi.OpKVPut, "", []string{"TOKENS", "k", "59", ""}, "invalid"},
		{abi.OpKVPut, "", []string{"TOKENS", "k", "soon", ""}, "invalid"},
		{abi.OpKVList, "", []string{"TOKENS", "", "0", ""}, "invalid"},
		{abi.OpKVList, "", []string{"TOKENS", "", "1001", ""}, "limit"},
	} {
		assert.Equal(t, test.want, p.operation(t, test.code, test.value, test.meta...).Error, "%d %q", test.code, test.meta)
	}
}

func TestKVList(t *testing.T) {
	p := theProbe(t)
	for _, key := range []string{"list/b", "list/a", "list/c", "list/ü", "other"} {
		require.Empty(t, p.operation(t, abi.OpKVPut, "v", "CONFIG", key, "0", `{"k":1}`).Error)
	}
	var keys []string
	cursor := ""
	for {
		page := p.operation(t, abi.OpKVList, "", "CONFIG", "list/", "2", cursor)
		require.Empty(t, page.Error)
		var lines string
		cursor, lines, _ = strings.Cut(page.Meta, "\n")
		entries := strings.Split(lines, "\n")
		assert.Len(t, entries, page.N)
		for _, entry := range entries {
			fields := strings.Split(entry, "\t")
			require.Len(t, fields, 3)
			keys = append(keys, fields[0])
			assert.Equal(t, "0", fields[1])
			assert.JSONEq(t, `{"k":1}`, fields[2])
		}
		if cursor == "" {
			break
		}
	}
	assert.Equal(t, []string{"list/a", "list/b", "list/c", "list/ü"}, keys)
}

// An entry ends with its time to live.
func TestKVExpires(t *testing.T) {
	p := ownProbe(t, host.Options{})
	require.Empty(t, p.operation(t, abi.OpKVPut, "v", "TOKENS", "short", "60", "").Error)
	require.Empty(t, p.operation(t, abi.OpKVPut, "v", "TOKENS", "long", "7200", "").Error)
	require.NoError(t, p.Advance(time.Hour))
	assert.Equal(t, 0, p.operation(t, abi.OpKVGet, "", "TOKENS", "short").N)
	assert.Equal(t, 1, p.operation(t, abi.OpKVGet, "", "TOKENS", "long").N)
}

// Faults are what later cases of the gateway are built on.
func TestKVFaults(t *testing.T) {
	p := theProbe(t)
	require.Empty(t, p.operation(t, abi.OpKVPut, "true", "TOKENS", "faulty", "0", "").Error)
	require.NoError(t, p.SetFault("TOKENS", host.Fault{Fail: true}))
	assert.Equal(t, "internal", p.operation(t, abi.OpKVGet, "", "TOKENS", "faulty").Error)
	assert.Equal(t, "internal", p.operation(t, abi.OpKVPut, "", "TOKENS", "faulty", "0", "").Error)
	require.NoError(t, p.SetFault("TOKENS", host.Fault{Op: "put", Fail: true}))
	assert.Equal(t, "true", string(p.operation(t, abi.OpKVGet, "", "TOKENS", "faulty").Body))
	require.NoError(t, p.SetFault("TOKENS", host.Fault{Value: []byte("foreign")}))
	assert.Equal(t, "foreign", string(p.operation(t, abi.OpKVGet, "", "TOKENS", "faulty").Body))
	require.NoError(t, p.SetFault("TOKENS", host.Fault{}))
	assert.Equal(t, "true", string(p.operation(t, abi.OpKVGet, "", "TOKENS", "faulty").Body))
}

func TestSignatures(t *testing.T) {
	p := theProbe(t)
	message := []byte("the message")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	secret := []byte("a secret of more than thirty-two bytes")
	for alg, key := range map[string]crypto.Signer{"RS256": rsaKey, "PS256": rsaKey, "ES256": ecKey, "EdDSA": edKey, "HS256": nil} {
		t.Run(alg, func(t *testing.T) {
			private, public := secret, secret
			if key != nil {
				private, err = x509.MarshalPKCS8PrivateKey(key)
				require.NoError(t, err)
				public, err = x509.MarshalPKIXPublicKey(key.Public())
				require.NoError(t, err)
			}
			var signature []byte
			for range 2 { // the second time with a key that the host may have kept
				signed := p.operation(t, abi.OpSign, string(frames(private, message)), alg)
				require.Empty(t, signed.Error)
				signature = signed.Body
				valid, err := (&gocrypto.Crypto{}).Verify(context.Background(), alg, public, message, signature)
				require.NoError(t, err)
				assert.True(t, valid)
			}
			assert.Equal(t, 1, p.operation(t, abi.OpVerify, string(frames(public, message, signature)), alg).N)
			assert.Equal(t, 0, p.operation(t, abi.OpVerify, string(frames(public, []byte("another message"), signature)), alg).N)
			assert.Equal(t, 0, p.operation(t, abi.OpVerify, string(frames(public, message, signature[1:])), alg).N)
			if key != nil {
				assert.Equal(t, "invalid", p.operation(t, abi.OpSign, string(frames([]byte("no key"), message)), alg).Error)
			}
		})
	}
	assert.Equal(t, "invalid", p.operation(t, abi.OpSign, string(frames(secret, message)), "none").Error)
	assert.Equal(t, "invalid", p.operation(t, abi.OpSign, "\xff\xff\xff\xff", "HS256").Error)
	for _, alg := range []string{"ES256", "RS256", "PS256", "EdDSA"} {
		made := p.operation(t, abi.OpGenerate, "", alg)
		require.Empty(t, made.Error, alg)
		key, err := x509.ParsePKCS8PrivateKey(made.Body)
		require.NoError(t, err, alg)
		if key, ok := key.(*rsa.PrivateKey); ok {
			assert.Equal(t, 2048, key.N.BitLen())
		}
		assert.NotEmpty(t, p.operation(t, abi.OpSign, string(frames(made.Body, message)), alg).Body, alg)
	}
	assert.Equal(t, "invalid", p.operation(t, abi.OpGenerate, "", "HS256").Error)
	sum := sha256.Sum256(message)
	assert.Equal(t, sum[:], p.operation(t, abi.OpDigest, string(message), "SHA-256").Body)
	assert.Equal(t, "invalid", p.operation(t, abi.OpDigest, string(message), "MD5").Error)
}

// The rate limiter of the test permits three per minute and key.
func TestRateLimit(t *testing.T) {
	p := theProbe(t)
	key := rand.Text()
	permitted := 0
	for range 6 {
		got := p.operation(t, abi.OpRateLimit, "", "TEST_LIMITER", key)
		require.Empty(t, got.Error)
		permitted += got.N
	}
	// A host that counts in fixed minutes may begin a new one here.
	assert.GreaterOrEqual(t, permitted, 3)
	assert.Less(t, permitted, 6)
	assert.Equal(t, 1, p.operation(t, abi.OpRateLimit, "", "TEST_LIMITER", key+"other").N)
}

func TestDataPoint(t *testing.T) {
	p := theProbe(t)
	assert.Empty(t, p.operation(t, abi.OpDataPoint, "12345678", "TEST_DATASET", "index", "blob", "another").Error)
	assert.Equal(t, "invalid", p.operation(t, abi.OpDataPoint, "1234567", "TEST_DATASET", "index").Error)
}

// Bindings that nobody has made.
func TestMissingBindings(t *testing.T) {
	p := theProbe(t)
	assert.Equal(t, "notfound", p.operation(t, abi.OpRateLimit, "", "NO_LIMITER", "key").Error)
	assert.Equal(t, "notfound", p.operation(t, abi.OpFetch, "", "GET", "NO_CLASS/name", "https://object.invalid/").Error)
}

// The cron trigger's work is done, whichever lifecycle the host has for it.
func TestHousekeeping(t *testing.T) {
	p := theProbe(t)
	require.NoError(t, p.Housekeep())
	first := p.get(t, "/kv?ns=CONFIG&key=housekeeping")
	require.Equal(t, 200, first.status)
	require.NoError(t, p.Housekeep())
	assert.NotEqual(t, first.text, p.get(t, "/kv?ns=CONFIG&key=housekeeping").text)
}

func frames(parts ...[]byte) (out []byte) {
	for _, part := range parts {
		out = abi.AppendFrame(out, part)
	}
	return out
}
