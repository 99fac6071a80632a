// Package host starts a module on one of its hosts, for black-box tests over HTTP.
//
// Two names exist: "hostsim" (wazero, in this process) and "workerd" (wrangler dev, offline, in processes of its own). A test that
// uses only this package's interface runs on both.
package host

import (
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"time"
)

// Guest is the module that a host runs.
type Guest string

const (
	Gateway Guest = "app"   // build/app.wasm
	Probe   Guest = "probe" // build/probe.wasm: misbehaves on demand
)

// Options of Start.
type Options struct {
	// Guest is the module; the default is Gateway.
	Guest Guest
	// Env are the variables that the guest sees.
	Env map[string]string
	// DataDir keeps KV and durable storage beyond the host's end. OPTIONAL.
	DataDir string
	// Instances is how many instances of the module run at once, requests taking turns among them; the default is 1. They
	// share KV and the Durable Objects. On workerd each is an isolate of its own, and the objects live in the first.
	Instances int
}

// Host is a running host.
type Host interface {
	// URL is its base URL, without a slash at the end.
	URL() string
	// Stop ends it as an operator does.
	Stop() error
	// Kill ends it as a power failure does: what is in memory and under way is lost.
	Kill() error
	// Advance moves the guest's clock forward.
	Advance(d time.Duration) error
	// Step sets the guest's wall clock forward or back. On workerd there is no other clock, so a step forward is also time that passes.
	Step(d time.Duration) error
	// KV is what is stored in a namespace, without faults; nil: nothing.
	KV(namespace, key string) ([]byte, error)
	// SetFault lets operations on a KV namespace (CONFIG, TOKENS), on the storage of a class of Durable Objects
	// (DIRECTORY, MINTER), or calls of these objects, fail; a zero Fault ends that.
	SetFault(namespace string, f Fault) error
	// ResetObject ends the life of a Durable Object, as an eviction does.
	ResetObject(class, name string) error
	// Housekeep runs the cron trigger's work and waits for its end.
	Housekeep() error
	// SendBroken sends a request whose body breaks off after what is there of it, and before the ContentLength it announces.
	SendBroken(r *http.Request) (*http.Response, error)
	// State is what is open.
	State() (State, error)
	// Log is what the host has written so far.
	Log() string
}

// Fault is what goes wrong with a KV namespace, a storage, or calls of Durable Objects.
type Fault struct {
	Op    string        // get, put, delete or list, "" is all of these; Call: the requests to the objects themselves
	Key   string        // prefix of the keys, or of the objects' names for Call; "" is all
	Fail  bool          // the operation fails
	Full  bool          // nothing can be written to the storage: it is full
	Delay time.Duration // the operation is held back (KV and Call only)
	Value []byte        // every value read is this one; nil: the true one
}

// Call is the operation that is a request to a Durable Object.
const Call = "call"

// State of a host.
type State struct {
	Started int   // instances started so far
	Memory  int64 // bytes of linear memory of all instances
	// Resident is the memory of the host's processes, in bytes: of workerd, or for hostsim of this process; 0 where the
	// system does not tell.
	Resident int64
	Owners   int // requests and background owners that are alive
}

// Start starts the module on the host of this name.
func Start(name string, o Options) (Host, error) {
	if o.Guest == "" {
		o.Guest = Gateway
	}
	switch name {
	case "hostsim":
		return startHostsim(o)
	case "workerd":
		return startWorkerd(o)
	}
	return nil, fmt.Errorf("host: no host %q", name)
}

// root is the folder of the repository.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// modulePath is where scripts/build puts the guest.
func modulePath(g Guest) string { return filepath.Join(root(), "build", string(g)+".wasm") }
