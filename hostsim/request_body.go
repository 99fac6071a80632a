package hostsim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// requestBody is a request body that the guest reads through a handle, until it
// responds: then the rest is net/http's, which reads a little of it so that the
// connection can be used again, or closes the connection.
type requestBody struct {
	body io.Reader
	rc   *http.ResponseController

	mu      sync.Mutex
	closed  bool
	failed  bool          // a read found that the body has broken off
	reading chan struct{} // closed at the end of the read under way; nil: none
}

// Read implements instance.Stream. There is one Read at a time.
func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return 0, context.Canceled
	}
	done := make(chan struct{})
	b.reading = done
	b.mu.Unlock()
	n, err := b.body.Read(p)
	b.mu.Lock()
	b.reading = nil
	b.failed = err != nil && !errors.Is(err, io.EOF)
	b.mu.Unlock()
	close(done)
	return n, err
}

// Close means that the guest reads no more. net/http closes the body itself.
func (b *requestBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// stop closes the body and ends a read that waits for a slow client, which costs
// the connection.
func (b *requestBody) stop() {
	b.mu.Lock()
	b.closed = true
	reading := b.reading
	b.mu.Unlock()
	if reading == nil {
		return
	}
	_ = b.rc.SetReadDeadline(time.Now()) // not supported: the client or the server ends the read
	<-reading
}

// broken stops the body and reports whether it has broken off.
func (b *requestBody) broken() bool {
	b.stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}
