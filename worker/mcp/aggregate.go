package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp/admission"
	"github.com/grantway/grantway/worker/mcp/aggregate"
	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/lists"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/mcp/session"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// MetaUnavailable is the member of a result's _meta that names the servers whose part
// is missing: [{"server","code","message"}].
const MetaUnavailable = "com.github.grantway/unavailable"

// aggregate serves the endpoint of several servers. A legacy client's session is no more than its id, so
// that any instance can serve any request.
func (h *Handler) aggregate(w http.ResponseWriter, r *http.Request, caller *access.Principal, refs []string) {
	var m jsonrpc.Message
	var body []byte
	var stateless bool
	var err error
	switch {
	case r.Method == http.MethodPost:
		body, stateless, err = h.receive(r, &m)
	case r.Method != http.MethodGet || upstream.IsModern(first(r.Header, "Mcp-Protocol-Version")):
		w.Header().Set("Allow", "POST, GET")
		err = errMethod
	case !accepts(r.Header["Accept"], false, true):
		err = errAccept
	}
	id := ""
	if err == nil && !stateless {
		if id = first(r.Header, "Mcp-Session-Id"); id != "" {
			if _, derr := h.Sessions.Decode(id, "", caller.ID); derr != nil {
				err = errSession
			}
		}
	}
	space := &aggregate.Space{}
	if err == nil {
		space.Servers, err = h.scope(r, caller, refs)
	}
	if err != nil {
		h.fail(w, r, m.ID, err)
		return
	}
	h.count.aggregated.Inc()
	x := &exchange{h: h, w: w, r: r, caller: caller, space: space, stateless: stateless, session: id}
	if r.Method == http.MethodGet {
		h.listen(x, nil)
		return
	}
	x.r = withOffer(r, &offer{stateless: stateless, opens: h.opens(r, &m, "", caller.ID, stateless)})
	h.serve(x, body, &m)
}

// scope answers the servers of an aggregated request: those named, by the path or
// by X-Grantway-Servers (x-mcp-servers), or all that the caller may use.
func (h *Handler) scope(r *http.Request, caller *access.Principal, refs []string) ([]*registry.Record, error) {
	if refs == nil {
		for _, name := range [...]string{"X-Grantway-Servers", "X-Mcp-Servers"} {
			for _, v := range r.Header[name] {
				refs = append(refs, strings.Split(v, ",")...)
			}
		}
	}
	if refs == nil {
		return h.Gate.Servers(r.Context(), caller)
	}
	var recs []*registry.Record
	var all []*registry.Record
	for _, ref := range refs {
		ref = strings.TrimSpace(ref)
		if ref == "" {
			continue
		}
		rec, err := h.Gate.Server(r.Context(), caller, ref)
		if err == nil {
			recs = appendOnce(recs, rec)
			continue
		}
		if problem.From(err).Status != http.StatusNotFound {
			return nil, err
		}
		if all == nil { // the name of a group
			if all, err = h.Gate.Servers(r.Context(), caller); err != nil {
				return nil, err
			}
		}
		found := false
		for _, rec := range all {
			if slices.Contains(rec.Groups, ref) {
				recs, found = appendOnce(recs, rec), true
			}
		}
		if !found {
			return nil, admission.ErrNoServer
		}
	}
	slices.SortFunc(recs, func(a, b *registry.Record) int { return strings.Compare(a.Slug, b.Slug) })
	return recs, nil
}

func appendOnce(recs []*registry.Record, rec *registry.Record) []*registry.Record {
	if slices.ContainsFunc(recs, func(r *registry.Record) bool { return r.ServerID == rec.ServerID }) {
		return recs
	}
	return append(recs, rec)
}

// exchange is one client request that the gateway answers itself.
type exchange struct {
	h         *Handler
	w         http.ResponseWriter
	r         *http.Request
	caller    *access.Principal
	space     *aggregate.Space
	stateless bool   // the client's era
	session   string // id of a legacy client's session with the gateway; "" without one
	out       sink
}

func (x *exchange) target(rec *registry.Record) upstream.Target {
	return upstream.Target{Record: rec, Caller: x.caller}
}

