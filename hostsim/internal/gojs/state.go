// Package gojs is the part of Go's import ABI for GOOS=js (module "gojs", the
// counterpart of Go's own lib/wasm/wasm_exec.js) that the Go runtime and the
// initialisation of packages need: clock, random bytes, timers, output, exit, and
// a handful of objects for syscall/js. There is no JavaScript here: every
// property that is not listed in globals.go is undefined.
//
// The ABI is outside Go's compatibility promise; it is to be checked again with
// each Go release.
package gojs

import (
	"encoding/binary"
	"io"
	"math"

	"github.com/tetratelabs/wazero/api"

	"github.com/grantway/grantway/hostsim/internal/clock"
)

var le = binary.LittleEndian

// State is the host's side of one Go program. It belongs to the goroutine that
// runs the guest; no method may be called from another one.
type State struct {
	// Mem is the guest's whole linear memory. It is valid until the guest grows it,
	// which makes the guest call resetMemoryDataView, which sets Mem anew.
	Mem []byte

	clock  *clock.Clock
	output io.Writer        // what the guest writes to its standard output and error
	fuel   func()           // called each time the fuel of the instrumented guest runs out
	unset  func(key string) // told of each property that was asked for and is undefined
	memory api.Memory

	exited   bool
	exitCode int32

	timers  map[int32]int64 // id → due, in nanoseconds of clock.Monotonic
	timerID int32

	values  []any // by reference id
	counts  []int32
	free    []uint32
	goValue *object // what the guest calls jsGo
	events  []event // calls of Go functions that wait to be delivered
}

// event is one call of a function that the guest made with js.FuncOf.
type event struct {
	id   uint32
	args []any
}

// Config is what a State needs. All fields are REQUIRED.
type Config struct {
	Clock  *clock.Clock
	Output io.Writer
	// Fuel is called when the guest has passed as many loop headers as package
	// rewrite was told; it may panic to end the guest.
	Fuel func()
	// Undefined is told of each property that was asked for and does not exist.
	Undefined func(key string)
}

// New makes the state of a program that has not started.
func New(c Config) *State {
	s := &State{clock: c.Clock, output: c.Output, fuel: c.Fuel, unset: c.Undefined, timers: map[int32]int64{}}
	s.initGlobals()
	return s
}

// Attach gives the state the memory of its module.
func (s *State) Attach(m api.Memory) {
	s.memory = m
	s.refresh()
}

func (s *State) refresh() { s.Mem, _ = s.memory.Read(0, s.memory.Size()) }

// Exited reports whether the program has ended, and with which code.
func (s *State) Exited() (code int32, ok bool) { return s.exitCode, s.exited }

// NextTimer answers when the earliest timer is due (nanoseconds of the clock's
// Monotonic); false if there is none.
func (s *State) NextTimer() (due int64, ok bool) {
	for _, t := range s.timers {
		if !ok || t < due {
			due, ok = t, true
		}
	}
	return due, ok
}

// Fire forgets every timer that is due and reports whether there was one: the
// guest must then be resumed.
func (s *State) Fire() bool {
	now, fired := int64(s.clock.Monotonic()), false
	for id, due := range s.timers {
		if due <= now {
			delete(s.timers, id)
			fired = true
		}
	}
	return fired
}

// NextEvent prepares the next call of a Go function; the guest must then be
// resumed once. It reports false when none waits.
func (s *State) NextEvent() bool {
	if len(s.events) == 0 {
		return false
	}
	e := s.events[0]
	s.events = s.events[1:]
	s.goValue.props["_pendingEvent"] = &object{props: map[string]any{
		"id": float64(e.id), "this": undefined{}, "args": &object{items: e.args}, "result": undefined{},
	}}
	return true
}

// Live is the number of host values that the guest refers to.
func (s *State) Live() int { return len(s.values) - len(s.free) }

const (
	argsAt = 4096  // where wasm_exec.js puts the arguments
	argsTo = 12288 // where Go's own data begins
)

// Args writes the program's arguments into memory and answers argc and argv.
func (s *State) Args(args ...string) (argc, argv uint64) {
	at := argsAt
	var pointers []int
	for _, a := range args {
		pointers = append(pointers, at)
		at += copy(s.Mem[at:argsTo], a)
		s.Mem[at] = 0
		at += 8 - at%8
	}
	argv = uint64(at)
	for _, p := range append(pointers, 0, 0) { // no environment: operation 7 gives it
		le.PutUint64(s.Mem[at:], uint64(p))
		at += 8
	}
	return uint64(len(args)), argv
}

// undefined is JavaScript's undefined.
type undefined struct{}

// function is a host function; this and new are not told apart.
type function func(s *State, args []any) any

type object struct {
	props map[string]any
	items []any    // an Array
	bytes []byte   // a Uint8Array
	call  function // a function
	goID  uint32   // a function made by js.FuncOf
	id    uint32   // its slot in values, 0: none
}

// A reference is a float64; what is not a number is a NaN whose low half is the
// slot and whose high half carries the type.
const (
	nanHead    = 0x7FF80000
	flagObject = 1
	flagString = 2
	flagFunc   = 4
)

func (s *State) load(at uint32) any {
	ref := le.Uint64(s.Mem[at:])
	if ref == 0 {
		return undefined{}
	}
	if uint32(ref>>32)&nanHead != nanHead {
		return math.Float64frombits(ref)
	}
	return s.values[uint32(ref)]
}

func (s *State) store(at uint32, v any) { le.PutUint64(s.Mem[at:], s.reference(v)) }

func (s *State) reference(v any) uint64 {
	const head = uint64(nanHead) << 32
	switch v := v.(type) {
	case undefined:
		return 0
	case nil:
		return head | 2
	case bool:
		if v {
			return head | 3
		}
		return head | 4
	case float64:
		switch {
		case v == 0:
			return head | 1
		case v != v:
			return head
		}
		return math.Float64bits(v)
	case string:
		return head | flagString<<32 | uint64(s.hold(v))
	case *object:
		if v.id == 0 {
			v.id = s.hold(v)
		} else {
			s.counts[v.id]++
		}
		if v.call != nil {
			return head | flagFunc<<32 | uint64(v.id)
		}
		return head | flagObject<<32 | uint64(v.id)
	}
	panic("gojs: a value of no JavaScript type")
}

func (s *State) hold(v any) uint32 {
	if n := len(s.free); n > 0 {
		id := s.free[n-1]
		s.free = s.free[:n-1]
		s.values[id], s.counts[id] = v, 1
		return id
	}
	s.values, s.counts = append(s.values, v), append(s.counts, 1)
	return uint32(len(s.values) - 1)
}

// bytes is the Go slice or string whose header is at this address.
func (s *State) bytes(at uint32) []byte {
	p, n := le.Uint64(s.Mem[at:]), le.Uint64(s.Mem[at+8:])
	return s.Mem[p : p+n]
}

func (s *State) args(at uint32) []any {
	p, n := uint32(le.Uint64(s.Mem[at:])), int(le.Uint64(s.Mem[at+8:]))
	vs := make([]any, n)
	for i := range vs {
		vs[i] = s.load(p + uint32(i)*8)
	}
	return vs
}
