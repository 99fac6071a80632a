//go:build js && wasm

package resident

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/grantway/grantway/wasm/abi"
)

// maxBuffered is the size in bytes up to which a response is kept and sent in one
// piece, unless the handler flushes before.
const maxBuffered = 64 << 10

// responseWriter implements http.ResponseWriter, http.Flusher and
// platform.BodyPasser.
type responseWriter struct {
	ctx    context.Context
	id     int32
	header http.Header
	status int
	buffer []byte
	state  responseState
}

type responseState uint8

const (
	stateOpen      responseState = iota // nothing sent: head and buffer can still change
	stateStreaming                      // head sent, body is written piece by piece
	stateSent                           // all sent, or given to the host
)

func (w *responseWriter) Header() http.Header { return w.header }

func (w *responseWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
}

func (w *responseWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	switch w.state {
	case stateSent:
		return 0, http.ErrBodyNotAllowed
	case stateOpen:
		if len(w.buffer)+len(p) <= maxBuffered {
			w.buffer = append(w.buffer, p...)
			return len(p), nil
		}
		if err := w.FlushError(); err != nil {
			return 0, err
		}
	}
	return w.stream(p)
}

func (w *responseWriter) stream(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	call, done := begin(abi.OpWrite, w.id, nil, p)
	if _, err := wait(w.ctx, "write", w.id, call, done); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush sends what was written so far and turns to streaming.
func (w *responseWriter) Flush() { _ = w.FlushError() }

// FlushError is Flush for http.ResponseController.
func (w *responseWriter) FlushError() error {
	if w.state != stateOpen {
		return nil
	}
	w.WriteHeader(http.StatusOK)
	w.state = stateStreaming
	sync(abi.SyncRespond, w.id, abi.BodyStream, w.head(), nil)
	b := w.buffer
	w.buffer = nil
	_, err := w.stream(b)
	return err
}

// PassBody gives a host stream to the client without Go in between. It waits for the end of one that is not
// known to be short.
func (w *responseWriter) PassBody(body io.ReadCloser) bool {
	s, ok := body.(*stream)
	if !ok || w.state != stateOpen || len(w.buffer) > 0 || s.request != w.id || s.begun || s.closed {
		return false
	}
	w.WriteHeader(http.StatusOK)
	if sync(abi.SyncRespond, w.id, s.handle, w.head(), nil) < 0 {
		return false
	}
	s.closed = true
	w.state = stateSent
	if n, err := strconv.Atoi(w.header.Get("Content-Length")); err != nil || n > abi.MaxInlineBody {
		_, _ = do(w.ctx, "ended", abi.OpEnded, "", nil)
	}
	return true
}

func (w *responseWriter) head() []byte {
	b := strconv.AppendInt(make([]byte, 0, 512), int64(w.status), 10)
	return abi.AppendHeader(b, w.header)
}

// fail turns a response of which nothing was sent into a 500.
func (w *responseWriter) fail() {
	if w.state != stateOpen {
		return
	}
	w.header = http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}
	w.status = http.StatusInternalServerError
	w.buffer = []byte(`{"error":{"code":"internal_error","message":"The gateway failed while it served this request."}}`)
}

// finish sends what is left when the handler has ended.
func (w *responseWriter) finish() {
	if w.state != stateOpen {
		return
	}
	w.WriteHeader(http.StatusOK)
	w.state = stateSent
	sync(abi.SyncRespond, w.id, abi.BodyBytes, w.head(), w.buffer)
}
