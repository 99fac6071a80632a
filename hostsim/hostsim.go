// Package hostsim runs Grantway's module on this machine: the wazero host. It
// implements docs/host-abi.md natively, keeps KV and durable storage in one file, and
// serves HTTP through an http.Handler, so that a Go test can run the real module in
// its own process.
//
//	host, err := hostsim.Open(ctx, wasm, hostsim.WithDataDir(dir))
//	defer host.Close(ctx)
//	http.Serve(listener, host)
//
// Package main of cmd/hostsim is the command.
package hostsim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/grantway/grantway/hostsim/internal/clock"
	"github.com/grantway/grantway/hostsim/internal/instance"
	"github.com/grantway/grantway/hostsim/internal/store"
	"github.com/grantway/grantway/wasm/abi"
	"github.com/grantway/grantway/worker/platform/gocrypto"
)

// databaseName is the file of KV and durable storage in the data folder.
const databaseName = "grantway.db"

// Host runs a pool of instances of one module. It is safe for concurrent use.
type Host struct {
	engine  *instance.Engine
	store   *store.Store
	pool    *pool
	clock   *clock.Clock
	sha256  string
	tempDir string // deleted by Close; "" if the caller gave a data folder

	stopping  chan struct{} // closed by Drain
	stopped   atomic.Bool
	inflight  inflight
	scheduler func() // stops the schedule
	stats     counters
	scrapes   scrapes
}

var _ http.Handler = (*Host)(nil)

// Open compiles the module and starts its instances in the background; the first
// request waits for them. It fails if the module cannot be compiled or the data
// file cannot be opened, but not if the program ends at its start: requests are then
// answered 503.
func Open(ctx context.Context, wasm []byte, options ...Option) (*Host, error) {
	c := defaults()
	for _, o := range options {
		o(c)
	}
	if c.clock == nil {
		c.clock = clock.New()
	}
	sum := sha256.Sum256(wasm)
	h := &Host{clock: c.clock, sha256: hex.EncodeToString(sum[:]), stopping: make(chan struct{})}
	if err := h.open(ctx, wasm, c); err != nil {
		return nil, errors.Join(err, h.release(ctx))
	}
	return h, nil
}

func (h *Host) open(ctx context.Context, wasm []byte, c *config) error {
	if err := h.openStore(c); err != nil {
		return err
	}
	if c.transport == nil {
		c.transport = newTransport(c.addresses)
	}
	permit, err := c.permits()
	if err != nil {
		return err
	}
	h.pool = newPool(h, c)
	services := &instance.Services{
		Store:       h.store,
		Clock:       c.clock,
		Transport:   c.transport,
		Crypto:      &gocrypto.Crypto{},
		Router:      h.pool,
		Log:         hostLog{c.logger, c.output},
		Environ:     h.environ(c.env),
		Classes:     set(c.classes),
		Namespaces:  set(c.namespaces),
		Permit:      permit,
		Fault:       c.faultFunc(),
		Watchdog:    c.watchdog,
		MaxRequests: c.maxRequests,
		MaxMemory:   c.maxMemory,
		DrainLimit:  c.drain,
	}
	if c.dataPoint != nil {
		services.DataPoint = func(binding, index string, blobs []string, doubles []float64) bool {
			c.dataPoint(DataPoint{binding, index, blobs, doubles})
			return true
		}
	}
	h.engine, err = instance.NewEngine(ctx, wasm, instance.EngineConfig{
		CacheDir: c.cacheDir, MemoryPages: c.pages, Fuel: c.fuel,
	}, services)
	if err != nil {
		return fmt.Errorf("hostsim: module: %w", err)
	}
	h.pool.startAll()
	return h.startSchedule(c.schedule)
}

func (h *Host) openStore(c *config) (err error) {
	dir := c.dataDir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "hostsim-"); err != nil {
			return fmt.Errorf("hostsim: %w", err)
		}
		h.tempDir = dir
	} else if err = os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("hostsim: data folder: %w", err)
	}
	h.store, err = store.Open(filepath.Join(dir, databaseName), store.Options{Clock: c.clock, Volatile: h.tempDir != ""})
	return err
}

// environ selects what the guest may see, as frames.
func (h *Host) environ(env map[string]string) []byte {
	given := map[string]string{}
	for name, value := range env {
		if strings.HasPrefix(name, "GRANTWAY_") || strings.HasPrefix(name, "MCP_OAUTH2_") {
			given[name] = value
		}
	}
	given["GRANTWAY_HOST"] = "hostsim"
	given["GRANTWAY_MODULE_SHA256"] = h.sha256
	names := make([]string, 0, len(given))
	for name := range given {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []byte
	for _, name := range names {
		out = abi.AppendFrame(abi.AppendFrame(out, []byte(name)), []byte(given[name]))
	}
	return out
}

// ModuleSHA256 is the hash of the module as it was given, in lower-case hexadecimal.
func (h *Host) ModuleSHA256() string { return h.sha256 }

// Close drains (see Drain), waits for the requests in flight until ctx is done, then
// ends the instances and closes the data file. It is to be called once.
func (h *Host) Close(ctx context.Context) error {
	h.Drain()
	h.inflight.wait(ctx)
	return h.release(context.WithoutCancel(ctx))
}

// Drain begins the end: new requests are answered 503, and streams that wait for
// events (a GET answered with text/event-stream) are closed. Requests in flight go
// on. It returns at once and may be called more than once.
func (h *Host) Drain() {
	if h.stopped.CompareAndSwap(false, true) {
		close(h.stopping)
	}
}

// release frees everything that open has made.
func (h *Host) release(ctx context.Context) error {
	var errs []error
	if h.scheduler != nil {
		h.scheduler()
	}
	if h.pool != nil {
		h.pool.close()
	}
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	if h.engine != nil {
		errs = append(errs, h.engine.Close(ctx))
	}
	if h.tempDir != "" {
		errs = append(errs, os.RemoveAll(h.tempDir))
	}
	return errors.Join(errs...)
}

func set(names []string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, n := range names {
		out[n] = true
	}
	return out
}
