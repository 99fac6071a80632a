package hostsim_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/hostsim"
	"github.com/grantway/grantway/wasm/abi"
)

func frames(values ...string) []byte {
	var b []byte
	for _, v := range values {
		b = abi.AppendFrame(b, []byte(v))
	}
	return b
}

// TestOperations has the table of docs/host-abi.md: each case is one operation, in
// order, on one host.
func TestOperations(t *testing.T) {
	_, c := open(t, hostsim.WithRateLimit("CALLS", hostsim.RateLimit{Limit: 1, Period: time.Hour}))
	long := strings.Repeat("k", abi.MaxKVKey)
	for _, tc := range []struct {
		name string
		code abi.Op
		meta string // lines joined by |
		body []byte
		want reply
	}{
		{"unknown operation", 99, "", nil, reply{Code: "unsupported"}},
		{"operation outside the table", 4000, "", nil, reply{Code: "unsupported"}},

		{"get absent", abi.OpKVGet, "CONFIG|none", nil, reply{}},
		{"put", abi.OpKVPut, "CONFIG|a|0|", []byte("1"), reply{}},
		{"get", abi.OpKVGet, "CONFIG|a", nil, reply{N: 1, Body: []byte("1")}},
		{"other namespace", abi.OpKVGet, "TOKENS|a", nil, reply{}},
		{"put with metadata", abi.OpKVPut, `CONFIG|b|0|{"v":1}`, []byte("2"), reply{}},
		{"get with metadata", abi.OpKVGet, "CONFIG|b", nil, reply{N: 1, Body: []byte("2"), Meta: `{"v":1}`}},
		{"put empty value", abi.OpKVPut, "CONFIG|c|0|", nil, reply{}},
		{"get empty value", abi.OpKVGet, "CONFIG|c", nil, reply{N: 1}},
		{"list", abi.OpKVList, "CONFIG||10|", nil, reply{N: 3, Meta: "\na\t0\t\nb\t0\t{\"v\":1}\nc\t0\t"}},
		{"list a page", abi.OpKVList, "CONFIG||2|", nil, reply{N: 2, Meta: "b\na\t0\t\nb\t0\t{\"v\":1}"}},
		{"list the next page", abi.OpKVList, "CONFIG||2|b", nil, reply{N: 1, Meta: "\nc\t0\t"}},
		{"list by prefix", abi.OpKVList, "CONFIG|b|10|", nil, reply{N: 1, Meta: "\nb\t0\t{\"v\":1}"}},
		{"list an empty namespace", abi.OpKVList, "TOKENS||10|", nil, reply{}},
		{"overwrite", abi.OpKVPut, "CONFIG|a|0|", []byte("3"), reply{}},
		{"get the new value", abi.OpKVGet, "CONFIG|a", nil, reply{N: 1, Body: []byte("3")}},
		{"delete", abi.OpKVDelete, "CONFIG|a", nil, reply{}},
		{"delete again", abi.OpKVDelete, "CONFIG|a", nil, reply{}},
		{"get deleted", abi.OpKVGet, "CONFIG|a", nil, reply{}},
		{"longest key", abi.OpKVPut, "CONFIG|" + long + "|0|", nil, reply{}},
		{"key too long", abi.OpKVPut, "CONFIG|" + long + "k|0|", nil, reply{Code: "limit"}},
		{"no key", abi.OpKVGet, "CONFIG|", nil, reply{Code: "invalid"}},
		{"key with a control character", abi.OpKVGet, "CONFIG|a\tb", nil, reply{Code: "invalid"}},
		{"no such namespace", abi.OpKVGet, "OTHER|a", nil, reply{Code: "notfound"}},
		{"shortest TTL", abi.OpKVPut, "TOKENS|t|60|", nil, reply{}},
		{"TTL too short", abi.OpKVPut, "TOKENS|t|59|", nil, reply{Code: "invalid"}},
		{"TTL not a number", abi.OpKVPut, "TOKENS|t|x|", nil, reply{Code: "invalid"}},
		{"list of none", abi.OpKVList, "CONFIG||0|", nil, reply{Code: "invalid"}},
		{"list of too many", abi.OpKVList, "CONFIG||1001|", nil, reply{Code: "limit"}},

		{"storage outside of an object", abi.OpStorageGet, "k", nil, reply{Code: "invalid"}},
		{"transaction outside of an object", abi.OpStorageTransact, "put k", frames("v"), reply{Code: "invalid"}},

		{"digest", abi.OpDigest, "SHA-256", []byte("abc"), reply{Body: sum("abc")}},
		{"unknown digest", abi.OpDigest, "MD5", []byte("abc"), reply{Code: "invalid"}},
		{"key of an unknown kind", abi.OpGenerate, "HS256", nil, reply{Code: "invalid"}},
		{"sign without frames", abi.OpSign, "HS256", []byte{1}, reply{Code: "invalid"}},
		{"sign with a wrong key", abi.OpSign, "ES256", frames("key", "message"), reply{Code: "invalid"}},
		{"unknown algorithm", abi.OpSign, "ES999", frames("key", "message"), reply{Code: "invalid"}},

		{"first permit", abi.OpRateLimit, "CALLS|me", nil, reply{N: 1}},
		{"no second permit", abi.OpRateLimit, "CALLS|me", nil, reply{}},
		{"another key's permit", abi.OpRateLimit, "CALLS|you", nil, reply{N: 1}},
		{"no such limiter", abi.OpRateLimit, "OTHER|me", nil, reply{Code: "notfound"}},
		{"no such dataset", abi.OpDataPoint, "OTHER|i", nil, reply{Code: "notfound"}},

		{"read of an unknown handle", abi.OpRead, "4711", nil, reply{Code: "gone"}},
		{"read of no handle", abi.OpRead, "x", nil, reply{Code: "invalid"}},
		{"write without a streamed response", abi.OpWrite, "", []byte("x"), reply{Code: "conflict"}},
		{"fetch of an unknown class", abi.OpFetch, "GET|OTHER/a|https://o.invalid/", nil, reply{Code: "notfound"}},
		{"fetch of an object without a name", abi.OpFetch, "GET|MINTER/|https://o.invalid/", nil, reply{Code: "invalid"}},
		{"fetch of a malformed URL", abi.OpFetch, "GET|net|://", nil, reply{Code: "invalid"}},
		{"fetch of a foreign scheme", abi.OpFetch, "GET|net|file:///etc/passwd", nil, reply{Code: "invalid"}},
		{"fetch with a malformed method", abi.OpFetch, "G T|net|http://127.0.0.1/", nil, reply{Code: "invalid"}},
	} {
		got := c.op(tc.code, tc.body, strings.Split(tc.meta, "|")...)
		if tc.want.Code != "" {
			got.Meta = "" // the message is for people
		}
		assert.Equal(t, tc.want, got, tc.name)
	}
}

