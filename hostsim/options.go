package hostsim

import (
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"runtime"
	"time"

	"github.com/grantway/grantway/hostsim/internal/clock"
	"github.com/grantway/grantway/hostsim/internal/instance"
	"github.com/grantway/grantway/wasm/abi"
)

// Option changes one setting of a host. Options are values; later ones win.
type Option func(*config)

// Defaults of the options.
const (
	// DefaultMemoryPages is the most linear memory of one instance: 256 MiB.
	DefaultMemoryPages = 4096
	// DefaultWatchdog is how long a guest may run without yielding.
	DefaultWatchdog = 10 * time.Second
	// DefaultFuel is how many loop headers a guest passes between two looks at the
	// watchdog: less than a millisecond of its time.
	DefaultFuel = 100_000
	// DefaultRecycleRequests and DefaultRecycleMemory (bytes) are when an instance is
	// replaced.
	DefaultRecycleRequests = 1_000_000
	DefaultRecycleMemory   = 64 << 20
	// DefaultDrain is how long a replaced instance may finish its requests.
	DefaultDrain = 5 * time.Minute
)

// Classes of Durable Objects and namespaces of KV that every host has.
var (
	defaultClasses    = []string{"DIRECTORY", "MINTER"}
	defaultNamespaces = []string{"CONFIG", "TOKENS"}
)

type config struct {
	dataDir     string
	cacheDir    string
	env         map[string]string
	instances   int
	pages       uint32
	watchdog    time.Duration
	fuel        int32
	maxRequests int64
	maxMemory   int64
	drain       time.Duration
	transport   http.RoundTripper
	addresses   func(netip.Addr) error
	clock       *Clock
	fault       func(FaultPoint) Fault
	logger      *slog.Logger
	output      io.Writer
	schedule    []string
	limits      map[string]RateLimit
	dataPoint   func(DataPoint)
	classes     []string
	namespaces  []string
}

func defaults() *config {
	return &config{
		env:         map[string]string{},
		instances:   runtime.GOMAXPROCS(0),
		pages:       DefaultMemoryPages,
		watchdog:    DefaultWatchdog,
		fuel:        DefaultFuel,
		maxRequests: DefaultRecycleRequests,
		maxMemory:   DefaultRecycleMemory,
		drain:       DefaultDrain,
		logger:      slog.New(slog.DiscardHandler),
		output:      io.Discard,
		limits:      map[string]RateLimit{},
		classes:     defaultClasses,
		namespaces:  defaultNamespaces,
	}
}

// WithDataDir keeps KV and durable storage in the file "grantway.db" of this folder,
// which is made if it does not exist. Without it, storage is a temporary file
// that Close deletes.
func WithDataDir(dir string) Option { return func(c *config) { c.dataDir = dir } }

// WithCompileCache keeps compiled modules in this folder, so that the next start
// takes a fraction of a second.
func WithCompileCache(dir string) Option { return func(c *config) { c.cacheDir = dir } }

// WithEnv adds variables to the guest's environment. Only names that begin with
// GRANTWAY_ or MCP_OAUTH2_ reach it.
func WithEnv(env map[string]string) Option {
	return func(c *config) { maps.Copy(c.env, env) }
}

// WithInstances sets how many instances serve; the default is GOMAXPROCS.
func WithInstances(n int) Option { return func(c *config) { c.instances = max(n, 1) } }

// WithMemoryLimitPages caps the linear memory of one instance, in pages of 64 KiB. A
// guest that needs more ends.
func WithMemoryLimitPages(pages uint32) Option { return func(c *config) { c.pages = pages } }

// WithWatchdog ends a guest that runs for d without yielding. 0 leaves the watchdog
// out, and with it the fuel checks: such a guest can then freeze this process.
func WithWatchdog(d time.Duration) Option {
	return func(c *config) {
		c.watchdog, c.fuel = d, DefaultFuel
		if d <= 0 {
			c.fuel = 0
		}
	}
}

// WithRecycling replaces an instance after so many requests or at so many bytes of
// linear memory; 0 is never.
func WithRecycling(requests, memory int64) Option {
	return func(c *config) { c.maxRequests, c.maxMemory = requests, memory }
}

// WithDrain sets how long a replaced instance may finish its requests.
func WithDrain(d time.Duration) Option { return func(c *config) { c.drain = d } }

// WithTransport replaces the way out to the network.
func WithTransport(t http.RoundTripper) Option { return func(c *config) { c.transport = t } }

// WithPublicNetworkOnly refuses to connect to addresses of private and reserved networks
// and, unless allowLoopback, of this machine, whatever name they were found by. It
// has no effect on another transport.
func WithPublicNetworkOnly(allowLoopback bool) Option {
	return func(c *config) { c.addresses = publicOnly(allowLoopback) }
}

// WithLog receives the guest's log lines and the host's own.
func WithLog(l *slog.Logger) Option { return func(c *config) { c.logger = l } }

// WithOutput receives what the guest writes to its standard output and error, among
// that the traces of its panics.
func WithOutput(w io.Writer) Option { return func(c *config) { c.output = w } }

// WithSchedule runs the guest's scheduled work at these times: cron expressions of
// five fields, in UTC.
func WithSchedule(expressions ...string) Option {
	return func(c *config) { c.schedule = append([]string(nil), expressions...) }
}

// RateLimit permits Limit calls per Period for each key.
type RateLimit struct {
	Limit  int
	Period time.Duration
}

// WithRateLimit offers the guest a rate limiter under this name.
func WithRateLimit(binding string, r RateLimit) Option {
	return func(c *config) { c.limits[binding] = r }
}

// DataPoint is one row for an analytics dataset.
type DataPoint struct {
	Binding string
	Index   string
	Blobs   []string
	Doubles []float64
}

// WithDataPoints receives the guest's data points. f must not block.
func WithDataPoints(f func(DataPoint)) Option { return func(c *config) { c.dataPoint = f } }

// Clock is the guest's time; see WithClock.
type Clock = clock.Clock

// NewClock makes a clock that a test can move.
func NewClock() *Clock { return clock.New() }

// WithClock gives guest, TTLs and schedule this clock. Moving it forward fires the
// guest's timers that become due.
func WithClock(k *Clock) Option { return func(c *config) { c.clock = k } }

// FaultPoint is an operation that a fault may be injected into.
type FaultPoint struct {
	// Op is "kv.get", "kv.put", "kv.delete", "kv.list", "storage.get", "storage.put",
	// "storage.delete", "storage.list", "storage.transact" or "object".
	Op string
	// Target is the namespace, the object ("CLASS/NAME") or, for "object", the class.
	Target string
	// Key is the key, the prefix of a listing, or the object's name.
	Key string
}

// Fault is what happens in place of the operation. The zero value is no fault.
type Fault struct {
	// Delay holds the operation back.
	Delay time.Duration
	// Code fails it: one of docs/host-abi.md's error codes.
	Code abi.ErrorCode
	// Replace makes a read answer Value, and a write store it.
	Replace bool
	Value   []byte
}

// WithFaults asks f before each KV, storage and object operation. f is called from
// several goroutines and must not block.
func WithFaults(f func(FaultPoint) Fault) Option { return func(c *config) { c.fault = f } }

func (c *config) faultFunc() func(op, target, key string) instance.Fault {
	if c.fault == nil {
		return nil
	}
	return func(op, target, key string) instance.Fault {
		return instance.Fault(c.fault(FaultPoint{op, target, key}))
	}
}
