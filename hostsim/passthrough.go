package hostsim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/grantway/grantway/hostsim/internal/instance"
)

const (
	// idleBuffer is what a stream that waits holds, in bytes; busyBuffer what one that
	// delivers faster than that takes from the pool.
	idleBuffer = 2 << 10
	busyBuffer = 32 << 10
)

var busyBuffers = sync.Pool{New: func() any { b := make([]byte, busyBuffer); return &b }}

// pass copies a stream to the client without the guest. Each piece is flushed unless
// the length of the body is known; the client's pace is the upstream's. A client that
// leaves closes the upstream at once; an upstream that breaks breaks the response.
func (h *Host) pass(w http.ResponseWriter, rc *http.ResponseController, r *http.Request, s instance.Stream) {
	closeOnce := sync.OnceFunc(func() { _ = s.Close() })
	defer closeOnce()
	defer context.AfterFunc(r.Context(), closeOnce)()
	waits := waitsForEvents(r, w.Header())
	if waits {
		done := make(chan struct{})
		defer close(done)
		go func() {
			select {
			case <-h.stopping:
				closeOnce()
			case <-done:
			}
		}()
	}
	flush := w.Header().Get("Content-Length") == ""
	if flush {
		_ = rc.Flush()
	}
	err := copyStream(w, rc, s, flush)
	if err == nil || waits && h.stopped.Load() {
		return
	}
	panic(http.ErrAbortHandler)
}

// copyStream copies until the end; nil for io.EOF.
func copyStream(w http.ResponseWriter, rc *http.ResponseController, s instance.Stream, flush bool) error {
	small := make([]byte, idleBuffer)
	buf := small
	var big *[]byte
	defer func() {
		if big != nil {
			busyBuffers.Put(big)
		}
	}()
	for {
		n, err := s.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return werr
			}
			if flush && err == nil {
				if ferr := rc.Flush(); ferr != nil && !errors.Is(ferr, http.ErrNotSupported) {
					return ferr
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case n == len(buf) && big == nil:
			big = busyBuffers.Get().(*[]byte)
			buf = *big
		case n < idleBuffer && big != nil:
			busyBuffers.Put(big)
			big, buf = nil, small
		}
	}
}
