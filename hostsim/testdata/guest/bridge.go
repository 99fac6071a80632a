//go:build js && wasm

// Command guest is the program that hostsim's tests run: it speaks docs/host-abi.md
// directly, so that each operation can be tested on its own, also with parameters that
// the gateway never gives.
package main

import (
	"strconv"
	"strings"
	"unsafe"

	"github.com/grantway/grantway/wasm/abi"
)

//go:wasmimport grantway abi
func hostABI() int32

//go:wasmimport grantway take
func hostTake(id int32, ptr unsafe.Pointer, n int32)

//go:wasmimport grantway sync
func hostSync(code, req, arg int32, meta unsafe.Pointer, metaLen int32, body unsafe.Pointer, bodyLen int32) int32

//go:wasmimport grantway op
func hostOp(code, req, call int32, meta unsafe.Pointer, metaLen int32, body unsafe.Pointer, bodyLen int32)

// reply is how a call settled.
type reply struct {
	Code string // empty: well
	Meta string
	Body []byte
	N    int32
}

type request struct {
	id       int32
	kind     abi.Kind
	method   string
	url      string
	object   string
	ip       string
	header   []string
	body     []byte
	handle   int32
	canceled chan struct{}
}

var (
	lastCall int32
	pending  = map[int32]chan reply{}
	alive    = map[int32]*request{}
	serving  func(*request)
)

func ptr(b []byte) unsafe.Pointer    { return unsafe.Pointer(unsafe.SliceData(b)) }
func strPtr(s string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(s)) }

func doSync(code abi.SyncOp, req, arg int32, meta string, body []byte) int32 {
	return hostSync(int32(code), req, arg, strPtr(meta), int32(len(meta)), ptr(body), int32(len(body)))
}

// begin starts a call.
func begin(code abi.Op, req int32, meta string, body []byte) (int32, chan reply) {
	lastCall++
	done := make(chan reply, 1)
	pending[lastCall] = done
	hostOp(int32(code), req, lastCall, strPtr(meta), int32(len(meta)), ptr(body), int32(len(body)))
	return lastCall, done
}

// do makes a call and waits for it.
func do(code abi.Op, req int32, meta string, body []byte) reply {
	_, done := begin(code, req, meta, body)
	return <-done
}

//go:wasmexport push
func push(kind, id, metaLen, bodyLen, n int32) int32 {
	if serving == nil {
		return abi.PushNotReady
	}
	data := make([]byte, metaLen+bodyLen)
	if len(data) > 0 {
		hostTake(id, ptr(data), int32(len(data)))
	}
	meta, body := string(data[:metaLen]), data[metaLen:]
	switch abi.Kind(kind) {
	case abi.KindOK, abi.KindError:
		done := pending[id]
		delete(pending, id)
		if done == nil {
			break
		}
		r := reply{Meta: meta, Body: body, N: n}
		if abi.Kind(kind) == abi.KindError {
			r.Code, r.Meta, _ = strings.Cut(meta, "\n")
		}
		done <- r
	case abi.KindCancel:
		if r := alive[id]; r != nil {
			close(r.canceled)
		}
	default:
		lines := strings.Split(meta, "\n")
		r := &request{id: id, kind: abi.Kind(kind), object: lines[1], ip: lines[2], header: lines[3:], body: body, handle: n, canceled: make(chan struct{})}
		r.method, r.url, _ = strings.Cut(lines[0], " ")
		alive[id] = r
		go func() {
			serving(r)
			delete(alive, id)
			doSync(abi.SyncDone, id, 0, "", nil)
		}()
	}
	return abi.PushAccepted
}

func (r *request) respond(status int, header string, body []byte) int32 {
	meta := strconv.Itoa(status)
	if header != "" {
		meta += "\n" + header
	}
	return doSync(abi.SyncRespond, r.id, abi.BodyBytes, meta, body)
}
