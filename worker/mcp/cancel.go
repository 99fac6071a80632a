package mcp

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/rawjson"
)

// errCancelled ends a request that its client no longer wants. The client does not wait for an
// answer; its HTTP request gets one nevertheless.
var errCancelled error = &jsonrpc.Error{Code: jsonrpc.CodeInternal, Message: "The request was cancelled.", Data: json.RawMessage(`{"code":"request_cancelled"}`)}

// underWay are the requests of legacy clients that this instance works on, by session and id: there a closed
// connection cancels nothing, a notification does. One that reaches another instance has no effect.
type underWay struct {
	mu     sync.Mutex
	cancel map[string]context.CancelCauseFunc
}

func (u *underWay) begin(x *exchange, m *jsonrpc.Message) (context.Context, func()) {
	ctx := x.r.Context()
	if x.session == "" || m.Method == "initialize" {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	key := x.session + string(m.ID)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.cancel == nil {
		u.cancel = map[string]context.CancelCauseFunc{}
	}
	u.cancel[key] = cancel
	return ctx, func() {
		cancel(nil)
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.cancel, key)
	}
}

// notified takes note of a legacy client's notification.
func (x *exchange) notified(m *jsonrpc.Message) {
	if m.Method != "notifications/cancelled" || x.session == "" {
		return
	}
	params, _ := rawjson.ParseObject(m.Params)
	u := &x.h.underWay
	u.mu.Lock()
	defer u.mu.Unlock()
	if cancel := u.cancel[x.session+string(params.Get("requestId"))]; cancel != nil {
		cancel(errCancelled)
	}
}
