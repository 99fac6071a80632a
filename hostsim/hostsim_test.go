package hostsim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/hostsim"
	"github.com/grantway/grantway/wasm/abi"
)

var (
	guest    []byte // the module of testdata/guest
	cacheDir string
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hostsim-test-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "guest.wasm")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, "./testdata/guest")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build of the test guest: %v\n%s", err, out)
		return 1
	}
	if guest, err = os.ReadFile(file); err != nil {
		panic(err)
	}
	cacheDir = filepath.Join(dir, "cache")
	if user, err := os.UserCacheDir(); err == nil { // as go build's own cache: the next run need not compile
		cacheDir = filepath.Join(user, "grantway", "wazero-test")
	}
	return m.Run()
}

// open starts a host behind a real HTTP server.
func open(t *testing.T, options ...hostsim.Option) (*hostsim.Host, *client) {
	t.Helper()
	host, err := hostsim.Open(context.Background(), guest, append([]hostsim.Option{hostsim.WithCompileCache(cacheDir)}, options...)...)
	require.NoError(t, err)
	server := httptest.NewServer(host)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, host.Close(ctx))
		server.Close()
	})
	return host, &client{t: t, base: server.URL, http: server.Client()}
}

type client struct {
	t    *testing.T
	base string
	http *http.Client
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (c *client) do(method, path, body string, header ...string) answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	require.NoError(c.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return c.send(req)
}

// upload posts a body of no declared length.
func (c *client) upload(path string, body io.Reader) answer {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), "POST", c.base+path, body)
	require.NoError(c.t, err)
	return c.send(req)
}

func (c *client) send(req *http.Request) answer {
	c.t.Helper()
	res, err := c.http.Do(req)
	require.NoError(c.t, err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return answer{res.StatusCode, res.Header, string(b)}
}

func (c *client) get(path string) answer { c.t.Helper(); return c.do("GET", path, "") }

// reply is how a call settled in the guest.
type reply struct {
	Code, Meta string
	Body       []byte
	N          int
}

// op makes the guest run one operation.
func (c *client) op(code abi.Op, body []byte, meta ...string) reply {
	c.t.Helper()
	return c.opAt("/op", code, body, meta...)
}

// objectOp makes an object run one operation.
func (c *client) objectOp(object string, code abi.Op, body []byte, meta ...string) reply {
	c.t.Helper()
	q := url.Values{"code": {strconv.Itoa(int(code))}, "meta": meta}
	return c.reply("/object?"+url.Values{"target": {object}, "path": {"/op?" + q.Encode()}}.Encode(), body)
}

func (c *client) opAt(path string, code abi.Op, body []byte, meta ...string) reply {
	c.t.Helper()
	return c.reply(path+"?"+url.Values{"code": {strconv.Itoa(int(code))}, "meta": meta}.Encode(), body)
}

func (c *client) reply(path string, body []byte) reply {
	c.t.Helper()
	a := c.do("POST", path, string(body))
	require.Equal(c.t, 200, a.status, a.body)
	var r reply
	require.NoError(c.t, json.Unmarshal([]byte(a.body), &r))
	if len(r.Body) == 0 {
		r.Body = nil
	}
	return r
}

func TestHello(t *testing.T) {
	_, c := open(t)
	a := c.get("/hello")
	require.Equal(t, 200, a.status)
	require.Equal(t, "hello", a.body)
	require.Equal(t, "5", a.header.Get("Content-Length"))
}

func TestProxyPassesTheBodyThrough(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Got", string(b))
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(payload)
	}))
	defer upstream.Close()
	_, c := open(t)
	a := c.do("POST", "/proxy?to="+url.QueryEscape(upstream.URL), "question")
	require.Equal(t, http.StatusAccepted, a.status)
	require.Equal(t, "question", a.header.Get("X-Got"))
	require.Equal(t, string(payload), a.body)
}

func TestObjectCountsExactly(t *testing.T) {
	_, c := open(t)
	for i := 1; i <= 5; i++ {
		a := c.do("POST", "/object?target=MINTER/a&path=/count", "")
		require.Equal(t, strconv.Itoa(i), a.body)
	}
}

func TestKVRoundTrip(t *testing.T) {
	_, c := open(t)
	require.Equal(t, reply{}, c.op(abi.OpKVPut, []byte("v"), "CONFIG", "k", "0", ""))
	require.Equal(t, reply{N: 1, Body: []byte("v")}, c.op(abi.OpKVGet, nil, "CONFIG", "k"))
}
