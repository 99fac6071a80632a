package instance

import (
	"sync"
	"sync/atomic"

	"github.com/grantway/grantway/wasm/abi"
)

// Request is one event for the guest (fetch, object or scheduled), or a background
// owner. Fill the exported fields, then Deliver it, once.
type Request struct {
	Kind  abi.Kind
	Meta  string // as docs/host-abi.md lays it out
	Body  []byte // delivered with the event
	Large Stream // a body that is to be read through a handle; OPTIONAL
	Actor *Actor // of an object request
	// Client receives the response.
	Client Client
	// Finished is called once when the request is no longer alive. OPTIONAL.
	Finished func()

	mu       sync.Mutex
	instance *Instance
	gone     bool // canceled
	unloaded atomic.Bool

	// Owned by the loop of the instance.
	client    Client // nil after the response has ended, and for a background owner
	id        int32
	pending   int // calls that have not settled
	responded bool
	streaming bool
	passed    *passed // the stream that the response passes on
	done      bool
	canceled  bool
}

// Client is where a response goes. Its methods are called by the loop of the instance
// that serves the request and must not block.
type Client interface {
	// Respond is called at most once.
	Respond(Response)
	// Write is a piece of a streamed body; it must be settled once.
	Write(Piece)
	// End means that the handler has ended; nothing follows.
	End()
	// Fail means that the request was broken off: by the death of the instance
	// (ErrGone), or because it serves nothing (ErrUnsupported). Nothing follows.
	Fail(code abi.ErrorCode)
}

// Response is the head of a response, and its body or where that comes from.
type Response struct {
	Status int
	Header string // lines "name:value"
	Body   []byte // all of it, if Stream is nil and Streamed is false
	Stream Stream // to be passed on, and closed
	// Streamed means that pieces follow until End.
	Streamed bool
}

// Piece is a piece of a streamed body.
type Piece struct {
	Data     []byte
	instance *Instance
	call     int32
}

// Settle tells the guest that the piece has been taken, or, with a code, why not.
func (p Piece) Settle(code abi.ErrorCode) {
	if code == "" {
		p.instance.settle(event{call: p.call})
		return
	}
	p.instance.fail(p.call, code, "the client has left")
}

// Actor is one life of a Durable Object.
type Actor struct {
	ID    string // "CLASS/NAME"
	ended atomic.Bool
	// Hold and Release count who keeps this life alive: requests and background owners.
	Hold, Release func()
}

// attach makes the request known to an instance before it is posted there.
func (r *Request) attach(in *Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.instance = in
	r.client = r.Client
}

// Cancel tells the guest that the client is gone. It may be called at any time, from
// any goroutine.
func (r *Request) Cancel() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = true
	if r.instance != nil {
		r.instance.post(event{kind: eventCancel, request: r})
	}
}

// Gone reports whether the client has left.
func (r *Request) Gone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone
}

func (r *Request) finished() {
	if r.Finished != nil {
		r.Finished()
	}
}

// begin delivers a request to the guest.
func (in *Instance) begin(r *Request) (pushed bool, err error) {
	in.adopt(r)
	in.served++
	var n int32
	if r.Large != nil {
		n = in.open(r.Large, r)
	}
	answer, err := in.deliver(r.Kind, r.id, r.Meta, r.Body, n)
	r.Meta, r.Body = "", nil
	if err != nil {
		return false, err
	}
	if answer == abi.PushIdle {
		return false, nil
	}
	if answer != abi.PushAccepted {
		r.client.Fail(abi.ErrUnsupported)
		r.client = nil
		in.forget(r)
		in.closeHandles(r)
	}
	return true, nil
}

// adopt gives a request its id.
func (in *Instance) adopt(r *Request) {
	for {
		in.lastRequest++
		if in.lastRequest <= 0 {
			in.lastRequest = 1
		}
		if in.requests[in.lastRequest] == nil {
			break
		}
	}
	r.id = in.lastRequest
	in.requests[r.id] = r
}

// release ends the life of a request whose handler has ended and whose calls have all
// settled.
func (in *Instance) release(r *Request) {
	if r == in.self || !r.done || r.pending > 0 || in.requests[r.id] != r {
		return
	}
	in.closeHandles(r)
	in.forget(r)
}

func (in *Instance) forget(r *Request) {
	delete(in.requests, r.id)
	r.unload(in)
	r.finished()
}

// unload takes a request off the instance's load, once.
func (r *Request) unload(in *Instance) {
	if r.unloaded.CompareAndSwap(false, true) {
		in.load.Add(-1)
	}
}

// endLife settles every pending call of an actor's life with "gone" and fails its
// requests that have no response yet.
func (in *Instance) endLife(a *Actor) (pushed bool, err error) {
	for id, c := range in.calls {
		if c.owner.Actor == a {
			in.failLocal(id, abi.ErrGone, "the object was reset")
		}
	}
	for _, r := range in.requests {
		if r.Actor == a && r.client != nil {
			r.client.Fail(abi.ErrGone)
			r.client = nil
		}
	}
	return false, nil
}
