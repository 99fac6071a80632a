package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker"
	"github.com/grantway/grantway/worker/platform/memory"
)

const testAdminKey = "admin-key-of-this-test"

// cli runs commands against a gateway of its own.
type cli struct {
	t       *testing.T
	gateway *worker.Gateway
}

func newCLI(t *testing.T) *cli {
	t.Helper()
	p := memory.New(map[string]string{"GRANTWAY_ADMIN_KEY": testAdminKey, "GRANTWAY_SEALING_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="})
	g := worker.New(p)
	p.Objects = g
	web := httptest.NewServer(g)
	t.Cleanup(func() { web.Close(); p.Wait() })
	t.Setenv("GRANTWAY_URL", web.URL)
	t.Setenv("GRANTWAY_KEY", testAdminKey)
	return &cli{t, g}
}

func (c *cli) run(input string, args ...string) (code int, out, errText string) {
	c.t.Helper()
	var o, e bytes.Buffer
	code = run(c.t.Context(), streams{strings.NewReader(input), &o, &e}, args)
	return code, o.String(), e.String()
}

func (c *cli) ok(args ...string) string {
	c.t.Helper()
	code, out, e := c.run("", args...)
	require.Equal(c.t, exitOK, code, "%v: %s", args, e)
	return out
}

func TestServersFromTheCommandLine(t *testing.T) {
	c := newCLI(t)
	c.ok("server", "add", "--name", "Weather", "--endpoint", "https://weather.example/mcp")
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("s3cret\n"), 0o600))
	c.ok("server", "add", "--name", "CRM", "--endpoint", "https://crm.example/mcp", "--auth", "client_credentials", "--client-id", "id", "--token-url", "https://idp.example/token", "--secret-file", secret, "--scopes", "a b")

	list := c.ok("server", "list")
	assert.Contains(t, list, "SLUG")
	assert.Contains(t, list, "oauth2/client_credentials")
	lines := strings.Split(strings.TrimSpace(c.ok("server", "list", "--json")), "\n")
	require.Len(t, lines, 2)
	assert.True(t, json.Valid([]byte(lines[0])))
	assert.Contains(t, c.ok("server", "show", "crm"), `"has_secret": true`)
	assert.NotContains(t, c.ok("server", "show", "crm"), "s3cret")

	code, out, _ := c.run(`{"description":"tells"}`, "server", "set", "weather")
	assert.Equal(t, exitOK, code)
	assert.Contains(t, out, "Changed Weather")
	c.ok("server", "rm", "weather")

	for _, tc := range []struct {
		code int
		args []string
	}{
		{exitNotFound, []string{"server", "rm", "weather"}},
		{exitConflict, []string{"server", "add", "--name", "crm", "--endpoint", "https://x.example/mcp"}},
		{exitInvalid, []string{"server", "add", "--name", "X", "--endpoint", "nonsense"}},
		{exitUsage, []string{"server", "list", "--fly"}},
	} {
		code, _, e := c.run("", tc.args...)
		assert.Equal(t, tc.code, code, "%v: %s", tc.args, e)
	}
	for _, tc := range []struct {
		code int
		says string
		args []string
	}{
		{exitUsage, "hostsim server rm --help", []string{"server", "rm"}},
		{exitUsage, "one of list, show", []string{"server", "fly"}},
		{exitFailed, "no gateway answers at http://127.0.0.1:1; start one with hostsim serve", []string{"server", "list", "--url", "http://127.0.0.1:1"}},
	} {
		code, _, e := c.run("", tc.args...)
		assert.Equal(t, tc.code, code, tc.args)
		assert.Contains(t, e, tc.says)
	}
	t.Setenv("GRANTWAY_KEY", "wrong")
	code, _, e := c.run("", "server", "list")
	assert.Equal(t, exitRefused, code)
	assert.Contains(t, e, "unauthorized")
}

