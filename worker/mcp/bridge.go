package mcp

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/mcp/aggregate"
	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/registry"
)

// Limits of bridging.
const (
	bridgeLife = 10 * time.Minute // how long it is remembered that a server needs it
	maxBridges = 4096
	maxRefusal = 64 << 10 // largest refusal that is read to find out why, in bytes
)

// bridges remembers which servers refuse which era of client. Between those the gateway
// answers by itself, as if it aggregated this one server.
type bridges struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func bridgeKey(rec *registry.Record, stateless bool) string {
	return rec.ServerID + "/" + strconv.FormatInt(rec.Version, 10) + "/" + strconv.FormatBool(stateless)
}

func (h *Handler) bridged(t upstream.Target, stateless bool) bool {
	if stateless {
		era := h.Upstream.Known(t.Record)
		return era != nil && !era.Modern
	}
	h.bridges.mu.Lock()
	defer h.bridges.mu.Unlock()
	if len(h.bridges.until) == 0 {
		return false
	}
	return time.Now().Before(h.bridges.until[bridgeKey(t.Record, stateless)])
}

func (h *Handler) needBridge(t upstream.Target, stateless bool) {
	h.bridges.mu.Lock()
	defer h.bridges.mu.Unlock()
	if h.bridges.until == nil || len(h.bridges.until) >= maxBridges {
		h.bridges.until = map[string]time.Time{}
	}
	h.bridges.until[bridgeKey(t.Record, stateless)] = time.Now().Add(bridgeLife)
}

// bridge serves a request in the other era than the server's.
func (h *Handler) bridge(w http.ResponseWriter, r *http.Request, t upstream.Target, body []byte, m *jsonrpc.Message, stateless bool) {
	h.count.bridgedReq.Inc()
	h.serve(h.bridging(w, r, t, stateless), body, m)
}

func (h *Handler) bridging(w http.ResponseWriter, r *http.Request, t upstream.Target, stateless bool) *exchange {
	x := &exchange{h: h, w: w, r: r, caller: t.Caller, space: &aggregate.Space{Servers: []*registry.Record{t.Record}, Plain: true}, stateless: stateless}
	if !stateless {
		x.session = first(r.Header, "Mcp-Session-Id") // which is checked
	}
	return x
}

// otherEra reports whether the server refused the request because it speaks the other era
// only. Such a refusal has executed nothing. The body of another refusal stays readable.
func (h *Handler) otherEra(r *http.Request, t upstream.Target, resp *http.Response, m *jsonrpc.Message, stateless bool) bool {
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnsupportedMediaType:
	default:
		return false
	}
	if m.Kind != jsonrpc.Request && m.Kind != jsonrpc.Notification || len(r.Header["Mcp-Session-Id"]) > 0 {
		return false
	}
	if era := h.Upstream.Known(t.Record); era != nil && era.Modern == stateless {
		return false
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	resp.Body = &rejoined{io.MultiReader(bytes.NewReader(head), resp.Body), resp.Body}
	if err != nil {
		return false
	}
	era, err := h.Upstream.Era(r.Context(), t)
	if err != nil || era.Modern == stateless || era.Both {
		return false
	}
	h.needBridge(t, stateless)
	return true
}

// rejoined is a body whose beginning was read.
type rejoined struct {
	io.Reader
	body io.Closer
}

func (b *rejoined) Close() error { return b.body.Close() }
