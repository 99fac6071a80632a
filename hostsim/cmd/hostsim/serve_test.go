package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var module string // the file of hostsim's test guest

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "hostsim-test-")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		module = filepath.Join(dir, "guest.wasm")
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", module, "../../testdata/guest")
		build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build of the test guest: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// output is a buffer for the streams of a command that runs beside the test.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// patience is how long a test waits for what must come, on a machine that may be busy.
const patience = 5 * time.Minute

// served is a running serve command.
type served struct {
	t    *testing.T
	url  string
	out  *output
	stop context.CancelFunc
	exit chan int
}

var announced = regexp.MustCompile(`serves at (http://\S+)`)

func startServe(t *testing.T, args ...string) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &served{t: t, out: &output{}, stop: cancel, exit: make(chan int, 1)}
	args = append([]string{"serve", "--addr", "127.0.0.1:0", "--module", module, "--cron", ""}, args...)
	go func() { s.exit <- run(ctx, streams{strings.NewReader(""), s.out, s.out}, args) }()
	t.Cleanup(func() { cancel() })
	require.Eventually(t, func() bool {
		if m := announced.FindStringSubmatch(s.out.String()); m != nil {
			s.url = m[1]
		}
		return s.url != "" || len(s.exit) > 0
	}, patience, 5*time.Millisecond)
	require.NotEmpty(t, s.url, s.out.String())
	return s
}

func (s *served) end() {
	s.t.Helper()
	s.stop()
	select {
	case code := <-s.exit:
		require.Equal(s.t, exitOK, code, s.out.String())
	case <-time.After(patience):
		s.t.Fatal("serve did not end")
	}
}

func (s *served) get(path string) (*http.Response, string) {
	s.t.Helper()
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Get(s.url + path)
	require.NoError(s.t, err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	return res, string(b)
}

func (s *served) env() map[string]string {
	s.t.Helper()
	_, body := s.get("/env")
	var env map[string]string
	require.NoError(s.t, json.Unmarshal([]byte(body), &env))
	return env
}

// TestFirstRun: without any configuration, keys are made, kept and used again.
func TestFirstRun(t *testing.T) {
	t.Setenv(sealingKeyVariable, "")
	t.Setenv(adminKeyVariable, "")
	data := filepath.Join(t.TempDir(), "data")
	s := startServe(t, "--data", data)
	assert.Contains(t, s.out.String(), "First run. Open "+s.url+"/ui/")
	first := s.env()
	for _, name := range []string{sealingKeyFile, adminKeyFile} {
		info, err := os.Stat(filepath.Join(data, name))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		assert.Contains(t, s.out.String(), filepath.Join(data, name))
		b, err := os.ReadFile(filepath.Join(data, name))
		require.NoError(t, err)
		assert.NotContains(t, s.out.String(), strings.TrimSpace(string(b)), "a key is never printed")
	}
	key, err := base64.StdEncoding.DecodeString(first[sealingKeyVariable])
	require.NoError(t, err)
	assert.Len(t, key, 32)
	assert.GreaterOrEqual(t, len(first[adminKeyVariable]), 40)
	s.end()

	s = startServe(t, "--data", data)
	assert.NotContains(t, s.out.String(), "First run")
	assert.Equal(t, first, s.env())
	s.end()
}

// TestEnvironmentWins: keys of the environment are used, and no file is made.
func TestEnvironmentWins(t *testing.T) {
	t.Setenv(sealingKeyVariable, base64.StdEncoding.EncodeToString(make([]byte, 32)))
	t.Setenv(adminKeyVariable, "from-the-environment")
	t.Setenv("GRANTWAY_PUBLIC_URL", "https://gw.example")
	t.Setenv("UNRELATED_SECRET", "x")
	data := t.TempDir()
	s := startServe(t, "--data", data)
	env := s.env()
	assert.Equal(t, "from-the-environment", env[adminKeyVariable])
	assert.Equal(t, "https://gw.example", env["GRANTWAY_PUBLIC_URL"])
	assert.NotContains(t, env, "UNRELATED_SECRET")
	assert.NoFileExists(t, filepath.Join(data, sealingKeyFile))
	assert.NoFileExists(t, filepath.Join(data, adminKeyFile))
	s.end()
}

func TestRoutes(t *testing.T) {
	ui := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(ui, "index.html"), []byte("<html>"), 0o600))
	s := startServe(t, "--data", t.TempDir(), "--ui", ui)
	res, _ := s.get("/")
	assert.Equal(t, http.StatusFound, res.StatusCode)
	assert.Equal(t, "/ui/", res.Header.Get("Location"))
	res, body := s.get("/ui/servers")
	assert.Equal(t, 200, res.StatusCode)
	assert.Equal(t, "<html>", body)
	assert.Contains(t, res.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	require.NoError(t, os.WriteFile(filepath.Join(ui, "large.js"), bytes.Repeat([]byte("let a;\n"), 1000), 0o600))
	res, body = s.get("/ui/large.js")
	assert.True(t, res.Uncompressed, "sent compressed to a client that accepts it")
	assert.Len(t, body, 7000)
	_, body = s.get("/hello")
	assert.Equal(t, "hello", body)
	_, body = s.get("/a//b/../c")
	assert.Empty(t, body, "other paths reach the guest as they are")
	s.end()

	s = startServe(t, "--data", t.TempDir(), "--ui", filepath.Join(ui, "none"))
	res, body = s.get("/ui/")
	assert.Equal(t, http.StatusNotFound, res.StatusCode)
	assert.Contains(t, body, "--ui")
	s.end()
}

