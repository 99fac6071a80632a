package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The hostsim command as it is built: as a client of the gateway under test, and as a server that is killed, runs out of disk or
// has a file of record.

var built struct {
	sync.Once
	dir string
	err error
}

// theCommand answers the path of the built command.
func theCommand(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "grantway-command-"); built.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", built.dir, "../../hostsim/cmd/hostsim").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	require.NoError(t, built.err)
	return filepath.Join(built.dir, "hostsim")
}

func removeCommand() error { return os.RemoveAll(built.dir) }

// commands runs the command against a gateway.
type commands struct {
	t       *testing.T
	url     string
	key     string
	input   string
	setting []string // further variables
}

func (c *commands) run(args ...string) (code int, out, errs string) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), theCommand(c.t), args...)
	cmd.Dir = c.t.TempDir()
	cmd.Env = append([]string{"GRANTWAY_URL=" + c.url, "GRANTWAY_KEY=" + c.key}, c.setting...)
	cmd.Stdin = strings.NewReader(c.input)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(c.t, err)
	}
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}

// exits checks the exit code and answers standard output.
func (c *commands) exits(code int, args ...string) string {
	c.t.Helper()
	got, out, errs := c.run(args...)
	require.Equal(c.t, code, got, "%v: %s%s", args, out, errs)
	return out
}

func TestCommandLine(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	c := &commands{t: t, url: g.url, key: g.adminKey}
	slug := strings.ToLower(name("command-line"))
	c.input = u.client.Secrets[0]
	c.exits(0, "server", "add", "--name", slug, "--endpoint", u.mcp.URL(), "--auth", "client_credentials", "--client-id", u.client.ID,
		"--token-url", u.idp.TokenEndpoint(), "--scopes", "mcp:read mcp:call", "--secret-file", "-")
	c.input = ""

	// Tables for people, JSON for scripts.
	for _, list := range [][]string{{"server", "list", "--q", slug}, {"key", "list"}, {"audit", "--target", slug}} {
		table := c.exits(0, list...)
		assert.Regexp(t, `^[A-Z]+  +[A-Z]+`, table, "a heading")
		for line := range strings.Lines(c.exits(0, append(list, "--json")...)) {
			assert.True(t, json.Valid([]byte(line)), line)
		}
	}
	assert.Contains(t, c.exits(0, "server", "list", "--q", slug), "oauth2/client_credentials")
	assert.Contains(t, c.exits(0, "audit", "--action", "server.create", "--target", slug, "--actor", "bootstrap", "--since", "1h"), "server.create")
	assert.Contains(t, c.exits(0, "audit", "--verify"), `"ok": true`)

	assert.Contains(t, c.exits(0, "server", "test", slug), "ok")
	assert.Contains(t, c.exits(0, "server", "token", slug), `"state"`)
	c.exits(0, "server", "token", slug, "--refresh")
	c.exits(0, "server", "token", slug, "--purge")
	c.exits(5, "server", "token", slug, "--purge", "--caller", "key:x")
	c.input = `{"description":"from the command line"}`
	c.exits(0, "server", "set", slug)
	c.input = ""
	assert.Contains(t, c.exits(0, "server", "show", slug), "from the command line")

	made := strings.TrimSpace(c.exits(0, "key", "new", "--name", slug, "--servers", slug))
	assert.Regexp(t, "^gw_[A-Za-z0-9_-]{49}$", made, "the key alone is on standard output")
	var key struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(c.exits(0, "key", "list", "--q", slug, "--json")), &key))
	next := strings.TrimSpace(c.exits(0, "key", "rotate", key.ID, "--overlap", "0s"))
	assert.NotEqual(t, made, next)
	assert.Contains(t, c.exits(0, "key", "show", key.ID), slug)

	// The configuration, in and out.
	dir := t.TempDir()
	file, identity, sealed := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "identity"), filepath.Join(dir, "export.age")
	imported := name("command-line")
	require.NoError(t, os.WriteFile(file, []byte("mcp_servers:\n  "+imported+":\n    url: https://a.example/mcp\n    transport: http\n    auth_type: bearer_token\n    auth_value: os.environ/TOKEN_OF_THIS_TEST\n"), 0o600))
	assert.Contains(t, c.exits(6, "import", file, "--dry-run"), "TOKEN_OF_THIS_TEST")
	c.setting = []string{"TOKEN_OF_THIS_TEST=s3cret"}
	assert.Contains(t, c.exits(0, "import", file, "--dry-run"), "Nothing was changed.")
	assert.Contains(t, c.exits(0, "import", file), "Imported.")
	assert.Contains(t, c.exits(0, "import", file, "--json"), `"unchanged"`)
	c.setting = nil
	assert.NotContains(t, c.exits(0, "export"), "s3cret")
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(identity, []byte(id.String()+"\n"), 0o600))
	c.exits(0, "export", "--recipient", id.Recipient().String(), "--out", sealed)
	c.exits(2, "import", sealed)
	assert.Contains(t, c.exits(0, "import", sealed, "--identity", identity, "--dry-run", "--on-conflict", "skip"), "Nothing was changed.")

	for _, test := range []struct {
		code int
		args []string
	}{
		{1, []string{"server", "list", "--url", "http://127.0.0.1:1"}},
		{2, []string{"server", "rm"}},
		{2, []string{"key", "fly"}},
		{2, []string{"audit", "--fly"}},
		{4, []string{"server", "test", "nobody"}},
		{4, []string{"key", "show", "nobody"}},
		{5, []string{"server", "add", "--name", slug, "--endpoint", "https://a.example/mcp"}},
		{6, []string{"server", "add", "--name", "X", "--endpoint", "nonsense"}},
		{0, []string{"key", "rm", key.ID}},
		{0, []string{"server", "rm", imported}},
		{0, []string{"server", "rm", slug}},
		{4, []string{"server", "rm", slug}},
	} {
		c.exits(test.code, test.args...)
	}
	c.key = "wrong"
	c.exits(3, "server", "list")
}

