package upstream

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/mcp/mirror"
	"github.com/grantway/grantway/worker/registry"
)

// Send makes one HTTP exchange with the server. body nil means none. The answer's body is
// the host's own, so that it can be passed on whole (platform.PassBody). Closing it ends the
// exchange, and so does the end of ctx. The time until the head is limited; the body's is not.
func (c *Client) Send(ctx context.Context, t Target, method string, header http.Header, body []byte) (*http.Response, error) {
	u, err := c.url(t.Record.URL)
	if err != nil {
		return nil, err
	}
	r := &http.Request{
		Method: method, URL: u, Host: u.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if body != nil {
		r.ContentLength = int64(len(body))
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	ctx, cancel := context.WithCancelCause(ctx)
	limit := c.HeadTimeout(t.Record)
	if method == http.MethodGet || waits(header) {
		limit = maxWait
	}
	timer := time.AfterFunc(limit, func() { cancel(ErrTimeout) })
	resp, err := c.Credentials.Client(t.Record, t.Caller).RoundTrip(r.WithContext(ctx))
	timer.Stop()
	if err != nil {
		p := Failed(ctx, err)
		cancel(p)
		return nil, p
	}
	return resp, nil // ctx ends with the caller's: the body needs it
}

// maxWait is the limit for streams of notifications: some servers send their head with the
// first one only.
const maxWait = 24 * time.Hour

func waits(header http.Header) bool {
	v := header[mirror.Method]
	return len(v) > 0 && v[0] == "subscriptions/listen"
}

// HeadTimeout is the limit of the time until the head of an answer.
func (c *Client) HeadTimeout(rec *registry.Record) time.Duration {
	if rec.TimeoutSeconds > 0 {
		return time.Duration(rec.TimeoutSeconds * float64(time.Second))
	}
	return c.Limits.HeadTimeout
}

// read takes a whole body of at most limit bytes.
func read(body io.Reader, limit int) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(b) > limit {
		return nil, ErrTooLarge
	}
	return b, nil
}