// TestRate: one count for a key, whichever instance asks.
func TestRate(t *testing.T) {
	s := startServe(t, "--data", t.TempDir(), "--rate", "2", "--instances", "2")
	var permits []string
	for range 4 {
		_, body := s.get("/op?code=96&meta=CALLER_RATE&meta=somebody")
		permits = append(permits, body)
	}
	assert.Equal(t, permits[0], permits[1], permits)
	assert.NotEqual(t, permits[1], permits[2], permits)
	assert.Equal(t, permits[2], permits[3], permits)
}

// TestStopsAlthoughTheProgramEnds: a module that ends at its start is answered 503,
// and the command still stops when it is told to.
func TestStopsAlthoughTheProgramEnds(t *testing.T) {
	t.Setenv("GRANTWAY_TEST_EXIT", "1")
	s := startServe(t, "--data", t.TempDir())
	res, _ := s.get("/hello")
	assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	s.end()
}

func TestStopDrains(t *testing.T) {
	s := startServe(t, "--data", t.TempDir(), "--instances", "1", "--drain", patience.String())
	rest, finish := io.Pipe()
	slow := make(chan string, 1)
	go func() { // under way until all of its body is there
		body := "failed"
		if res, err := http.Post(s.url+"/read", "text/plain", rest); err == nil {
			b, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			body = string(b)
		}
		slow <- body
	}()
	events, err := http.Get(s.url + "/stream?count=2&ms=3600000")
	require.NoError(t, err)
	defer func() { _ = events.Body.Close() }()
	require.Eventually(t, func() bool { // until all of them have reached the guest
		_, body := s.get("/alive")
		return body == "3"
	}, patience, time.Millisecond)
	s.stop()
	require.Eventually(t, func() bool {
		res, err := http.Get(s.url + "/hello")
		if err != nil {
			return true
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusServiceUnavailable
	}, patience, time.Millisecond)
	_, err = io.WriteString(finish, "the whole body")
	require.NoError(t, err)
	require.NoError(t, finish.Close())
	s.end()
	assert.Equal(t, "the whole body", <-slow)
	_, err = io.ReadAll(events.Body)
	assert.NoError(t, err)
}

func TestUsage(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		text string
	}{
		{nil, exitUsage, "Commands:"},
		{[]string{"--help"}, exitOK, "Commands:"},
		{[]string{"nonsense"}, exitUsage, "no such command: nonsense"},
		{[]string{"serve", "--help"}, exitOK, "-addr address"},
		{[]string{"serve", "--nonsense"}, exitUsage, "nonsense"},
		{[]string{"serve", "extra"}, exitUsage, "unexpected argument"},
		{[]string{"serve", "--log-level", "loud"}, exitUsage, "--log-level"},
		{[]string{"serve", "--rate", "-1"}, exitUsage, "--rate"},
		{[]string{"serve", "--log-format", "xml"}, exitUsage, "--log-format"},
		{[]string{"serve", "--module", "/does/not/exist.wasm"}, exitFailed, "scripts/build"},
		{[]string{"serve", "--module", module, "--cron", "often", "--addr", "127.0.0.1:0"}, exitFailed, "cron"},
		{[]string{"version"}, exitOK, "grantway "},
	} {
		var out output
		args := tc.args
		if len(args) > 3 {
			args = append(args, "--data", t.TempDir())
		}
		assert.Equal(t, tc.code, run(t.Context(), streams{strings.NewReader(""), &out, &out}, args), tc.args)
		assert.Contains(t, out.String(), tc.text, tc.args)
	}
}

func TestWarnsOfAnOpenAddress(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out output
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, streams{strings.NewReader(""), &out, &out}, []string{"serve", "--addr", "0.0.0.0:0", "--module", module, "--data", t.TempDir()})
	}()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "serves at") }, patience, 5*time.Millisecond)
	cancel()
	require.Equal(t, exitOK, <-done)
	assert.Contains(t, out.String(), "reachable from outside")
}

func TestDamagedKeyFile(t *testing.T) {
	data := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(data, adminKeyFile), nil, 0o600))
	var out output
	require.Equal(t, exitFailed, run(t.Context(), streams{strings.NewReader(""), &out, &out}, []string{"serve", "--module", module, "--data", data, "--addr", "127.0.0.1:0"}))
	require.Contains(t, out.String(), "is empty")
}
