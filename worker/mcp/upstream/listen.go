package upstream

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
)

// Listen holds a subscription at a modern server (subscriptions/listen) until the server
// ends it, ctx ends or on answers an error. It has no time limit but the head's.
func (c *Client) Listen(ctx context.Context, t Target, params json.RawMessage, header http.Header, on func(raw []byte, m *jsonrpc.Message) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	id := strconv.AppendInt(nil, lastID.Add(1), 10)
	body := jsonrpc.AppendRequest(nil, id, "subscriptions/listen", c.modernParams(params, Modern, nil, nil))
	h := modernHeader(Modern, "subscriptions/listen", "", false)
	maps.Copy(h, header)
	resp, err := c.Send(ctx, t, http.MethodPost, h, body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK || !IsSSE(resp.Header) {
		return Status(resp.StatusCode)
	}
	_, err = c.stream(ctx, resp, id, func(raw []byte, m *jsonrpc.Message) error {
		if m.Kind != jsonrpc.Notification {
			return nil
		}
		return on(raw, m)
	})
	return err
}
