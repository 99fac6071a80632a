package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/sse"
)

// Reply is the answer to one request of the gateway.
type Reply struct {
	Result json.RawMessage // one of the two
	Error  *jsonrpc.Error
	Modern bool // the server's era
	Status int  // HTTP status of the answer
}

// incoming is what a stream brings besides the answer; the message is valid during the
// call only. An error of it ends the exchange.
type incoming func(raw []byte, m *jsonrpc.Message) error

// brokenStream is a stream that ended before the answer.
type brokenStream struct {
	lastID string
	retry  int64 // milliseconds
	cause  error
}

func (b *brokenStream) Error() string { return ErrEnded.Error() }
func (b *brokenStream) Unwrap() error { return ErrEnded }

// IsSSE reports whether the answer is an event stream.
func IsSSE(h http.Header) bool { return mediaType(h) == "text/event-stream" }

// IsJSON reports whether the answer is JSON.
func IsJSON(h http.Header) bool { return mediaType(h) == "application/json" }

func mediaType(h http.Header) string {
	ct, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(ct))
}

// answer reads the body, or each event of a stream, of at most limit bytes, until the response with this id.
func (c *Client) answer(ctx context.Context, resp *http.Response, id []byte, limit int, on incoming) (*Reply, error) {
	if ce := resp.Header.Get("Content-Encoding"); ce != "" && ce != "identity" {
		return nil, ErrProtocol
	}
	if IsSSE(resp.Header) {
		return c.stream(ctx, resp, id, limit, on)
	}
	b, err := read(resp.Body, limit)
	if err != nil {
		if errors.Is(err, ErrTooLarge) {
			return nil, ErrTooLarge
		}
		return nil, Failed(ctx, err)
	}
	var m jsonrpc.Message
	if serr := jsonrpc.Scan(b, &m); serr != nil || m.Kind != jsonrpc.Response {
		if resp.StatusCode >= 400 {
			return nil, Status(resp.StatusCode)
		}
		return nil, ErrProtocol
	}
	return reply(&m, resp.StatusCode)
}

func reply(m *jsonrpc.Message, status int) (*Reply, error) {
	r := &Reply{Status: status}
	if m.Error != nil {
		r.Error = &jsonrpc.Error{}
		if json.Unmarshal(m.Error, r.Error) != nil {
			return nil, ErrProtocol
		}
		return r, nil
	}
	r.Result = bytes.Clone(m.Result)
	return r, nil
}

func (c *Client) stream(ctx context.Context, resp *http.Response, id []byte, limit int, on incoming) (*Reply, error) {
	events := sse.NewReader(resp.Body, limit)
	broken := &brokenStream{}
	for {
		e, err := events.Next()
		if err != nil {
			if errors.Is(err, sse.ErrTooLarge) {
				return nil, ErrTooLarge
			}
			if !errors.Is(err, io.EOF) {
				if ctxErr := ctx.Err(); ctxErr != nil {
					return nil, Failed(ctx, ctxErr)
				}
				broken.cause = err
			}
			return nil, broken
		}
		broken.lastID = e.ID
		if e.Retry > 0 {
			broken.retry = e.Retry.Milliseconds()
		}
		if len(e.Data) == 0 || e.Type != "" && e.Type != "message" {
			continue
		}
		var m jsonrpc.Message
		if serr := jsonrpc.Scan(e.Data, &m); serr != nil {
			return nil, ErrProtocol
		}
		if m.Kind == jsonrpc.Response {
			if bytes.Equal(m.ID, id) || m.ID == nil && m.Error != nil {
				return reply(&m, resp.StatusCode)
			}
			continue
		}
		if on != nil {
			if err := on(e.Data, &m); err != nil {
				return nil, err
			}
		}
	}
}
