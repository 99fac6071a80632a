package mcp

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/mcp/admission"
	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/mirror"
	"github.com/grantway/grantway/worker/mcp/policy"
	"github.com/grantway/grantway/worker/mcp/session"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

// pass serves the endpoint of one server: what the client sends reaches the server with
// its bytes unchanged, and so does the answer.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request, t upstream.Target) {
	switch r.Method {
	case http.MethodPost:
		h.passPost(w, r, t)
	case http.MethodGet, http.MethodDelete:
		h.passSession(w, r, t)
	default:
		w.Header().Set("Allow", "POST, GET, DELETE")
		h.fail(w, r, nil, errMethod)
	}
}

func (h *Handler) passPost(w http.ResponseWriter, r *http.Request, t upstream.Target) {
	var m jsonrpc.Message
	body, stateless, err := h.receive(r, &m)
	listing := false
	if err == nil {
		listing, err = h.permit(r, t, &m, body)
	}
	if err != nil {
		h.fail(w, r, m.ID, err)
		return
	}
	r, body = h.offering(r, t, &m, body, stateless)
	if stateless && m.Method == "server/discover" && h.Upstream.Known(t.Record) == nil {
		// A server of the session era may answer it too, with versions that the client does not speak.
		_, _ = h.Upstream.Era(r.Context(), t)
	}
	if h.bridged(t, stateless) {
		h.bridge(w, r, t, body, &m, stateless)
		return
	}
	header := forward(r, t)
	if !stateless {
		bridged, err := h.openSession(r, t, header)
		if err != nil {
			h.fail(w, r, m.ID, err)
			return
		}
		if bridged {
			h.bridge(w, r, t, body, &m, stateless)
			return
		}
	}
	// A subscription needs no slot: it waits for nothing but changes.
	var slot admission.Hold
	if m.Method != listenMethod {
		if slot, err = h.Gate.Slots.Take(t.Record, t.Caller); err != nil {
			h.fail(w, r, m.ID, err)
			return
		}
	}
	defer func() { slot.Release() }()
	resp, took, err := h.sendPost(r, t, header, body)
	other := err == nil && h.otherEra(r, t, resp, &m, stateless)
	if other {
		_ = resp.Body.Close()
	}
	if other || err != nil && beginsAnyway(r, &m, err) {
		slot.Release() // each call of a bridge takes its own
		slot = admission.Hold{}
		h.bridge(w, r, t, body, &m, stateless)
		return
	}
	if m.Method == "tools/call" {
		status := 0
		if err == nil {
			status = resp.StatusCode
		} else {
			status = problem.From(err).Status
		}
		h.called(r.Context(), t, m.Name, status, status >= 400, took)
	}
	if err != nil {
		h.fail(w, r, m.ID, err)
		return
	}
	h.relay(w, r, t, resp, m.ID, stateless, listing, m.Method == listenMethod)
}

// sendPost sends the request and tells how long the head of the answer took.
func (h *Handler) sendPost(r *http.Request, t upstream.Target, header http.Header, body []byte) (*http.Response, time.Duration, error) {
	start := time.Now()
	resp, err := h.Upstream.Send(r.Context(), t, http.MethodPost, header, body)
	took := time.Since(start)
	h.count.passed.Inc()
	h.count.head.Observe(took.Seconds())
	return resp, took, err
}

// passSession serves GET (the standalone stream) and DELETE of a legacy session.
func (h *Handler) passSession(w http.ResponseWriter, r *http.Request, t upstream.Target) {
	if upstream.IsModern(first(r.Header, "Mcp-Protocol-Version")) {
		w.Header().Set("Allow", "POST")
		h.fail(w, r, nil, errMethod)
		return
	}
	if r.Method == http.MethodGet && !accepts(r.Header["Accept"], false, true) {
		h.fail(w, r, nil, errAccept)
		return
	}
	header := forward(r, t)
	delete(header, "Content-Type")
	bridged, err := h.openSession(r, t, header)
	if err == nil && bridged {
		if r.Method == http.MethodGet {
			h.listen(h.bridging(w, r, t, false), nil)
			return
		}
		w.Header().Set("Allow", "POST, GET")
		err = errMethod
	}
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	resp, err := h.Upstream.Send(r.Context(), t, r.Method, header, nil)
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	// A resumed stream may bring the answer to an earlier tools/list.
	listing := r.Method == http.MethodGet && (policy.Restricts(t.Record, t.Caller) || policy.Rewrites(t.Record))
	h.relay(w, r, t, resp, nil, false, listing, true)
}

