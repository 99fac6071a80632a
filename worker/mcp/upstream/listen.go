package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/rawjson"
)

// ErrNoStream means that the server offers no stream of notifications.
var ErrNoStream = errors.New("upstream: the server offers no stream of notifications")

// Listening is what Listen asks for.
type Listening struct {
	Target
	Filter       rawjson.Object  // of subscriptions/listen
	URIs         []string        // resources of the filter, for servers of the session era
	Capabilities json.RawMessage // that the caller declared on this request; nil: none
	Header       http.Header     // traceparent and allow-listed headers
	// OpenTimeout is the time until the head of the stream; after it there is no limit.
	OpenTimeout time.Duration
	// Opened is called when the stream is open; Heard for what it brings. An error of Heard ends it.
	Opened func()
	Heard  func(raw []byte, m *jsonrpc.Message) error
}

// Listen holds a stream of notifications until the server ends it, ctx ends or l.Heard answers an error: a
// subscription at a modern server, the GET stream of a session of its own at another.
func (c *Client) Listen(ctx context.Context, l *Listening) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(l.OpenTimeout, func() { cancel(ErrTimeout) })
	defer late.Stop()
	era, err := c.Era(ctx, l.Target)
	if err != nil {
		return err
	}
	opened := func() {
		if late.Stop() {
			l.Opened()
		}
	}
	if !era.Modern {
		return c.listenLegacy(ctx, l, era, opened)
	}
	id := strconv.AppendInt(nil, lastID.Add(1), 10)
	params := rawjson.Object{}
	params.Set("notifications", l.Filter.Encode())
	body := jsonrpc.AppendRequest(nil, id, "subscriptions/listen", c.modernParams(params.Encode(), era.Version, l.Capabilities, nil))
	h := modernHeader(era.Version, "subscriptions/listen", "", false)
	maps.Copy(h, l.Header)
	return c.listen(ctx, l.Target, http.MethodPost, h, body, id, opened, func(raw []byte, m *jsonrpc.Message) error {
		if m.Kind != jsonrpc.Notification {
			return nil
		}
		return l.Heard(raw, m)
	})
}

func (c *Client) listenLegacy(ctx context.Context, l *Listening, era *Era, opened func()) error {
	s, err := c.open(ctx, l.Target, era.Version)
	if err != nil {
		return err
	}
	defer c.release(ctx, l.Target, s)
	for _, uri := range l.URIs {
		params := rawjson.Object{}
		params.SetText("uri", uri)
		if _, _, err := c.exchange(ctx, &Call{Target: l.Target, Method: "resources/subscribe", Params: params.Encode(), Header: l.Header}, s); err != nil {
			return err
		}
	}
	h := legacyHeader(s.version, s.id)
	h["Accept"] = acceptStream
	delete(h, "Content-Type")
	maps.Copy(h, l.Header)
	return c.listen(ctx, l.Target, http.MethodGet, h, nil, nil, opened, func(raw []byte, m *jsonrpc.Message) error {
		switch m.Kind {
		case jsonrpc.Request:
			return c.decline(ctx, l.Target, s, m)
		case jsonrpc.Notification:
			return l.Heard(raw, m)
		}
		return nil
	})
}

// listen opens the stream and reads it.
func (c *Client) listen(ctx context.Context, t Target, method string, header http.Header, body, id []byte, opened func(), on incoming) error {
	resp, err := c.Send(ctx, t, method, header, body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode == http.StatusMethodNotAllowed || resp.StatusCode == http.StatusNotFound:
		return ErrNoStream
	case resp.StatusCode != http.StatusOK:
		return Status(resp.StatusCode)
	case !IsSSE(resp.Header):
		return ErrNoStream
	}
	opened()
	_, err = c.stream(ctx, resp, id, c.Limits.MaxResponse, on)
	return err
}
