package mcp

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp/admission"
	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/policy"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
)

// Memory is what an instance has at hand, so that a call can be forwarded without waiting: callers, records, credentials.
type Memory struct {
	Keys interface {
		Remembered(secret string) *access.Principal
	}
	Records interface {
		Remembered(slug string) *registry.Record
	}
	Tokens interface {
		AtHand(rec *registry.Record, now time.Time, f *platform.Forwarding) bool
	}
}

// passed are the fields of an answer that relay passes on.
const passed = "content-type,content-encoding,cache-control,retry-after,x-accel-buffering,allow,mcp-protocol-version,content-length"

// Forward is the shortest way of the most frequent requests: a call of a modern client, or a message of a legacy one, to one
// server, when all that it takes is at hand. What is in any way unusual is left to ServeHTTP, which decides by the same
// rules and answers in full. slug is the server of the request's path.
func (h *Handler) Forward(head *platform.Head, slug string, f *platform.Forwarding) bool {
	var in fields
	if h.Memory.Keys == nil || head.Method != "POST" || len(head.Body) > h.Limits.MaxBody || len(h.Origins.Hosts) > 0 || !in.read(head, h.Limits.MaxHeader) {
		return false
	}
	caller := h.Memory.Keys.Remembered(in.secret)
	if caller == nil {
		return false
	}
	rec := h.Memory.Records.Remembered(slug)
	if rec == nil || rec.Disabled || !admission.MayUse(caller, rec) || len(rec.ForwardHeaders) > 0 {
		return false
	}
	var m jsonrpc.Message
	if jsonrpc.Scan(head.Body, &m) != nil {
		return false
	}
	t := upstream.Target{Record: rec, Caller: caller}
	modern := upstream.IsModern(in.version)
	var own string // id of the session at the server
	if modern {
		if !h.simple(&m, &in, t) {
			return false
		}
	} else {
		var ok bool
		if own, ok = h.simpleLegacy(&m, &in, t); !ok {
			return false
		}
	}
	now := time.Now()
	if !h.Memory.Tokens.AtHand(rec, now, f) || !h.Gate.Rate.TakeNow(caller) {
		return false
	}
	slot, err := h.Gate.Slots.Take(rec, caller)
	if err != nil {
		h.Gate.Rate.Return(caller)
		return false
	}
	f.Method, f.Pass, f.Timeout = "POST", passed, h.Upstream.HeadTimeout(rec)
	f.Header = append(f.Header,
		platform.Field{Name: "Accept", Value: in.accept}, platform.Field{Name: "Content-Type", Value: mediaJSON},
		platform.Field{Name: "Accept-Encoding", Value: "identity"}, platform.Field{Name: "User-Agent", Value: userAgent[0]})
	if in.version != "" {
		f.Header = append(f.Header, platform.Field{Name: "Mcp-Protocol-Version", Value: in.version})
	}
	if modern {
		f.Header = append(f.Header, platform.Field{Name: "Mcp-Method", Value: m.Method}, platform.Field{Name: "Mcp-Name", Value: in.name})
	} else {
		f.Swap = platform.Swap{Name: "mcp-session-id", Theirs: own, Ours: in.session}
		if own != "" {
			f.Header = append(f.Header, platform.Field{Name: "Mcp-Session-Id", Value: own})
		}
	}
	for _, i := range in.others[:in.count] {
		f.Header = append(f.Header, head.Fields[i])
	}
	f.Reply = append(f.Reply, platform.Field{Name: "X-Content-Type-Options", Value: nosniff[0]})
	o := ongoing.Get().(*forwarded)
	*o = forwarded{h, t, "", slot, now}
	if m.Method == "tools/call" {
		o.tool = m.Name
	}
	f.Forwarded = o
	return true
}

// simple reports whether a modern client's message needs nothing but to be sent on.
func (h *Handler) simple(m *jsonrpc.Message, in *fields, t upstream.Target) bool {
	target, has := m.Target()
	if m.Kind != jsonrpc.Request || !has || target == "" || target != in.name || strings.HasPrefix(in.name, "=?") || in.method != m.Method ||
		m.ProtocolVersion != in.version || m.ClientCapabilities == nil || in.session != "" {
		return false
	}
	if interactive(t.Record) || h.bridged(t, true) {
		return false
	}
	switch m.Method {
	case "tools/call":
		return policy.Check(t.Record, t.Caller, m.Name, m.Arguments) == nil && len(h.Lists.Mirrored(t.Record, m.Name)) == 0
	case "prompts/get", "resources/read":
		return true
	}
	return false
}