func sum(s string) []byte {
	b := sha256.Sum256([]byte(s))
	return b[:]
}

func TestStorageOperations(t *testing.T) {
	_, c := open(t)
	for _, tc := range []struct {
		name string
		code abi.Op
		meta string
		body []byte
		want reply
	}{
		{"get absent", abi.OpStorageGet, "a", nil, reply{}},
		{"put", abi.OpStoragePut, "a", []byte("1"), reply{}},
		{"get", abi.OpStorageGet, "a", nil, reply{N: 1, Body: []byte("1")}},
		{"put empty", abi.OpStoragePut, "b", nil, reply{}},
		{"get empty", abi.OpStorageGet, "b", nil, reply{N: 1}},
		{"transact", abi.OpStorageTransact, "expect a|absent c|put c|delete b", frames("1", "3"), reply{N: 1}},
		{"the value put", abi.OpStorageGet, "c", nil, reply{N: 1, Body: []byte("3")}},
		{"the key deleted", abi.OpStorageGet, "b", nil, reply{}},
		{"expectation of another value", abi.OpStorageTransact, "put a|expect c", frames("9", "4"), reply{}},
		{"nothing was done", abi.OpStorageGet, "a", nil, reply{N: 1, Body: []byte("1")}},
		{"expectation of absence", abi.OpStorageTransact, "absent a|delete c", nil, reply{}},
		{"empty transaction", abi.OpStorageTransact, "", nil, reply{N: 1}},
		{"put and expect empty", abi.OpStorageTransact, "put d", frames(""), reply{N: 1}},
		{"expect empty", abi.OpStorageTransact, "expect d|delete d", frames(""), reply{N: 1}},
		{"a frame is missing", abi.OpStorageTransact, "put a|put b", frames("1"), reply{Code: "invalid"}},
		{"a frame too many", abi.OpStorageTransact, "put a", frames("1", "2"), reply{Code: "invalid"}},
		{"unknown step", abi.OpStorageTransact, "merge a", frames("1"), reply{Code: "invalid"}},
		{"more", abi.OpStorageTransact, "put p1|put p2|put p3", frames("x", "y", "z"), reply{N: 1}},
		{"list", abi.OpStorageList, "p|||10|", nil, reply{N: 3, Meta: "p1\np2\np3", Body: frames("x", "y", "z")}},
		{"list reverse", abi.OpStorageList, "p|||2|reverse", nil, reply{N: 2, Meta: "p3\np2", Body: frames("z", "y")}},
		{"list from", abi.OpStorageList, "|p2||10|", nil, reply{N: 2, Meta: "p2\np3", Body: frames("y", "z")}},
		{"list to", abi.OpStorageList, "p||p3|10|", nil, reply{N: 2, Meta: "p1\np2", Body: frames("x", "y")}},
		{"list to, reverse", abi.OpStorageList, "||p3|1|reverse", nil, reply{N: 1, Meta: "p2", Body: frames("y")}},
		{"list of nothing", abi.OpStorageList, "q|||10|", nil, reply{}},
		{"list with a wrong order", abi.OpStorageList, "|||10|random", nil, reply{Code: "invalid"}},
		{"list of too many", abi.OpStorageList, "|||1001|", nil, reply{Code: "limit"}},
		{"delete", abi.OpStorageDelete, "a", nil, reply{N: 1}},
		{"delete again", abi.OpStorageDelete, "a", nil, reply{}},
		{"longest key", abi.OpStoragePut, strings.Repeat("k", abi.MaxStorageKey), nil, reply{}},
		{"key too long", abi.OpStoragePut, strings.Repeat("k", abi.MaxStorageKey+1), nil, reply{Code: "limit"}},
		{"no key", abi.OpStorageGet, "", nil, reply{Code: "invalid"}},
	} {
		got := c.objectOp("MINTER/one", tc.code, tc.body, strings.Split(tc.meta, "|")...)
		if tc.want.Code != "" {
			got.Meta = ""
		}
		assert.Equal(t, tc.want, got, tc.name)
	}
	assert.Equal(t, reply{}, c.objectOp("MINTER/two", abi.OpStorageGet, nil, "c"), "storage is private to the object")
	assert.Equal(t, reply{}, c.objectOp("DIRECTORY/one", abi.OpStorageGet, nil, "c"), "and to its class")
}

