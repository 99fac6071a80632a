//go:build js && wasm

package resident

import (
	"context"
	"io"
	"strconv"

	"github.com/grantway/grantway/wasm/abi"
)

// stream is a body that the host holds: of a response to a fetch, or of a
// request. It is not safe for concurrent use.
type stream struct {
	ctx     context.Context
	request int32
	handle  int32
	rest    []byte // of the piece read last
	begun   bool   // something was read: it cannot be passed on whole
	closed  bool   // at its end, closed, or given to the client
}

func (s *stream) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.closed {
			return 0, io.EOF
		}
		if err := s.ctx.Err(); err != nil {
			return 0, err
		}
		s.begun = true
		call, done := begin(abi.OpRead, s.request, strconv.AppendInt(nil, int64(s.handle), 10), nil)
		r, err := wait(s.ctx, "read", s.request, call, done)
		if err != nil {
			return 0, err
		}
		s.rest, s.closed = r.body, r.n == 1
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *stream) Close() error {
	if !s.closed {
		s.closed = true
		sync(abi.SyncCancel, s.request, s.handle, nil, nil)
	}
	s.rest = nil
	return nil
}