// permit applies policy to every message of the body, and reports whether one asks for
// the list of tools.
func (h *Handler) permit(r *http.Request, t upstream.Target, m *jsonrpc.Message, body []byte) (listing bool, err error) {
	switch {
	case m.Kind == jsonrpc.Batch:
		malformed := jsonrpc.Each(body, func(_ []byte, m *jsonrpc.Message, e *jsonrpc.Error) bool {
			if e != nil {
				err = e
				return false
			}
			var list bool
			list, err = h.permit(r, t, m, nil)
			listing = listing || list
			return err == nil
		})
		if malformed != nil {
			return false, malformed
		}
		return listing, err
	case m.Method == "tools/list":
		return true, nil
	case m.Method == "tools/call":
		if err := h.permitTool(r.Context(), t, m.Name, m.Arguments); err != nil {
			return false, err
		}
		if m.ProtocolVersion != "" {
			return false, h.checkParams(r.Header, t.Record, m.Name, m.Arguments)
		}
	}
	return false, nil
}

// permitTool applies policy to a call; tool is the server's name for it.
func (h *Handler) permitTool(ctx context.Context, t upstream.Target, tool string, arguments []byte) error {
	err := policy.Check(t.Record, t.Caller, tool, arguments)
	if err != nil && h.Recorder != nil {
		h.Recorder.Denied(ctx, t.Record, t.Caller, tool, problem.From(err).Code)
	}
	return err
}

func (h *Handler) called(ctx context.Context, t upstream.Target, tool string, status int, failed bool, latency time.Duration) {
	if h.Recorder != nil {
		h.Recorder.Called(ctx, Call{t.Record, t.Caller, tool, status, failed, latency})
	}
}

// openSession puts the server's own session id in the place of the client's. A session
// without one was opened by the gateway for a server of the other era (bridged).
func (h *Handler) openSession(r *http.Request, t upstream.Target, header http.Header) (bridged bool, err error) {
	id := first(r.Header, "Mcp-Session-Id")
	if id == "" {
		return false, nil
	}
	s, err := h.Sessions.Decode(id, t.Record.ServerID, t.Caller.ID)
	if err != nil {
		return false, errSession
	}
	header["Mcp-Session-Id"] = []string{s.Upstream}
	return s.Upstream == "", nil
}

var (
	identity  = []string{"identity"}
	userAgent = []string{"grantway"}
)

// forward makes the headers of a passed-through request from the client's: MCP's own,
// and Extra.
func forward(r *http.Request, t upstream.Target) http.Header {
	out := Extra(r, t)
	for _, name := range [...]string{"Accept", "Content-Type", "Mcp-Protocol-Version", "Mcp-Method", "Mcp-Name", "Last-Event-Id"} {
		if v := r.Header[name]; len(v) > 0 {
			out[name] = v
		}
	}
	out["Accept-Encoding"] = identity
	return out
}

// Extra answers what goes with every request to the server besides MCP's own headers: the
// arguments repeated in headers, trace context, and what the record allow-lists. A
// credential of the caller is never part of it.
func Extra(r *http.Request, t upstream.Target) http.Header {
	out := make(http.Header, 12)
	for name, v := range r.Header {
		switch name {
		case "Traceparent", "Tracestate", "Baggage":
			out[name] = v
		default:
			if strings.HasPrefix(name, mirror.ParamPrefix) {
				out[name] = v
			}
		}
	}
	out["User-Agent"] = userAgent
	for _, name := range t.Record.ForwardHeaders {
		name = http.CanonicalHeaderKey(name)
		if v := r.Header[name]; len(v) > 0 && mayForward(r, name) {
			out[name] = v
		}
	}
	return out
}

