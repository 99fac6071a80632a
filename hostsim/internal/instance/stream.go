package instance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/grantway/grantway/wasm/abi"
)

// Stream is a body that the host holds for the guest. Close may be called while a
// Read is under way, and ends it.
type Stream interface {
	io.ReadCloser
}

// handle is a stream that the guest knows by number.
type handle struct {
	id      int32
	stream  Stream
	owner   *Request
	reading bool
}

// pieces holds buffers of the size of one read.
var pieces = sync.Pool{New: func() any { b := make([]byte, abi.MaxReadChunk); return &b }}

func (in *Instance) open(s Stream, owner *Request) int32 {
	for {
		in.lastHandle++
		if in.lastHandle <= 0 {
			in.lastHandle = 1
		}
		if in.handles[in.lastHandle] == nil {
			break
		}
	}
	in.handles[in.lastHandle] = &handle{id: in.lastHandle, stream: s, owner: owner}
	return in.lastHandle
}

func (in *Instance) close(h *handle) {
	delete(in.handles, h.id)
	_ = h.stream.Close()
}

func (in *Instance) closeHandles(r *Request) {
	for _, h := range in.handles { // few: only those of requests in flight
		if h.owner == r {
			in.close(h)
		}
	}
}

// Bytes is a Stream of bytes in memory.
func Bytes(b []byte) Stream { return &memory{r: bytes.NewReader(b)} }

type memory struct{ r *bytes.Reader }

func (m *memory) Read(p []byte) (int, error) { return m.r.Read(p) }
func (m *memory) Close() error               { return nil }

// upstream is the body of an outbound response. Closing it ends the exchange, also
// while nothing arrives.
type upstream struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (u *upstream) Close() error {
	u.cancel()
	return u.ReadCloser.Close()
}

// passed is a stream that a response passes on.
type passed struct {
	Stream
	mu     sync.Mutex
	closed bool
	ended  func() // OPTIONAL
}

func (s *passed) Close() error {
	err := s.Stream.Close()
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first && s.ended != nil {
		s.ended()
	}
	return err
}

// pipe is the body of a response that an object's handler streams: the writing
// instance puts pieces in, the reader takes them out; a piece is settled when it has been
// read to its end.
type pipe struct {
	mu     sync.Mutex
	change sync.Cond
	pieces []Piece
	err    error // after the last piece
	closed bool
	cancel func() // tells the writer that its client is gone
}

var errBroken = errors.New("instance: the object's response was broken off")

func newPipe(cancel func()) *pipe {
	p := &pipe{cancel: cancel}
	p.change.L = &p.mu
	return p
}

func (p *pipe) write(piece Piece) {
	if len(piece.Data) == 0 {
		piece.Settle("")
		return
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		piece.Settle(abi.ErrGone)
		return
	}
	p.pieces = append(p.pieces, piece)
	p.mu.Unlock()
	p.change.Broadcast()
}

// finish ends the body: io.EOF, or why it was broken off.
func (p *pipe) finish(err error) {
	p.mu.Lock()
	if p.err == nil {
		p.err = err
	}
	p.mu.Unlock()
	p.change.Broadcast()
}

func (p *pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.closed {
			return 0, context.Canceled
		}
		if len(p.pieces) > 0 {
			n := copy(b, p.pieces[0].Data)
			if p.pieces[0].Data = p.pieces[0].Data[n:]; len(p.pieces[0].Data) == 0 {
				p.pieces[0].Settle("")
				p.pieces = p.pieces[1:]
			}
			return n, nil
		}
		if p.err != nil {
			return 0, p.err
		}
		p.change.Wait()
	}
}

func (p *pipe) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	rest := p.pieces
	p.pieces = nil
	ended := p.err != nil
	p.mu.Unlock()
	p.change.Broadcast()
	for _, piece := range rest {
		piece.Settle(abi.ErrGone)
	}
	if !ended {
		p.cancel()
	}
	return nil
}