// simpleLegacy reports whether a legacy client's message needs nothing but to be sent on, with the server's own session id in
// the place of the client's; "" if there is no session.
func (h *Handler) simpleLegacy(m *jsonrpc.Message, in *fields, t upstream.Target) (own string, ok bool) {
	if m.Kind == jsonrpc.Batch || m.ProtocolVersion != "" || in.version != "" && !knownLegacy(in.version) || in.method != "" || in.name != "" {
		return "", false
	}
	if interactive(t.Record) || h.bridged(t, false) {
		return "", false
	}
	switch m.Method {
	case "tools/call":
		if m.Name == "" || policy.Check(t.Record, t.Caller, m.Name, m.Arguments) != nil {
			return "", false
		}
	case "initialize", "server/discover", "tools/list", listenMethod:
		return "", false
	}
	if in.session == "" {
		return "", true
	}
	s, err := h.Sessions.Decode(in.session, t.Record.ServerID, t.Caller.ID)
	if err != nil {
		return "", false
	}
	return s.Upstream, s.Upstream != ""
}

const mediaJSON = "application/json"

// fields are the header fields that Forward decides by.
type fields struct {
	secret, version, session, method, name, accept string

	others [8]int // further ones that go with the request, by their place
	count  int
}

// read takes the fields out of the head. It answers false for what Forward does not decide about.
func (in *fields) read(head *platform.Head, limit int) bool {
	var contentType, bearer string
	var lower [24]byte
	for i := range head.Fields {
		f := &head.Fields[i]
		limit -= len(f.Name) + len(f.Value)
		n := len(f.Name)
		if n > len(lower) {
			if hasParamPrefix(f.Name) {
				return false
			}
			continue
		}
		for j := range n {
			c := f.Name[j]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			lower[j] = c
		}
		var into *string
		switch string(lower[:n]) {
		case "authorization":
			into = &bearer
		case "x-grantway-key":
			into = &in.secret
		case "content-type":
			into = &contentType
		case "accept":
			into = &in.accept
		case "mcp-protocol-version":
			into = &in.version
		case "mcp-session-id":
			into = &in.session
		case "mcp-method":
			into = &in.method
		case "mcp-name":
			into = &in.name
		case "traceparent", "tracestate", "baggage":
			if in.count == len(in.others) {
				return false
			}
			in.others[in.count] = i
			in.count++
			continue
		case "origin", "x-litellm-api-key", "last-event-id", "content-encoding", "transfer-encoding":
			return false
		default:
			if hasParamPrefix(f.Name) {
				return false
			}
			continue
		}
		if *into != "" || f.Value == "" {
			return false // what is there twice, or empty, is not usual
		}
		*into = f.Value
	}
	if limit < 0 || contentType != mediaJSON || !accepts([]string{in.accept}, true, true) {
		return false
	}
	if bearer != "" {
		if in.secret != "" || len(bearer) < 7 || !strings.EqualFold(bearer[:7], "bearer ") {
			return false
		}
		in.secret = bearer[7:]
	}
	return in.secret != ""
}

func hasParamPrefix(name string) bool {
	return len(name) > 10 && strings.EqualFold(name[:10], "Mcp-Param-")
}

// forwarded is a call that the host forwards.
type forwarded struct {
	h      *Handler
	target upstream.Target
	tool   string // "" for what is not a call of a tool
	slot   admission.Hold
	start  time.Time
}

var ongoing = sync.Pool{New: func() any { return new(forwarded) }}

// Passed implements platform.Forwarded.
func (o *forwarded) Passed(status int, took time.Duration) {
	h := o.h
	if took == 0 {
		took = time.Since(o.start)
	}
	o.slot.Release()
	h.count.passed.Inc()
	h.count.head.Observe(took.Seconds())
	if o.tool != "" {
		h.called(context.Background(), o.target, o.tool, status, false, took)
	}
	o.forget()
}

// Kept implements platform.Forwarded. ServeHTTP counts the request.
func (o *forwarded) Kept() {
	o.slot.Release()
	o.h.Gate.Rate.Return(o.target.Caller)
	o.forget()
}

func (o *forwarded) forget() {
	*o = forwarded{}
	ongoing.Put(o)
}
