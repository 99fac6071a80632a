// Package mcp is the gateway's MCP endpoints: one upstream passed through, and
// several aggregated. It validates and decides by the request's envelope and lets the
// bytes of requests and results alone wherever it can.
package mcp

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp/admission"
	"github.com/grantway/grantway/worker/mcp/lists"
	"github.com/grantway/grantway/worker/mcp/session"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/metrics"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/resource"
)

// Limits of the endpoints.
type Limits struct {
	MaxBody       int           // request body, in bytes
	MaxHeader     int           // names and values of the request's headers, in bytes
	FanOut        int           // servers asked at once by one request: Workers allow six connections
	FanOutTimeout time.Duration // for one server's part of an aggregated answer
}

// DefaultLimits are the documented defaults.
var DefaultLimits = Limits{MaxBody: 4 << 20, MaxHeader: 64 << 10, FanOut: 5, FanOutTimeout: 10 * time.Second}

// Recorder is told of tool calls: for usage, audit and metrics. Its methods do not block.
type Recorder interface {
	// Called reports a finished call of a tool; latency is the time until the head of
	// the answer.
	Called(ctx context.Context, c Call)
	// Denied reports a call that policy refused.
	Denied(ctx context.Context, rec *registry.Record, p *access.Principal, tool, code string)
}

// Call is one call of a tool.
type Call struct {
	Record  *registry.Record
	Caller  *access.Principal
	Tool    string
	Status  int // HTTP status of the answer
	Failed  bool
	Latency time.Duration
}

// Config is what the endpoints need.
type Config struct {
	Gate     *admission.Gate
	Upstream *upstream.Client
	Lists    *lists.Lists
	Sessions *session.Codec
	KV       platform.KV // tells other instances what sessions are subscribed to; nil: does not
	Origins  *Origins
	Recorder Recorder          // may be nil
	Metrics  *metrics.Registry // may be nil
	Log      *slog.Logger
	Limits   Limits
	Version  string // the gateway's version, for serverInfo
	Memory   Memory // zero: no request is forwarded without ServeHTTP
	// ConnectURL answers where the sender of a request can connect an account at an
	// interactive server; nil: nowhere.
	ConnectURL func(r *http.Request, slug string) string
	// AcceptsTokens says whether callers may come with access tokens of an issuer; nil: no.
	AcceptsTokens func(context.Context) bool
}

// Handler serves /mcp, /mcp/{server} and /{server}/mcp.
type Handler struct {
	Config
	serverInfo    json.RawMessage
	bridges       bridges
	underWay      underWay
	subscriptions subscriptions
	count         *counters
}

// New makes the Handler.
func New(c Config) *Handler {
	info, err := json.Marshal(map[string]string{"name": "grantway", "version": c.Version})
	if err != nil {
		panic("mcp: server info: " + err.Error())
	}
	return &Handler{Config: c, serverInfo: info, count: newCounters(c.Metrics), subscriptions: subscriptions{kv: c.KV}}
}

// ServeHTTP serves an MCP request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ref, ok := resource.ServerOf(r.URL.Path)
	if !ok {
		h.fail(w, r, nil, errNotFound)
		return
	}
	if tooLong(r.Header, h.Limits.MaxHeader) {
		h.fail(w, r, nil, errHeaders)
		return
	}
	if !h.Origins.Admit(w, r) {
		h.fail(w, r, nil, errOrigin)
		return
	}
	if r.Method == http.MethodOptions {
		preflight(w, r)
		return
	}
	caller, err := h.Gate.Caller(r)
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	if ref == "" {
		h.aggregate(w, r, caller, nil)
		return
	}
	if strings.Contains(ref, ",") {
		h.aggregate(w, r, caller, strings.Split(ref, ","))
		return
	}
	rec, err := h.Gate.Server(r.Context(), caller, ref)
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	h.pass(w, r, upstream.Target{Record: rec, Caller: caller})
}
