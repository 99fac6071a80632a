// Package rewrite changes a wasm module at load, before wazero compiles it. It
// merges the data segments (Go emits one for each run of non-zero bytes, some
// 100,000, and each costs time at every instantiation), and inserts fuel checks, by which
// a guest that never yields can be stopped: see docs/rationale.md.
//
// The package is pure: bytes in, bytes out, no wazero. It accepts what Go's
// linker emits; for anything else it answers an error and never panics.
package rewrite

import (
	"errors"
	"fmt"
)

// FuelSentinel is the stack pointer with which a fuel check calls the import
// runtime.nanotime1: no Go program has its stack there. An existing import is used
// so that no function index of the module changes.
const FuelSentinel = 0xFFFFFFFF

// Options says what to do.
type Options struct {
	// MergeData joins the data segments.
	MergeData bool
	// Fuel is how many checks the guest passes between two calls of the host; 0: no
	// checks are inserted.
	Fuel int32
}

// Report says what was done.
type Report struct {
	SegmentsBefore, SegmentsAfter int
	Functions                     int // with a body
	Branches                      int // checks before a branch back to a loop header
	Indirect                      int // checks before an indirect call
	Entries                       int // checks at the entry of a function
}

// ErrModule reports bytes that are not a module this package can rewrite.
var ErrModule = errors.New("rewrite: not a module that can be rewritten")

// Section ids of the WebAssembly core specification, §5.5.
const (
	sectionImport    = 2
	sectionGlobal    = 6
	sectionCode      = 10
	sectionData      = 11
	sectionDataCount = 12
)

type section struct {
	id   byte
	body []byte
}

// Module rewrites the module. The input is not changed.
func Module(wasm []byte, o Options) ([]byte, Report, error) {
	var rep Report
	sections, err := split(wasm)
	if err != nil {
		return nil, rep, err
	}
	if o.MergeData && find(sections, sectionDataCount) == nil {
		if s := find(sections, sectionData); s != nil {
			if s.body, err = mergeData(s.body, &rep); err != nil {
				return nil, rep, fmt.Errorf("data section: %w", err)
			}
		}
	}
	if o.Fuel > 0 {
		if err := addFuel(sections, o.Fuel, &rep); err != nil {
			return nil, rep, err
		}
	}
	return join(sections), rep, nil
}

func find(sections []*section, id byte) *section {
	for _, s := range sections {
		if s.id == id {
			return s
		}
	}
	return nil
}

var header = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}

func split(wasm []byte) ([]*section, error) {
	r := reader{b: wasm}
	if string(r.take(uint64(len(header)))) != string(header) {
		return nil, fmt.Errorf("%w: header", ErrModule)
	}
	var out []*section
	for !r.done() {
		id := r.byte()
		body := r.take(r.uleb())
		if r.bad {
			return nil, fmt.Errorf("%w: section %d", ErrModule, id)
		}
		out = append(out, &section{id, body})
	}
	return out, nil
}

func join(sections []*section) []byte {
	n := len(header)
	for _, s := range sections {
		n += len(s.body) + 6
	}
	out := append(make([]byte, 0, n), header...)
	for _, s := range sections {
		out = append(out, s.id)
		out = appendUleb(out, uint64(len(s.body)))
		out = append(out, s.body...)
	}
	return out
}
