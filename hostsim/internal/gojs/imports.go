package gojs

import (
	"context"
	"crypto/rand"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/grantway/grantway/hostsim/internal/rewrite"
)

// Instantiate adds the import module "gojs" to the runtime, once for all
// instances. of finds the state of the instance that a call came from.
func Instantiate(ctx context.Context, rt wazero.Runtime, of func(context.Context) *State) error {
	b := rt.NewHostModuleBuilder("gojs")
	for name, f := range imports {
		b.NewFunctionBuilder().
			WithGoFunction(api.GoFunc(func(ctx context.Context, stack []uint64) { f(of(ctx), uint32(stack[0])) }),
				[]api.ValueType{api.ValueTypeI32}, nil).
			Export(name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

// imports holds all of Go's imports, also those that today's module does not use:
// the linker leaves out what a program does not call. Each gets the guest's stack
// pointer; parameters and results lie above it at the offsets that
// lib/wasm/wasm_exec.js documents.
var imports = map[string]func(s *State, sp uint32){
	"runtime.wasmExit": func(s *State, sp uint32) {
		s.exited, s.exitCode = true, int32(le.Uint32(s.Mem[sp+8:]))
	},
	"runtime.wasmWrite": func(s *State, sp uint32) {
		p, n := le.Uint64(s.Mem[sp+16:]), uint64(le.Uint32(s.Mem[sp+24:]))
		_, _ = s.output.Write(s.Mem[p : p+n])
	},
	"runtime.resetMemoryDataView": func(s *State, _ uint32) { s.refresh() },
	"runtime.nanotime1": func(s *State, sp uint32) {
		if sp == rewrite.FuelSentinel {
			s.fuel()
			return
		}
		le.PutUint64(s.Mem[sp+8:], uint64(s.clock.Monotonic()))
	},
	"runtime.walltime": func(s *State, sp uint32) {
		t := s.clock.Now()
		le.PutUint64(s.Mem[sp+8:], uint64(t.Unix()))
		le.PutUint32(s.Mem[sp+16:], uint32(t.Nanosecond()))
	},
	"runtime.scheduleTimeoutEvent": func(s *State, sp uint32) {
		s.timerID++
		s.timers[s.timerID] = int64(s.clock.Monotonic()) + int64(le.Uint64(s.Mem[sp+8:]))*1e6
		le.PutUint32(s.Mem[sp+16:], uint32(s.timerID))
	},
	"runtime.clearTimeoutEvent": func(s *State, sp uint32) { delete(s.timers, int32(le.Uint32(s.Mem[sp+8:]))) },
	"runtime.getRandomData":     func(s *State, sp uint32) { _, _ = rand.Read(s.bytes(sp + 8)) },

	"syscall/js.finalizeRef": func(s *State, sp uint32) {
		id := le.Uint32(s.Mem[sp+8:])
		if s.counts[id]--; s.counts[id] > 0 {
			return
		}
		if o, ok := s.values[id].(*object); ok {
			o.id = 0
		}
		s.values[id] = nil
		s.free = append(s.free, id)
	},
	"syscall/js.stringVal": func(s *State, sp uint32) { s.store(sp+24, string(s.bytes(sp+8))) },
	"syscall/js.valueGet": func(s *State, sp uint32) {
		v, key := s.load(sp+8), s.bytes(sp+16)
		if v == any(s.goValue) && string(key) == "_pendingEvent" { // at every resume
			s.store(sp+32, s.goValue.props["_pendingEvent"])
			return
		}
		s.store(sp+32, s.get(v, string(key)))
	},
	"syscall/js.valueSet": func(s *State, sp uint32) {
		if o, ok := s.load(sp + 8).(*object); ok && o.props != nil {
			o.props[string(s.bytes(sp+16))] = s.load(sp + 32)
		}
	},
	"syscall/js.valueDelete": func(s *State, sp uint32) {
		if o, ok := s.load(sp + 8).(*object); ok {
			delete(o.props, string(s.bytes(sp+16)))
		}
	},
	"syscall/js.valueIndex": func(s *State, sp uint32) {
		var v any = undefined{}
		if o, ok := s.load(sp + 8).(*object); ok {
			if i := le.Uint64(s.Mem[sp+16:]); i < uint64(len(o.items)) {
				v = o.items[i]
			}
		}
		s.store(sp+24, v)
	},
	"syscall/js.valueSetIndex": func(s *State, sp uint32) {
		if o, ok := s.load(sp + 8).(*object); ok {
			if i := le.Uint64(s.Mem[sp+16:]); i < uint64(len(o.items)) {
				o.items[i] = s.load(sp + 24)
			}
		}
	},
	"syscall/js.valueLength": func(s *State, sp uint32) {
		n := 0
		if o, ok := s.load(sp + 8).(*object); ok {
			n = max(len(o.items), len(o.bytes))
		}
		le.PutUint64(s.Mem[sp+16:], uint64(n))
	},
	"syscall/js.valueCall": func(s *State, sp uint32) {
		s.apply(sp+56, s.get(s.load(sp+8), string(s.bytes(sp+16))), s.args(sp+32))
	},
	"syscall/js.valueInvoke": func(s *State, sp uint32) { s.apply(sp+40, s.load(sp+8), s.args(sp+16)) },
	"syscall/js.valueNew":    func(s *State, sp uint32) { s.apply(sp+40, s.load(sp+8), s.args(sp+16)) },
	"syscall/js.valuePrepareString": func(s *State, sp uint32) {
		text, _ := s.load(sp + 8).(string)
		s.store(sp+16, &object{bytes: []byte(text)})
		le.PutUint64(s.Mem[sp+24:], uint64(len(text)))
	},
	"syscall/js.valueLoadString": func(s *State, sp uint32) {
		if o, ok := s.load(sp + 8).(*object); ok {
			copy(s.bytes(sp+16), o.bytes)
		}
	},
	"syscall/js.valueInstanceOf": func(s *State, sp uint32) { s.Mem[sp+24] = 0 },
	"syscall/js.copyBytesToGo": func(s *State, sp uint32) {
		s.Mem[sp+48] = 0
		if o, ok := s.load(sp + 32).(*object); ok {
			le.PutUint64(s.Mem[sp+40:], uint64(copy(s.bytes(sp+8), o.bytes)))
			s.Mem[sp+48] = 1
		}
	},
	"syscall/js.copyBytesToJS": func(s *State, sp uint32) {
		s.Mem[sp+48] = 0
		if o, ok := s.load(sp + 8).(*object); ok {
			le.PutUint64(s.Mem[sp+40:], uint64(copy(o.bytes, s.bytes(sp+16))))
			s.Mem[sp+48] = 1
		}
	},
	"debug": func(*State, uint32) {},
}

func (s *State) get(v any, key string) any {
	if o, ok := v.(*object); ok {
		if p, ok := o.props[key]; ok {
			return p
		}
	}
	s.unset(key)
	return undefined{}
}

// apply calls f and stores its result, and a byte 1 behind it; or an Error and 0.
func (s *State) apply(at uint32, f any, args []any) {
	o, _ := f.(*object)
	if o == nil || o.call == nil {
		s.store(at, &object{props: map[string]any{"message": "not a function on this host"}})
		s.Mem[at+8] = 0
		return
	}
	s.store(at, o.call(s, args))
	s.Mem[at+8] = 1
}