// serve answers a checked message in the client's era, whatever era the servers speak.
func (h *Handler) serve(x *exchange, body []byte, m *jsonrpc.Message) {
	x.out.w, x.out.stateless = x.w, x.stateless
	switch m.Kind {
	case jsonrpc.Notification, jsonrpc.Response:
		x.notified(m)
		x.w.WriteHeader(http.StatusAccepted)
		return
	case jsonrpc.Batch:
		h.serveBatch(x, body)
		return
	}
	if x.stateless && !slices.Contains(upstream.ModernVersions, m.ProtocolVersion) {
		h.fail(x.w, x.r, m.ID, unsupported(m.ProtocolVersion))
		return
	}
	if x.stateless && m.Method == listenMethod {
		h.listen(x, m)
		return
	}
	result, err := x.dispatch(m, true)
	defer x.out.close()
	if x.out.begun() { // the head is sent: the answer is the last event
		if err != nil {
			_, message := h.connectFirst(x.r, m.ID, problem.From(err))
			if message == nil {
				message = jsonrpc.AppendError(nil, m.ID, h.rpcError(x.r, err))
			}
			x.out.event(message)
			return
		}
		x.out.event(jsonrpc.AppendResult(nil, m.ID, result))
		return
	}
	var rpc *jsonrpc.Error
	switch {
	case errors.As(err, &rpc):
		status := http.StatusOK
		if x.stateless && rpc.Code == jsonrpc.CodeMethodNotFound {
			status = http.StatusNotFound
		} else if x.stateless && rpc.Code <= jsonrpc.CodeHeaderMismatch && rpc.Code >= jsonrpc.CodeVersion {
			status = http.StatusBadRequest
		}
		x.write(status, jsonrpc.AppendError(nil, m.ID, rpc))
	case err != nil:
		h.fail(x.w, x.r, m.ID, err)
	default:
		x.write(http.StatusOK, jsonrpc.AppendResult(nil, m.ID, result))
	}
}

func (x *exchange) write(status int, b []byte) {
	head := x.w.Header()
	head["Content-Type"] = jsonType
	head["X-Content-Type-Options"] = nosniff
	x.w.WriteHeader(status)
	_, _ = x.w.Write(b)
}

var jsonType = []string{"application/json"}

func unsupported(requested string) *jsonrpc.Error {
	data, err := json.Marshal(map[string]any{"supported": upstream.ModernVersions, "requested": requested})
	if err != nil {
		data = nil
	}
	return &jsonrpc.Error{Code: jsonrpc.CodeVersion, Message: "Unsupported protocol version.", Data: data}
}

// maxBatch is the largest number of messages of a batch (2025-03-26).
const maxBatch = 100

func (h *Handler) serveBatch(x *exchange, body []byte) {
	var answers []json.RawMessage
	n := 0
	if err := jsonrpc.Each(body, func(_ []byte, m *jsonrpc.Message, err *jsonrpc.Error) bool {
		n++
		switch {
		case n > maxBatch:
			return false
		case err != nil:
			answers = append(answers, jsonrpc.AppendError(nil, m.ID, err))
		case m.Kind == jsonrpc.Notification:
			x.notified(m)
		case m.Kind == jsonrpc.Request:
			result, err := x.dispatch(m, false)
			if err != nil {
				answers = append(answers, jsonrpc.AppendError(nil, m.ID, h.rpcError(x.r, err)))
			} else {
				answers = append(answers, jsonrpc.AppendResult(nil, m.ID, result))
			}
		}
		return true
	}); err != nil {
		h.fail(x.w, x.r, nil, err)
		return
	}
	switch {
	case n > maxBatch:
		h.fail(x.w, x.r, nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: "Invalid Request: a batch of more than " + strconv.Itoa(maxBatch) + " messages."})
	case len(answers) == 0:
		x.w.WriteHeader(http.StatusAccepted)
	default:
		x.write(http.StatusOK, rawjson.EncodeArray(answers))
	}
}

func errUnknownMethod(method string) *jsonrpc.Error {
	return &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "Method not found: " + method}
}

// dispatch answers one request. notify says that notifications can be sent before the result.
func (x *exchange) dispatch(m *jsonrpc.Message, notify bool) (json.RawMessage, error) {
	ctx, done := x.h.underWay.begin(x, m)
	defer done()
	result, err := x.answer(ctx, m, notify)
	if context.Cause(ctx) == errCancelled {
		return nil, errCancelled
	}
	return result, err
}