// serving is a `hostsim serve` of its own process.
type serving struct {
	*gateway
	cmd    *exec.Cmd
	output *bytes.Buffer
	ended  chan error
}

var servesAt = regexp.MustCompile(`serves at (http://[^\s"]+)`)

// locked makes a buffer's writer safe for two streams.
type locked struct {
	mu sync.Mutex
	b  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts the command; shell, if given, is put before it, such as a limit. A command that ends instead of serving is
// answered without a URL.
func serve(t *testing.T, dir, shell string, setting []string, args ...string) *serving {
	t.Helper()
	s := &serving{gateway: &gateway{adminKey: "admin-key-of-this-test-of-the-command", instances: 1}, output: &bytes.Buffer{}, ended: make(chan error, 1)}
	module, err := filepath.Abs(modulePath)
	require.NoError(t, err)
	line := shell + ` exec "$0" "$@"`
	s.cmd = exec.Command("sh", append([]string{"-c", line, theCommand(t), "serve", "--addr", "127.0.0.1:0", "--data", dir, "--module", module, "--instances", "1"}, args...)...)
	s.cmd.Dir = dir
	s.cmd.Env = append(os.Environ(), append([]string{"GRANTWAY_ADMIN_KEY=" + s.adminKey}, setting...)...)
	out := &locked{b: s.output}
	s.cmd.Stdout, s.cmd.Stderr = out, out
	require.NoError(t, s.cmd.Start())
	go func() { s.ended <- s.cmd.Wait() }()
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	require.Eventually(t, func() bool {
		if m := servesAt.FindStringSubmatch(out.text()); m != nil {
			s.url = m[1]
		}
		return s.url != "" || s.cmd.ProcessState != nil || len(s.ended) > 0
	}, patience, 10*time.Millisecond)
	return s
}

func (s *serving) stop(t *testing.T, signal os.Signal) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(signal))
	select {
	case <-s.ended:
	case <-time.After(patience):
		require.Fail(t, "it did not end")
	}
}

// GitOps: the file is the truth of what it names, in the API as well.
func TestServedFileOfRecord(t *testing.T) {
	if hostName != "hostsim" {
		return
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "grantway.yaml")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write(`
grantway: 1
servers:
  - {server_name: Weather, url: "https://weather.example/mcp", auth_type: bearer_token, credentials: {auth_value: os.environ/WEATHER_TOKEN}}
  - {server_name: Old, url: "https://old.example/mcp", auth_type: none}
keys:
  - {name: ci, hash: "` + strings.Repeat("ab", 32) + `", prefix: gw_xxxx, servers: [weather]}
`)
	s := serve(t, dir, "", []string{"GRANTWAY_ALLOW_LOOPBACK=perhaps"})
	require.Empty(t, s.url, "a setting that cannot be used")
	assert.Contains(t, s.output.String(), "GRANTWAY_ALLOW_LOOPBACK must be true or false")
	s = serve(t, dir, "", nil, "--config", file)
	require.Empty(t, s.url, "a variable is missing")
	assert.Contains(t, s.output.String(), "WEATHER_TOKEN")
	s = serve(t, dir, "", []string{"WEATHER_TOKEN=s3cret"}, "--config", file)
	require.NotEmpty(t, s.url, s.output)
	s.want(t, 201, "POST", "/v1/mcp/server", plainServer("mine"))
	assert.Equal(t, true, s.want(t, 200, "GET", "/v1/mcp/server/weather", nil).object(t)["read_only"])
	refused(t, s.admin(t, "PUT", "/v1/mcp/server/weather", map[string]any{"description": "x"}), 409, "read_only")
	refused(t, s.admin(t, "DELETE", "/v1/mcp/server/weather", nil), 409, "read_only")
	c := &commands{t: t, url: s.url, key: s.adminKey}
	assert.Contains(t, c.exits(0, "server", "list"), "read-only")
	c.exits(5, "server", "rm", "weather")
	keys := s.want(t, 200, "GET", "/v1/keys", nil).object(t)["data"].([]any)
	require.Len(t, keys, 1)
	refused(t, s.admin(t, "DELETE", "/v1/keys/"+keys[0].(map[string]any)["id"].(string), nil), 409, "read_only")
	s.stop(t, os.Interrupt)

	write("grantway: 1\nservers:\n  - {server_name: Weather, url: \"https://weather.example/mcp\", auth_type: none}\n")
	s = serve(t, dir, "", nil, "--config", file)
	require.NotEmpty(t, s.url, s.output)
	assert.Equal(t, "none", s.want(t, 200, "GET", "/v1/mcp/server/weather", nil).object(t)["auth_type"])
	refused(t, s.admin(t, "GET", "/v1/mcp/server/old", nil), 404, "server_not_found")
	assert.Empty(t, s.want(t, 200, "GET", "/v1/keys", nil).object(t)["data"], "a key that the file no longer has is revoked")
	s.want(t, 200, "PUT", "/v1/mcp/server/mine", map[string]any{"description": "mine still"})
	s.stop(t, os.Interrupt)
}