func TestSignAndVerify(t *testing.T) {
	_, c := open(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)

	signed := c.op(abi.OpSign, frames(string(private), "message"), "ES256")
	require.Empty(t, signed.Code)
	require.Len(t, signed.Body, 64)
	assert.Equal(t, 1, c.op(abi.OpVerify, frames(string(public), "message", string(signed.Body)), "ES256").N)
	assert.Equal(t, 0, c.op(abi.OpVerify, frames(string(public), "another", string(signed.Body)), "ES256").N)
}

func TestDataPoints(t *testing.T) {
	var mu sync.Mutex
	var got []hostsim.DataPoint
	_, c := open(t, hostsim.WithDataPoints(func(p hostsim.DataPoint) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, p)
	}))
	doubles := binary.LittleEndian.AppendUint64(nil, math.Float64bits(1.5))
	require.Equal(t, reply{}, c.op(abi.OpDataPoint, doubles, "CALLS", "index", "a", "b"))
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []hostsim.DataPoint{{Binding: "CALLS", Index: "index", Blobs: []string{"a", "b"}, Doubles: []float64{1.5}}}, got)
}

func TestSynchronousOperations(t *testing.T) {
	_, c := open(t)
	for _, tc := range []struct {
		name, query, want string
	}{
		{"unknown code", "code=99", "-1"},
		{"respond to an unknown request", "code=1&req=4711&arg=-1&meta=200", "-2"},
		{"done with an unknown request", "code=2&req=4711", "-2"},
		{"abort of an unknown call", "code=3&req=1&arg=4711", "-2"},
		{"cancel of an unknown handle", "code=4&req=1&arg=4711", "-2"},
		{"current", "code=5", "0"},
	} {
		assert.Equal(t, tc.want, c.get("/sync?"+tc.query).body, tc.name)
	}
}

