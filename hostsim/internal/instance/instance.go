// Package instance runs one resident instance of the guest: its event loop, and the
// operations of docs/host-abi.md. One goroutine owns the module, its memory and all
// tables; everything else reaches it through post. The guest is entered only by
// that goroutine, never while it is on the stack.
package instance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/grantway/grantway/hostsim/internal/clock"
	"github.com/grantway/grantway/hostsim/internal/gojs"
	"github.com/grantway/grantway/hostsim/internal/store"
	"github.com/grantway/grantway/wasm/abi"
	"github.com/grantway/grantway/worker/platform"
)

// Services is what the instances of one host share. All fields are REQUIRED unless
// marked.
type Services struct {
	Store     *store.Store
	Clock     *clock.Clock
	Transport http.RoundTripper // the network
	Crypto    platform.Crypto
	Router    Router
	Log       Log
	// Environ holds the environment as frames: name, value, name, value …
	Environ []byte
	// Classes are the Durable Object classes; Namespaces the KV namespaces.
	Classes    map[string]bool
	Namespaces map[string]bool
	// Permit takes a permit of a rate limiter binding; exists is false without such
	// a binding. OPTIONAL.
	Permit func(binding, key string) (permitted, exists bool)
	// DataPoint writes to an analytics binding; false without one. OPTIONAL.
	DataPoint func(binding, index string, blobs []string, doubles []float64) bool
	// Fault is asked before each KV, storage and object operation. OPTIONAL.
	Fault func(op, target, key string) Fault
	// Watchdog is how long the guest may run without yielding.
	Watchdog time.Duration
	// MaxRequests and MaxMemory (bytes) are when an instance asks to be replaced;
	// 0: never.
	MaxRequests int64
	MaxMemory   int64
	// DrainLimit is how long a replaced instance may finish its requests.
	DrainLimit time.Duration
}

// Fault is what an injected fault does to an operation: wait, then fail if Code is
// set, or answer Value in place of what was read if Replace is set.
type Fault struct {
	Delay   time.Duration
	Code    abi.ErrorCode
	Replace bool
	Value   []byte
}

// Log receives what guest and host have to say.
type Log interface {
	// Guest is one line of JSON from the guest at a level of package log/slog.
	Guest(level int, line string)
	// Output is what the guest wrote to its standard output and error.
	Output(p []byte)
	// Host is an event in the life of an instance.
	Host(level int, message string, attrs ...any)
}

// Router is the host as its instances see it.
type Router interface {
	// Object delivers a request to the instance where the object lives. It does not
	// block; a request that cannot be delivered fails.
	Object(r *Request)
	// Retire asks for a replacement of an instance that is used up.
	Retire(in *Instance)
	// Ended is told when an instance has ended.
	Ended(in *Instance)
}

// errStopped ends the guest from within a fuel check.
var errStopped = errors.New("instance: stopped")

// ErrWatchdog is the cause of death of a guest that did not yield in time.
var ErrWatchdog = errors.New("instance: the guest ran for too long without yielding")

// Instance is a running guest. It is its own context, so that a host function
// finds it at no cost.
type Instance struct {
	context.Context
	*Services
	number int64
	module api.Module
	js     *gojs.State
	push   api.Function
	resume api.Function
	stack  [5]uint64 // of push

	// Owned by the loop.
	inbox       inbox
	local       []event // settled by the loop itself while the guest was on the stack
	requests    map[int32]*Request
	calls       map[int32]*call
	handles     map[int32]*handle
	self        *Request // owns the operations of request id 0
	lastRequest int32
	lastHandle  int32
	served      int64
	retired     bool
	drainBy     time.Time // zero: not draining
	entered     time.Duration
	timer       *time.Timer

	mu     sync.Mutex
	queue  []event
	closed bool
	wake   chan struct{}
	ended  chan struct{}

	stop     atomic.Bool // asks the fuel check to end the guest
	cause    error       // why it ended; read after ended
	load     atomic.Int64
	memory   atomic.Int64
	draining atomic.Bool
	started  time.Time
}