// kill -9 in the middle of writes: what was acknowledged is there, and there is no half of anything.
func TestServeIsKilled(t *testing.T) {
	if hostName != "hostsim" {
		return
	}
	dir := t.TempDir()
	var made []string
	var mu sync.Mutex
	for range 3 {
		s := serve(t, dir, "", nil)
		require.NotEmpty(t, s.url, s.output)
		var wg sync.WaitGroup
		enough := len(made) + 20
		for range 4 {
			wg.Go(func() {
				for {
					slug := name("killed")
					a, err := s.send(context.Background(), "POST", "/v1/mcp/server", plainServer(slug), "Authorization", "Bearer "+s.adminKey)
					if err != nil {
						return
					}
					mu.Lock()
					if a.StatusCode == http.StatusCreated {
						made = append(made, slug)
					}
					if len(made) == enough {
						_ = s.cmd.Process.Kill()
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		<-s.ended
	}
	s := serve(t, dir, "", nil)
	require.NotEmpty(t, s.url, s.output)
	for _, slug := range made {
		s.want(t, 200, "GET", "/v1/mcp/server/"+slug, nil)
	}
	assert.Equal(t, true, s.want(t, 200, "GET", "/v1/audit/verify", nil).object(t)["ok"])
	page := s.want(t, 200, "GET", "/v1/mcp/server?limit=200", nil).object(t)
	rows := s.want(t, 200, "GET", "/v1/audit?action=server.create&limit=200", nil).object(t)
	assert.Len(t, rows["data"], int(page["total"].(float64)), "each server and its row, or neither")
	s.stop(t, os.Interrupt)
}

// A disk that is really full: changes are refused, reads go on, and with room again everything is as it was.
func TestServeOnAFullDisk(t *testing.T) {
	if hostName != "hostsim" {
		return
	}
	theGateway(t) // which has compiled the module into the cache: that is on the disk too
	dir := t.TempDir()
	s := serve(t, dir, "ulimit -f 40000;", nil) // blocks of 512 bytes: the store grows by 16 MiB
	require.NotEmpty(t, s.url, s.output)
	descriptions := map[string]string{}
	for i := range 25 {
		descriptions[fmt.Sprint(i)] = strings.Repeat("x", 4000)
	}
	last, created := "", 0
	for range 100 {
		last = name("filling")
		a := s.admin(t, "POST", "/v1/mcp/server", with(plainServer(last), "tool_name_to_description", descriptions))
		if a.StatusCode == http.StatusCreated {
			created++
			continue
		}
		refused(t, a, 507, "storage_full")
		break
	}
	require.Positive(t, created)
	refused(t, s.admin(t, "GET", "/v1/mcp/server/"+last, nil), 404, "server_not_found")
	assert.EqualValues(t, created, s.want(t, 200, "GET", "/v1/mcp/server?limit=1", nil).object(t)["total"])
	s.stop(t, os.Interrupt)
	s = serve(t, dir, "", nil)
	require.NotEmpty(t, s.url, s.output)
	s.want(t, 201, "POST", "/v1/mcp/server", plainServer(last))
	assert.Equal(t, true, s.want(t, 200, "GET", "/v1/audit/verify", nil).object(t)["ok"])
	s.stop(t, os.Interrupt)
}