func TestEnvironment(t *testing.T) {
	host, c := open(t, hostsim.WithEnv(map[string]string{
		"GRANTWAY_PUBLIC_URL": "https://gw.example", "MCP_OAUTH2_TOKEN_CACHE_MAX_SIZE": "7", "HOME": "/home/me", "PATH": "/bin",
	}))
	var env map[string]string
	require.NoError(t, json.Unmarshal([]byte(c.get("/env").body), &env))
	require.Equal(t, map[string]string{
		"GRANTWAY_PUBLIC_URL": "https://gw.example", "MCP_OAUTH2_TOKEN_CACHE_MAX_SIZE": "7",
		"GRANTWAY_HOST": "hostsim", "GRANTWAY_MODULE_SHA256": host.ModuleSHA256(),
	}, env)
}

func TestFaults(t *testing.T) {
	_, c := open(t, hostsim.WithFaults(func(p hostsim.FaultPoint) hostsim.Fault {
		switch {
		case p.Op == "kv.get" && p.Key == "broken":
			return hostsim.Fault{Code: abi.ErrInternal}
		case p.Op == "kv.get" && p.Key == "corrupt":
			return hostsim.Fault{Replace: true, Value: []byte("garbage")}
		case p.Op == "kv.put" && p.Target == "TOKENS":
			return hostsim.Fault{Delay: time.Millisecond, Code: abi.ErrTimeout}
		case p.Op == "kv.put" && p.Key == "slow":
			return hostsim.Fault{Delay: 5 * time.Millisecond}
		case p.Op == "object" && p.Key == "down":
			return hostsim.Fault{Code: abi.ErrGone}
		}
		return hostsim.Fault{}
	}))
	require.Equal(t, "internal", c.op(abi.OpKVGet, nil, "CONFIG", "broken").Code)
	require.Equal(t, "garbage", string(c.op(abi.OpKVGet, nil, "CONFIG", "corrupt").Body))
	require.Equal(t, "timeout", c.op(abi.OpKVPut, nil, "TOKENS", "k", "0", "").Code)
	require.Equal(t, reply{}, c.op(abi.OpKVPut, []byte("v"), "CONFIG", "slow", "0", ""))
	require.Equal(t, "v", string(c.op(abi.OpKVGet, nil, "CONFIG", "slow").Body))
	require.Equal(t, "gone", c.do("POST", "/object?target=MINTER/down&path=/hello", "").header.Get("X-Code"))
}
