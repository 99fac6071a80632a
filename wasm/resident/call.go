//go:build js && wasm

package resident

import (
	"context"
	gosync "sync"
	"unsafe"

	"github.com/grantway/grantway/wasm/abi"
	"github.com/grantway/grantway/worker/platform"
)

// result is how a call settled.
type result struct {
	failed bool
	meta   string
	body   []byte
	n      int32
}

// split answers the result, or the error that it is.
func (r result) split(name string) (result, error) {
	if r.failed {
		code, message := abi.NextLine(r.meta)
		return r, &platform.Error{Op: name, Code: platform.Code(code), Message: message}
	}
	return r, nil
}

// tables guards every table of this package.
var tables gosync.Mutex

var (
	lastCall int32
	// pending are the calls that have not settled. A settlement finds its
	// channel here; one that was given up is no longer in it and is dropped.
	pending = map[int32]chan result{}
)

// enter makes a call known under an id that no other pending call has.
func enter(done chan result) int32 {
	tables.Lock()
	defer tables.Unlock()
	for {
		lastCall++
		if lastCall <= 0 || lastCall >= firstForward {
			lastCall = 1
		}
		if _, used := pending[lastCall]; !used {
			break
		}
	}
	pending[lastCall] = done
	return lastCall
}

// take answers the channel of a pending call, which is no longer pending then; nil
// for an unknown one.
func take(call int32) chan result {
	tables.Lock()
	defer tables.Unlock()
	done := pending[call]
	delete(pending, call)
	return done
}

// begin starts an operation that belongs to request req.
func begin(code abi.Op, req int32, meta, body []byte) (call int32, done chan result) {
	done = make(chan result, 1)
	call = enter(done)
	stirred = true
	hostOp(int32(code), req, call,
		unsafe.Pointer(unsafe.SliceData(meta)), int32(len(meta)),
		unsafe.Pointer(unsafe.SliceData(body)), int32(len(body)))
	return call, done
}

// wait waits until the call settles or ctx ends; then it gives the call up.
func wait(ctx context.Context, name string, req, call int32, done chan result) (result, error) {
	select {
	case r := <-done:
		return r.split(name)
	case <-ctx.Done():
		if take(call) != nil {
			sync(abi.SyncAbort, req, call, nil, nil)
		} else {
			discard(req, <-done)
		}
		return result{}, context.Cause(ctx)
	}
}

// discard closes the stream handle of a result that nobody waits for any more.
// Only a fetch's result has headers in its meta and a handle in n; closing a
// number that is no handle is harmless.
func discard(req int32, r result) {
	if !r.failed && r.n > 0 && r.meta != "" {
		sync(abi.SyncCancel, req, r.n, nil, nil)
	}
}

// do performs an operation for the request that ctx belongs to.
func do(ctx context.Context, name string, code abi.Op, meta string, body []byte) (result, error) {
	if err := ctx.Err(); err != nil {
		return result{}, err
	}
	req := requestOf(ctx)
	call, done := begin(code, req, []byte(meta), body)
	return wait(ctx, name, req, call, done)
}

type requestKey struct{}

// request is what the context of a request holds.
type request struct {
	id    int32
	first *answer // what came of forwarding it; nil: it was not tried
}

// requestOf answers the id of the request that ctx belongs to; without one, 0:
// whichever request is current.
func requestOf(ctx context.Context) int32 {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r.id
	}
	return 0
}

// Reply is how an operation settled.
type Reply struct {
	Meta string
	Body []byte
	N    int32
}

// Call performs any operation of docs/host-abi.md for the request that ctx belongs to.
// The gateway has better methods for all of them; this is for programs that test a
// host. The error is a *platform.Error, or ctx's.
func Call(ctx context.Context, code abi.Op, meta string, body []byte) (Reply, error) {
	r, err := do(ctx, "call", code, meta, body)
	return Reply{r.meta, r.body, r.n}, err
}

// Sync performs any synchronous operation for the request that ctx belongs to; like
// Call, for programs that test a host.
func Sync(ctx context.Context, code abi.SyncOp, arg int32, meta string, body []byte) int32 {
	return sync(code, requestOf(ctx), arg, []byte(meta), body)
}
