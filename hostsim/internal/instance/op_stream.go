package instance

import (
	"errors"
	"io"
	"strconv"

	"github.com/grantway/grantway/wasm/abi"
)

// opWrite sends a piece of a streamed response.
//
//   - body: the piece
//
// It settles when the client's connection has taken the piece, with "gone" when the
// client has left, and with "conflict" if the response is not a streamed one.
func (in *Instance) opWrite(_ *call, p params) {
	r := p.owner
	switch {
	case !r.streaming || r.done:
		in.failLocal(p.call, abi.ErrConflict, "no streamed response")
	case r.client == nil:
		in.failLocal(p.call, abi.ErrGone, "the client has left")
	default:
		r.client.Write(Piece{Data: append([]byte(nil), p.body...), instance: in, call: p.call})
	}
}

// opRead answers the next piece of a stream handle.
//
//   - meta: handle
//   - reply: n = 0, body = 1 … 65,536 bytes; or n = 1 and no body at the end, and the handle is closed
//
// It fails with "gone" for an unknown handle, "conflict" while another read of it
// is pending, and with a network error code; after an error the handle is closed.
func (in *Instance) opRead(_ *call, p params) {
	id, err := strconv.ParseInt(p.meta, 10, 32)
	h := in.handles[int32(id)]
	switch {
	case err != nil:
		in.failLocal(p.call, abi.ErrInvalid, "handle")
		return
	case h == nil:
		in.failLocal(p.call, abi.ErrGone, "no such handle")
		return
	case h.reading:
		in.failLocal(p.call, abi.ErrConflict, "a read is pending")
		return
	}
	h.reading = true
	if m, ok := h.stream.(*memory); ok {
		in.local = append(in.local, readPiece(m, p.call, h.id))
		return
	}
	stream := h.stream
	go func() {
		e := readPiece(stream, p.call, int32(id))
		if !in.post(e) {
			e.drop()
		}
	}()
}

// opEnded settles when the stream that the response passes on has ended: it was read to its end, it
// broke, or the client has left. It fails with "conflict" if the response passes none on.
func (in *Instance) opEnded(_ *call, p params) {
	s := p.owner.passed
	if s == nil {
		in.failLocal(p.call, abi.ErrConflict, "no stream is passed on")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		in.settleLocal(event{call: p.call})
		return
	}
	s.ended = func() { in.settle(event{call: p.call}) }
}

// readPiece reads once and answers the settlement.
func readPiece(s Stream, call, handle int32) event {
	buffer := pieces.Get().(*[]byte)
	n, err := 0, error(nil)
	for n == 0 && err == nil {
		n, err = s.Read(*buffer)
	}
	e := event{kind: eventSettle, call: call, handle: handle}
	if n > 0 { // an error comes again at the next read
		e.body, e.buffer = (*buffer)[:n], buffer
		return e
	}
	pieces.Put(buffer)
	e.closes = true
	if errors.Is(err, io.EOF) {
		e.n = 1
		return e
	}
	e.kind, e.code, e.meta = eventFail, networkCode(err), "the stream broke"
	return e
}