func (x *exchange) answer(ctx context.Context, m *jsonrpc.Message, notify bool) (json.RawMessage, error) {
	switch m.Method {
	case "initialize":
		if !x.stateless {
			return x.initialize(ctx, m)
		}
	case "ping":
		if !x.stateless {
			return []byte("{}"), nil
		}
	case "server/discover":
		if x.stateless {
			return x.discover(ctx)
		}
	case "tools/list", "prompts/list", "resources/list", "resources/templates/list":
		return x.list(ctx, m)
	case "tools/call":
		return x.callTool(ctx, m, notify)
	case "prompts/get":
		rec, own, err := x.find(ctx, "prompts/list", m.Name)
		if err != nil {
			return nil, err
		}
		return x.forward(ctx, m, rec, notify, own, true, func(p *rawjson.Object) { p.SetText("name", own) })
	case "resources/read":
		rec, own, ok := x.space.FindURI(m.URI)
		if !ok {
			return nil, x.noResource(m.URI)
		}
		return x.forward(ctx, m, rec, notify, own, true, func(p *rawjson.Object) { p.SetText("uri", own) })
	case "completion/complete":
		return x.complete(ctx, m, notify)
	case "resources/subscribe", "resources/unsubscribe":
		if !x.stateless {
			return x.subscribe(ctx, m, m.Method == "resources/subscribe")
		}
	case "tasks/get", "tasks/update", "tasks/cancel":
		if x.stateless && !x.space.Plain {
			rec, own, err := x.task(m)
			if err != nil {
				return nil, err
			}
			return x.forward(ctx, m, rec, notify, own, true, func(p *rawjson.Object) { p.SetText("taskId", own) })
		}
	}
	return nil, errUnknownMethod(m.Method)
}

func (x *exchange) noResource(uri string) *jsonrpc.Error {
	o := rawjson.Object{}
	o.SetText("uri", uri)
	e := &jsonrpc.Error{Code: jsonrpc.CodeResourceNotFound, Message: "Resource not found.", Data: o.Encode()}
	if x.stateless {
		e.Code = jsonrpc.CodeInvalidParams
	}
	return e
}

// find answers the server behind the name of a tool or prompt, and its own name there.
func (x *exchange) find(ctx context.Context, method, name string) (*registry.Record, string, error) {
	kind := "tool"
	if method == "prompts/list" {
		kind = "prompt"
	}
	unknown := &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "Unknown " + kind + ": " + name}
	rec, own, hashed, ok := x.space.Find(name)
	if !ok || own == "" {
		return nil, "", unknown
	}
	if !hashed {
		return rec, own, nil
	}
	t := x.target(rec)
	items, err := x.h.Lists.All(ctx, t, method, Extra(x.r, t))
	if err != nil {
		return nil, "", err
	}
	for _, raw := range items {
		if o, err := rawjson.ParseObject(raw); err == nil {
			if own, ok := o.Text("name"); ok && x.space.Name(rec, own) == name {
				return rec, own, nil
			}
		}
	}
	return nil, "", unknown
}

func (x *exchange) callTool(ctx context.Context, m *jsonrpc.Message, notify bool) (json.RawMessage, error) {
	rec, own, err := x.find(ctx, "tools/list", m.Name)
	if err != nil {
		return nil, err
	}
	if err := x.h.permitTool(ctx, x.target(rec), own, m.Arguments); err != nil {
		return nil, err
	}
	if x.stateless {
		if err := x.h.checkParams(x.r.Header, rec, own, m.Arguments); err != nil {
			return nil, err
		}
	}
	return x.forward(ctx, m, rec, notify, own, true, nil)
}

