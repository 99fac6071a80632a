package contract

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/hostsim"
	"github.com/grantway/grantway/scripts/contract/host"
	"github.com/grantway/grantway/worker"
	"github.com/grantway/grantway/worker/platform/gocrypto"
	"github.com/grantway/grantway/worker/platform/memory"
)

// modulePath is where scripts/build puts the module.
const modulePath = "../../build/app.wasm"

// closeTimeout is for requests in flight when a host is stopped.
const closeTimeout = time.Minute

// startMemory runs the program in this process.
func (g *gateway) startMemory(environment map[string]string) (stop func() error) {
	g.moduleHash = "none: the program itself"
	variables := maps.Clone(environment)
	variables["GRANTWAY_HOST"], variables["GRANTWAY_MODULE_SHA256"] = "memory", g.moduleHash
	platform := memory.New(variables)
	platform.Signer = &gocrypto.Crypto{}
	program := worker.New(platform)
	platform.Objects = program
	server := httptest.NewServer(program)
	g.url = server.URL
	return func() error {
		server.Close()
		platform.Wait()
		return nil
	}
}

// readModule answers the module's bytes and their hash.
func readModule(t *testing.T) ([]byte, string) {
	t.Helper()
	module, err := os.ReadFile(modulePath)
	require.NoError(t, err, "build the module with scripts/build")
	sum := sha256.Sum256(module)
	return module, hex.EncodeToString(sum[:])
}

// startHostsim runs the module on wazero in this process.
func (g *gateway) startHostsim(t *testing.T, environment map[string]string) (stop func() error) {
	t.Helper()
	module, hash := readModule(t)
	g.moduleHash, g.instances = hash, 4
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	host, err := hostsim.Open(context.Background(), module,
		hostsim.WithEnv(environment),
		hostsim.WithInstances(g.instances),
		hostsim.WithCompileCache(filepath.Join(cache, "grantway", "wazero")),
		hostsim.WithLog(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	g.url = server.URL
	return func() error {
		server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		return host.Close(ctx)
	}
}

// startWorkerd runs the module under wrangler dev.
func (g *gateway) startWorkerd(t *testing.T, environment map[string]string) (stop func() error) {
	t.Helper()
	_, g.moduleHash = readModule(t)
	h, err := host.Start("workerd", host.Options{Env: environment})
	require.NoError(t, err)
	g.url = h.URL()
	return func() error {
		if t.Failed() {
			t.Log(h.Log())
		}
		return h.Stop()
	}
}