func TestKeysFromTheCommandLine(t *testing.T) {
	c := newCLI(t)
	made := strings.TrimSpace(c.ok("key", "new", "--name", "ci", "--role", "viewer"))
	assert.True(t, strings.HasPrefix(made, "gw_"), "the key alone is on standard output")
	var k keyRecord
	require.NoError(t, json.Unmarshal([]byte(c.ok("key", "list", "--json")), &k))
	assert.Contains(t, c.ok("key", "list"), "ci")
	next := strings.TrimSpace(c.ok("key", "rotate", k.ID, "--overlap", "0s"))
	assert.NotEqual(t, made, next)
	t.Setenv("GRANTWAY_KEY", next)
	assert.Contains(t, c.ok("audit", "--action", "key.*"), "key.rotate")
	code, _, _ := c.run("", "key", "rm", k.ID)
	assert.Equal(t, exitRefused, code, "a viewer changes nothing")
	t.Setenv("GRANTWAY_KEY", testAdminKey)
	c.ok("key", "rm", k.ID)
	assert.Contains(t, c.ok("audit", "--verify"), `"ok": true`)
}

func TestConfigurationFromTheCommandLine(t *testing.T) {
	c := newCLI(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte("mcp_servers:\n  crm:\n    url: https://crm.example/mcp\n    transport: http\n    auth_type: bearer_token\n    auth_value: os.environ/CRM_TOKEN\n"), 0o600))

	code, out, e := c.run("", "import", file, "--dry-run")
	assert.Equal(t, exitInvalid, code)
	assert.Contains(t, out, "CRM_TOKEN")
	assert.NotContains(t, e, "request", "no request failed")
	t.Setenv("CRM_TOKEN", "s3cret")
	assert.Contains(t, c.ok("import", file, "--dry-run"), "Nothing was changed.")
	assert.Contains(t, c.ok("import", file), "Imported.")

	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	identity, sealed := filepath.Join(dir, "identity"), filepath.Join(dir, "export.age")
	require.NoError(t, os.WriteFile(identity, []byte(id.String()+"\n"), 0o600))
	c.ok("export", "--recipient", id.Recipient().String(), "--out", sealed)
	other := newCLI(t)
	code, _, _ = other.run("", "import", sealed)
	assert.Equal(t, exitUsage, code, "an encrypted file needs an identity")
	assert.Contains(t, other.ok("import", sealed, "--identity", identity), "Imported.")
	assert.Contains(t, other.ok("server", "show", "crm"), `"has_secret": true`)
}

func TestAFileOfRecordIsApplied(t *testing.T) {
	c := newCLI(t)
	file := filepath.Join(t.TempDir(), "grantway.yaml")
	require.NoError(t, os.WriteFile(file, []byte("grantway: 1\nservers:\n  - server_name: A\n    url: https://a.example/mcp\n    auth_type: none\n"), 0o600))
	var log bytes.Buffer
	require.NoError(t, applyConfig(t.Context(), c.gateway, file, testAdminKey, slog.New(slog.NewTextHandler(&log, nil))))
	assert.Contains(t, log.String(), "create 1")
	assert.Contains(t, c.ok("server", "list"), "read-only")
	code, _, _ := c.run("", "server", "rm", "a")
	assert.Equal(t, exitConflict, code)

	require.NoError(t, os.WriteFile(file, []byte("grantway: 1\nservers:\n  - server_name: A\n"), 0o600))
	assert.ErrorContains(t, applyConfig(t.Context(), c.gateway, file, testAdminKey, slog.New(slog.DiscardHandler)), "servers[0].url")
}

// A setting with which the gateway would refuse every request is said at the start.
func TestSettingsAreChecked(t *testing.T) {
	assert.NoError(t, checkSettings(t.Context(), newCLI(t).gateway))
	p := memory.New(map[string]string{
		"GRANTWAY_ADMIN_KEY": testAdminKey, "GRANTWAY_SEALING_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "GRANTWAY_ALLOW_LOOPBACK": "perhaps",
	})
	t.Cleanup(p.Wait)
	assert.EqualError(t, checkSettings(t.Context(), worker.New(p)), `GRANTWAY_ALLOW_LOOPBACK must be true or false (1 or 0), not "perhaps".`)
}