// complete routes by the prompt or resource that the argument belongs to.
func (x *exchange) complete(ctx context.Context, m *jsonrpc.Message, notify bool) (json.RawMessage, error) {
	params, _ := rawjson.ParseObject(m.Params)
	ref, err := rawjson.ParseObject(params.Get("ref"))
	if err != nil {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "Invalid params: ref is required."}
	}
	var rec *registry.Record
	var own string
	switch kind, _ := ref.Text("type"); kind {
	case "ref/prompt":
		name, _ := ref.Text("name")
		if rec, own, err = x.find(ctx, "prompts/list", name); err != nil {
			return nil, err
		}
		ref.SetText("name", own)
	case "ref/resource":
		uri, _ := ref.Text("uri")
		var ok bool
		if rec, own, ok = x.space.FindURI(uri); !ok {
			return nil, x.noResource(uri)
		}
		ref.SetText("uri", own)
	default:
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "Invalid params: unknown type of ref."}
	}
	return x.forward(ctx, m, rec, notify, "", false, func(p *rawjson.Object) { p.Set("ref", ref.Encode()) })
}

// forward makes the request at one server and brings the answer into the client's era
// and names.
func (x *exchange) forward(ctx context.Context, m *jsonrpc.Message, rec *registry.Record, notify bool, name string, hasName bool, edit func(*rawjson.Object)) (json.RawMessage, error) {
	t := x.target(rec)
	slot, err := x.h.Gate.Slots.Take(rec, x.caller)
	if err != nil {
		return nil, err
	}
	defer slot.Release()
	params, _ := rawjson.ParseObject(m.Params)
	x.r = x.h.offerServer(x.r, rec, m.Method)
	if m.Retry {
		withoutOffer(&params)
	}
	call := &upstream.Call{Target: t, Header: Extra(x.r, t), Name: name, HasName: hasName}
	if x.stateless {
		call.Capabilities = passedExtensions(m.ClientCapabilities)
		call.LogLevel = m.LogLevel
	}
	call.Notification = func(raw []byte, n *jsonrpc.Message) error {
		x.h.Lists.Heard(ctx, t, n)
		if notify && x.passes(m, n) {
			return x.out.event(raw)
		}
		return nil
	}
	start := time.Now()
	var reply *upstream.Reply
	if m.Method == "tools/call" {
		reply, err = x.h.Lists.CallTool(ctx, call, name, m.Arguments, params)
	} else {
		if edit != nil {
			edit(&params)
		}
		call.Method, call.Params = m.Method, params.Encode()
		reply, err = x.h.Upstream.Call(ctx, call)
	}
	if m.Method == "tools/call" {
		status := http.StatusOK
		if err != nil {
			status = problem.From(err).Status
		}
		x.h.called(ctx, t, name, status, err != nil || reply.Error != nil, time.Since(start))
	}
	if err != nil {
		return nil, err
	}
	return x.translate(rec, m, reply)
}

// passes decides which notifications of a server go to the client on its request's
// stream: progress that it asked for, and log messages if it named a level.
func (x *exchange) passes(m, n *jsonrpc.Message) bool {
	switch n.Method {
	case "notifications/progress":
		return m.ProgressToken != nil
	case "notifications/message":
		return x.stateless && m.LogLevel != nil
	}
	return false
}

// rpcError is err as a JSON-RPC error for a place without an HTTP status.
func (h *Handler) rpcError(r *http.Request, err error) *jsonrpc.Error {
	var rpc *jsonrpc.Error
	if errors.As(err, &rpc) {
		return rpc
	}
	return Wrap(r, problem.From(err))
}

// initialize answers a legacy client.
func (x *exchange) initialize(ctx context.Context, m *jsonrpc.Message) (json.RawMessage, error) {
	params, _ := rawjson.ParseObject(m.Params)
	version, ok := params.Text("protocolVersion")
	if !ok {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "Invalid params: protocolVersion is required."}
	}
	if !knownLegacy(version) {
		version = upstream.LatestLegacy
	}
	d, err := x.describe(ctx, false)
	if err != nil {
		return nil, err
	}
	// The id tells every instance that this client is to be bridged, and what it can do.
	s := session.Session{Caller: x.caller.ID, Version: version, Opened: time.Now(), OpensURLs: offerOf(x.r).opens}
	if x.space.Plain {
		s.Server = x.space.Servers[0].ServerID
	}
	id, err := x.h.Sessions.Encode(s)
	if err != nil {
		return nil, err
	}
	x.w.Header()["Mcp-Session-Id"] = []string{id}
	o := rawjson.Object{}
	o.SetText("protocolVersion", version)
	o.Set("capabilities", d.capabilities)
	o.Set("serverInfo", d.info)
	if d.instructions != "" {
		o.SetText("instructions", d.instructions)
	}
	if d.unavailable != nil {
		o.Set("_meta", d.unavailable)
	}
	return o.Encode(), nil
}

