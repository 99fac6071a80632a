package mcp

import (
	"bytes"
	"net/http"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/mcp/sse"
)

// heartbeat is how often a comment goes out on a silent stream: a host may notice only
// at a write that the client has left.
const heartbeat = 15 * time.Second

// sink is the client's side of an exchange: it becomes an event stream with the
// first event, and stays untouched without one.
type sink struct {
	w         http.ResponseWriter
	stateless bool
	mu        sync.Mutex
	rc        *http.ResponseController
	stop      chan struct{}
	err       error
	buf       []byte
	tail      []byte // the end of what was written elsewhere
}

func (s *sink) begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rc != nil
}

// begin sends the head of the stream.
func (s *sink) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beginLocked()
}

func (s *sink) beginLocked() {
	if s.rc != nil {
		return
	}
	h := s.w.Header()
	h["Content-Type"] = []string{"text/event-stream"}
	h["Cache-Control"] = []string{"no-cache, no-transform"}
	h["X-Accel-Buffering"] = []string{"no"}
	h["X-Content-Type-Options"] = nosniff
	s.w.WriteHeader(http.StatusOK)
	s.rc = http.NewResponseController(s.w)
	s.err = s.rc.Flush()
	s.stop = make(chan struct{})
	go s.beat(s.stop)
}

// event sends one message. The error says that the client has left.
func (s *sink) event(message []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beginLocked()
	s.buf = sse.Append(s.buf[:0], message)
	return s.writeLocked(s.buf)
}

// Write sends a piece of a stream that was made elsewhere.
func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tail = append(s.tail, b[max(0, len(b)-3):]...)
	s.tail = s.tail[max(0, len(s.tail)-3):]
	return len(b), s.writeLocked(b)
}

// within reports whether the last write ended inside of an event.
func (s *sink) within() bool {
	for _, end := range [...]string{"\n\n", "\n\r\n", "\r\r"} {
		if bytes.HasSuffix(s.tail, []byte(end)) {
			return false
		}
	}
	return len(s.tail) > 0
}

func (s *sink) writeLocked(b []byte) error {
	if s.err == nil {
		_, s.err = s.w.Write(b)
	}
	if s.err == nil {
		s.err = s.rc.Flush()
	}
	return s.err
}

func (s *sink) beat(stop chan struct{}) {
	t := time.NewTicker(heartbeat)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			if !s.comment() {
				return
			}
		}
	}
}

// comment sends a comment, unless the exchange has ended.
func (s *sink) comment() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop != nil && (s.within() || s.writeLocked([]byte(":\n\n")) == nil)
}

// close ends the heartbeat. Nothing may be sent after it.
func (s *sink) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		close(s.stop)
		s.stop = nil
	}
}
