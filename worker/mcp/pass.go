package mcp

import (
	"net/http"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
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
	if err := checkPost(r.Header); err != nil {
		h.fail(w, r, nil, err)
		return
	}
	body, err := readBody(r, h.Limits.MaxBody)
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	var m jsonrpc.Message
	if err := jsonrpc.Scan(body, &m); err != nil {
		h.fail(w, r, m.ID, err)
		return
	}
	stateless := modern(r.Header, &m)
	if stateless {
		err = checkModern(r.Header, &m)
	} else {
		err = checkLegacy(r.Header, &m)
	}
	if err == nil {
		err = h.permit(r, t, &m, body)
	}
	if err != nil {
		h.fail(w, r, m.ID, err)
		return
	}
	header := Forward(r, t)
	if !stateless {
		if err := h.openSession(r, t, header); err != nil {
			h.fail(w, r, m.ID, err)
			return
		}
	}
	slot, err := h.Gate.Slots.Take(t.Record, t.Caller)
	if err != nil {
		h.fail(w, r, m.ID, err)
		return
	}
	defer slot.Release()
	start := time.Now()
	resp, err := h.Upstream.Send(r.Context(), t, http.MethodPost, header, body)
	status := http.StatusBadGateway
	if err == nil {
		status = resp.StatusCode
	}
	h.called(r, t, &m, status, time.Since(start))
	if err != nil {
		h.fail(w, r, m.ID, err)
		return
	}
	h.relay(w, r, t, resp, &m, stateless)
}

// passSession serves GET (the standalone stream) and DELETE of a legacy session.
func (h *Handler) passSession(w http.ResponseWriter, r *http.Request, t upstream.Target) {
	if upstream.IsModern(first(r.Header, "Mcp-Protocol-Version")) {
		w.Header().Set("Allow", "POST")
		h.fail(w, r, nil, errMethod)
		return
	}
	if r.Method == http.MethodGet && !accepts(r.Header, false, true) {
		h.fail(w, r, nil, errAccept)
		return
	}
	header := Forward(r, t)
	delete(header, "Content-Type")
	if err := h.openSession(r, t, header); err != nil {
		h.fail(w, r, nil, err)
		return
	}
	resp, err := h.Upstream.Send(r.Context(), t, r.Method, header, nil)
	if err != nil {
		h.fail(w, r, nil, err)
		return
	}
	h.relay(w, r, t, resp, &jsonrpc.Message{}, false)
}

// permit applies policy to every message of the body.
func (h *Handler) permit(r *http.Request, t upstream.Target, m *jsonrpc.Message, body []byte) error {
	if m.Kind == jsonrpc.Batch {
		var denied error
		if err := jsonrpc.Each(body, func(_ []byte, m *jsonrpc.Message, err *jsonrpc.Error) bool {
			if err != nil {
				denied = err
			} else {
				denied = h.permit(r, t, m, nil)
			}
			return denied == nil
		}); err != nil {
			return err
		}
		return denied
	}
	if m.Method != "tools/call" {
		return nil
	}
	err := policy.Check(t.Record, t.Caller, m.Name, m.Arguments)
	if err != nil && h.Recorder != nil {
		h.Recorder.Denied(r.Context(), t.Record, t.Caller, m.Name, problem.From(err).Code)
	}
	return err
}

func (h *Handler) called(r *http.Request, t upstream.Target, m *jsonrpc.Message, status int, latency time.Duration) {
	if h.Recorder == nil || m.Method != "tools/call" {
		return
	}
	h.Recorder.Called(r.Context(), Call{t.Record, t.Caller, m.Name, status, status >= 400, latency})
}

// openSession puts the server's own session id in the place of the client's.
func (h *Handler) openSession(r *http.Request, t upstream.Target, header http.Header) error {
	id := first(r.Header, "Mcp-Session-Id")
	if id == "" {
		return nil
	}
	s, err := h.Sessions.Decode(id, t.Record.ServerID, t.Caller.ID)
	if err != nil {
		return errSession
	}
	header["Mcp-Session-Id"] = []string{s.Upstream}
	return nil
}

var (
	identity  = []string{"identity"}
	userAgent = []string{"grantway"}
)

// Forward makes the upstream request's headers from the client's: MCP's own, trace
// context, and what the record allow-lists. A credential of the caller is never one of them.
func Forward(r *http.Request, t upstream.Target) http.Header {
	out := make(http.Header, 12)
	for name, v := range r.Header {
		switch name {
		case "Accept", "Content-Type", "Mcp-Protocol-Version", "Mcp-Method", "Mcp-Name", "Last-Event-Id", "Traceparent", "Tracestate", "Baggage":
			out[name] = v
		default:
			if strings.HasPrefix(name, "Mcp-Param-") {
				out[name] = v
			}
		}
	}
	out["Accept-Encoding"] = identity
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
		"Transfer-Encoding", "Te", "Trailer", "Upgrade", "Keep-Alive", "Mcp-Session-Id", "Accept-Encoding", "Expect":
		return false
	case "Authorization":
		// The key came by another header, so this one is not the gateway's.
		return len(r.Header["X-Grantway-Key"]) > 0 || len(r.Header["X-Litellm-Api-Key"]) > 0
	}
	return true
}

// relay sends the answer to the client.
func (h *Handler) relay(w http.ResponseWriter, r *http.Request, t upstream.Target, resp *http.Response, m *jsonrpc.Message, stateless bool) {
	if err := unrelayable(resp); err != nil {
		_ = resp.Body.Close()
		h.fail(w, r, m.ID, err)
		return
	}
	head := w.Header()
	for _, name := range [...]string{"Content-Type", "Content-Encoding", "Cache-Control", "Retry-After", "X-Accel-Buffering", "Allow", "Mcp-Protocol-Version"} {
		if v := resp.Header[name]; len(v) > 0 {
			head[name] = v
		}
	}
	head["X-Content-Type-Options"] = nosniff
	if id := first(resp.Header, "Mcp-Session-Id"); id != "" && !stateless {
		wrapped, err := h.wrapSession(r, t, id)
		if err != nil {
			_ = resp.Body.Close()
			h.fail(w, r, m.ID, err)
			return
		}
		head["Mcp-Session-Id"] = []string{wrapped}
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
	wrapped, err := h.Sessions.Encode(session.Session{Server: t.Record.ServerID, Caller: t.Caller.ID, Upstream: id, Opened: time.Now()})
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