// inbox holds what a push announced until the guest takes it.
type inbox struct {
	id      int32
	meta    string
	body    []byte
	environ []byte
}

// Number tells instances of one host apart in logs.
func (in *Instance) Number() int64 { return in.number }

// Load is the number of requests and background owners that are alive here.
func (in *Instance) Load() int64 { return in.load.Load() }

// Memory is the size of the guest's linear memory, in bytes.
func (in *Instance) Memory() int64 { return in.memory.Load() }

// Draining reports whether the instance takes no new requests.
func (in *Instance) Draining() bool { return in.draining.Load() }

// Ended is closed when the instance has ended.
func (in *Instance) Ended() <-chan struct{} { return in.ended }

// Cause is why the instance ended; nil for an orderly end. Only after Ended.
func (in *Instance) Cause() error { return in.cause }

// Deliver hands a request to the guest. It reports false, and has done nothing, if
// the instance has ended.
func (in *Instance) Deliver(r *Request) bool {
	in.load.Add(1)
	r.attach(in)
	if !in.post(event{kind: eventStart, request: r}) {
		in.load.Add(-1)
		return false
	}
	if r.Gone() { // canceled before the request was in the queue
		in.post(event{kind: eventCancel, request: r})
	}
	return true
}

// Drain lets the instance finish its requests and then end, at the latest after
// the drain limit.
func (in *Instance) Drain() {
	in.draining.Store(true)
	in.post(event{kind: eventDrain})
}

// Kill ends the instance now. Its requests fail.
func (in *Instance) Kill() {
	in.stop.Store(true)
	in.post(event{kind: eventKill})
}

// EndLife ends the life of an actor here: its pending calls get "gone".
func (in *Instance) EndLife(a *Actor) {
	a.ended.Store(true)
	in.post(event{kind: eventEndLife, actor: a})
}

// outOfFuel runs each time the guest has passed the number of loop headers that
// package engine set. Being Go code, it is also where the garbage collector can
// stop this goroutine.
func (in *Instance) outOfFuel() {
	if in.stop.Load() {
		panic(errStopped)
	}
	if time.Since(in.started)-in.entered > in.Watchdog {
		panic(ErrWatchdog)
	}
}

func (in *Instance) enter() { in.entered = time.Since(in.started) }

// start runs the Go program until it waits for its first event.
func (in *Instance) start() error {
	argc, argv := in.js.Args("js")
	in.enter()
	if _, err := in.module.ExportedFunction("run").Call(in, argc, argv); err != nil {
		return fmt.Errorf("start of the guest: %w", err)
	}
	return in.afterGuest()
}

// afterGuest deals with what the guest left when it gave control back.
func (in *Instance) afterGuest() error {
	for {
		if code, exited := in.js.Exited(); exited {
			return fmt.Errorf("the guest ended with code %d", code)
		}
		if !in.js.NextEvent() {
			break
		}
		if err := in.resumeGuest(); err != nil {
			return err
		}
	}
	in.memory.Store(int64(len(in.js.Mem)))
	return nil
}

func (in *Instance) resumeGuest() error {
	in.enter()
	return in.resume.CallWithStack(in, nil)
}

// deliver pushes one event into the guest.
func (in *Instance) deliver(kind abi.Kind, id int32, meta string, body []byte, n int32) (int32, error) {
	in.inbox.id, in.inbox.meta, in.inbox.body = id, meta, body
	in.stack = [5]uint64{uint64(kind), uint64(uint32(id)), uint64(len(meta)), uint64(len(body)), uint64(uint32(n))}
	in.enter()
	err := in.push.CallWithStack(in, in.stack[:])
	in.inbox.meta, in.inbox.body = "", nil
	return int32(in.stack[0]), err
}
