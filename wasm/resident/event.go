//go:build js && wasm

package resident

import (
	"context"
	"unsafe"

	"github.com/grantway/grantway/wasm/abi"
	"github.com/grantway/grantway/worker/platform"
)

var (
	program platform.Program // nil until Serve
	alive   = map[int32]context.CancelFunc{}
)

// push is how the host delivers an event. It never blocks: the host resumes the
// guest afterwards.
//
//go:wasmexport push
func push(kind, id, metaLen, bodyLen, n int32) int32 {
	if program == nil {
		return abi.PushNotReady
	}
	var data []byte
	if metaLen+bodyLen > 0 {
		data = make([]byte, metaLen+bodyLen)
		hostTake(id, unsafe.Pointer(unsafe.SliceData(data)), metaLen+bodyLen)
	}
	meta, body := text(data[:metaLen]), data[metaLen:]
	switch abi.Kind(kind) {
	case abi.KindOK, abi.KindError:
		r := result{failed: abi.Kind(kind) == abi.KindError, meta: meta, body: body, n: n}
		if id >= firstForward {
			return settleForward(id, r)
		}
		if done := take(id); done != nil {
			done <- r
		}
	case abi.KindCancel:
		tables.Lock()
		cancel := alive[id]
		tables.Unlock()
		if cancel != nil {
			cancel()
		}
	case abi.KindFetch, abi.KindObject, abi.KindScheduled:
		e := event{kind: abi.Kind(kind), id: id, meta: meta, body: body, handle: n}
		if abi.Kind(kind) == abi.KindFetch && n == 0 && forward(e) {
			return idleAnswer()
		}
		startEvent(&request{id: id}, e)
	default:
		sync(abi.SyncRespond, id, abi.BodyBytes, []byte("501"), nil)
		sync(abi.SyncDone, id, 0, nil, nil)
	}
	return abi.PushAccepted
}

// startEvent serves an event on a goroutine of its own.
func startEvent(r *request, e event) {
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), requestKey{}, r))
	tables.Lock()
	alive[e.id] = cancel
	tables.Unlock()
	start(job{ctx, e})
}

// Only the host calls it, which static analysis does not know.
var _ = push

// Serve runs the program on the resident host. It never returns.
func Serve(p platform.Program) {
	if f, ok := p.(platform.Forwarder); ok && sync(abi.SyncSupports, 0, int32(abi.OpForward), nil, nil) == 1 {
		forwarder = f
	}
	program = p
	select {}
}