// mayForward refuses headers that hold the caller's Grantway credential or belong
// to the connection, whatever a record lists.
func mayForward(r *http.Request, name string) bool {
	switch name {
	case "X-Grantway-Key", "X-Litellm-Api-Key", "Cookie", "Proxy-Authorization", "Host", "Connection", "Content-Length",
		"Transfer-Encoding", "Te", "Trailer", "Upgrade", "Keep-Alive", "Accept", "Accept-Encoding", "Content-Type", "Expect", "Last-Event-Id":
		return false
	case "Authorization":
		// The key came by another header, so this one is not the gateway's.
		return first(r.Header, "X-Grantway-Key") != "" || first(r.Header, "X-Litellm-Api-Key") != ""
	}
	return !strings.HasPrefix(name, "Mcp-")
}

// relay sends the answer to the client. What Go need not see goes on without it; lists of
// tools are read, because policy, display names and SEP-2243 concern them, and so are streams of
// notifications (watched), which say that lists have changed.
func (h *Handler) relay(w http.ResponseWriter, r *http.Request, t upstream.Target, resp *http.Response, id []byte, stateless, listing, watched bool) {
	if err := unrelayable(resp); err != nil {
		_ = resp.Body.Close()
		h.fail(w, r, id, err)
		return
	}
	head := w.Header()
	for _, name := range [...]string{"Content-Type", "Content-Encoding", "Cache-Control", "Retry-After", "X-Accel-Buffering", "Allow", "Mcp-Protocol-Version"} {
		if v := resp.Header[name]; len(v) > 0 {
			head[name] = v
		}
	}
	head["X-Content-Type-Options"] = nosniff
	if own := first(resp.Header, "Mcp-Session-Id"); own != "" && !stateless {
		wrapped, err := h.wrapSession(r, t, own)
		if err != nil {
			_ = resp.Body.Close()
			h.fail(w, r, id, err)
			return
		}
		head["Mcp-Session-Id"] = []string{wrapped}
	}
	if listing && resp.StatusCode == http.StatusOK {
		h.relayList(w, r, t, resp, id, stateless)
		return
	}
	if watched && resp.StatusCode == http.StatusOK && upstream.IsSSE(resp.Header) && resp.Header["Content-Encoding"] == nil {
		defer func() { _ = resp.Body.Close() }()
		h.relayStream(w, r, t, resp, false, stateless)
		return
	}
	if v := resp.Header["Content-Length"]; len(v) > 0 {
		head["Content-Length"] = v
	}
	w.WriteHeader(resp.StatusCode)
	_ = platform.PassBody(w, resp.Body)
}

var nosniff = []string{"nosniff"}

func (h *Handler) wrapSession(r *http.Request, t upstream.Target, id string) (string, error) {
	if !session.ValidUpstream(id) {
		return "", upstream.ErrProtocol
	}
	if mine := first(r.Header, "Mcp-Session-Id"); mine != "" { // an echo keeps the client's id
		if s, err := h.Sessions.Decode(mine, t.Record.ServerID, t.Caller.ID); err == nil && s.Upstream == id {
			return mine, nil
		}
	}
	wrapped, err := h.Sessions.Encode(session.Session{Server: t.Record.ServerID, Caller: t.Caller.ID, Upstream: id, Opened: time.Now(), OpensURLs: offerOf(r).opens})
	if err != nil {
		return "", upstream.ErrProtocol
	}
	return wrapped, nil
}

// unrelayable answers why an answer is not the client's to see: the upstream's
// challenge, a redirect, or a failure that is not MCP's.
func unrelayable(resp *http.Response) error {
	switch s := resp.StatusCode; {
	case s == http.StatusUnauthorized || s == http.StatusForbidden || s >= 300 && s < 400 || s < 200:
		return upstream.Status(s)
	case s >= 500 && !upstream.IsJSON(resp.Header):
		return upstream.Status(s)
	}
	return nil
}