// discover answers a modern client.
func (x *exchange) discover(ctx context.Context) (json.RawMessage, error) {
	d, err := x.describe(ctx, true)
	if err != nil {
		return nil, err
	}
	versions, err := json.Marshal(upstream.ModernVersions)
	if err != nil {
		return nil, err
	}
	o := rawjson.Object{}
	o.SetText("resultType", "complete")
	o.Set("supportedVersions", versions)
	o.Set("capabilities", x.advertised(ctx, d.capabilities))
	if d.instructions != "" {
		o.SetText("instructions", d.instructions)
	}
	o.Set("ttlMs", []byte("0"))
	o.SetText("cacheScope", "private")
	meta, _ := rawjson.ParseObject(d.unavailable)
	meta.Set(jsonrpc.MetaServerInfo, d.info)
	o.Set("_meta", meta.Encode())
	return o.Encode(), nil
}

type description struct {
	capabilities json.RawMessage
	info         json.RawMessage
	instructions string
	unavailable  json.RawMessage // _meta with the servers whose part is missing, or nil
}

// describe merges what the servers say of themselves.
func (x *exchange) describe(ctx context.Context, stateless bool) (*description, error) {
	recs := x.space.Servers
	parts := make([]rawjson.Object, len(recs))
	failed := make([]error, len(recs))
	lists.Each(ctx, len(recs), x.h.Limits.FanOut, x.h.Limits.FanOutTimeout, func(ctx context.Context, i int) {
		parts[i], failed[i] = x.h.Upstream.Describe(ctx, x.target(recs[i]))
	})
	d := &description{info: x.h.serverInfo, unavailable: x.unavailable(recs, failed)}
	var capabilities []json.RawMessage
	var instructions []string
	for i, rec := range recs {
		if failed[i] != nil {
			if !x.space.Plain {
				continue
			}
			if !offerOf(x.r).opens || !unconnected(problem.From(failed[i])) {
				return nil, failed[i]
			}
			// The client begins, and is asked to connect at its first request.
			d.unavailable, parts[i] = nil, rawjson.Object{}
			parts[i].Set("capabilities", []byte(`{"tools":{},"prompts":{},"resources":{},"completions":{}}`))
		}
		capabilities = append(capabilities, parts[i].Get("capabilities"))
		text := rec.Instructions
		if text == "" {
			text, _ = parts[i].Text("instructions")
		}
		if text != "" && !x.space.Plain {
			text = rec.Slug + ": " + text
		}
		if text != "" {
			instructions = append(instructions, text)
		}
		if x.space.Plain {
			if info := serverInfo(parts[i]); info != nil {
				d.info = info
			}
		}
	}
	d.capabilities = aggregate.Capabilities(capabilities, stateless)
	d.instructions = strings.Join(instructions, "\n\n")
	return d, nil
}

// serverInfo is where each era puts a server's name.
func serverInfo(o rawjson.Object) json.RawMessage {
	if v := o.Get("serverInfo"); v != nil {
		return v
	}
	meta, err := rawjson.ParseObject(o.Get("_meta"))
	if err != nil {
		return nil
	}
	return meta.Get(jsonrpc.MetaServerInfo)
}

// unavailable makes the _meta that names dead servers, nil if there are none.
func (x *exchange) unavailable(recs []*registry.Record, failed []error) json.RawMessage {
	type dead struct {
		Server  string `json:"server"`
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	var list []dead
	for i, err := range failed {
		if err == nil {
			continue
		}
		var rpc *jsonrpc.Error
		if errors.As(err, &rpc) {
			list = append(list, dead{recs[i].Slug, "upstream_error", rpc.Message})
			continue
		}
		p := problem.From(err)
		message := p.Message
		if o := offerOf(x.h.offerServer(x.r, recs[i], "")); o.url != "" && unconnected(p) {
			message = o.message(p)
		}
		list = append(list, dead{recs[i].Slug, p.Code, message})
	}
	if list == nil {
		return nil
	}
	b, err := json.Marshal(map[string]any{MetaUnavailable: list})
	if err != nil {
		return nil
	}
	return b
}
