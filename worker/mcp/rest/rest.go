// Package rest is the REST facade under /mcp-rest: LiteLLM's paths and fields, with true
// HTTP statuses and stable codes. A caller needs no MCP client and no knowledge of
// the protocol version that a server speaks.
package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp"
	"github.com/grantway/grantway/worker/mcp/admission"
	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/lists"
	"github.com/grantway/grantway/worker/mcp/policy"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// Config is what the facade needs.
type Config struct {
	Gate     *admission.Gate
	Upstream *upstream.Client
	Lists    *lists.Lists
	Recorder mcp.Recorder // may be nil
	Log      *slog.Logger
	MaxBody  int // request body, in bytes
	// FanOut is how many servers are asked at once, and FanOutTimeout how long one may take.
	FanOut        int
	FanOutTimeout time.Duration
}

// Handler serves /mcp-rest.
type Handler struct {
	Config
	extra map[string]http.Handler
}

// New makes the Handler.
func New(c Config) *Handler { return &Handler{Config: c, extra: map[string]http.Handler{}} }

// Handle adds an endpoint of another package, such as "POST /mcp-rest/test/token".
func (h *Handler) Handle(pattern string, handler http.Handler) { h.extra[pattern] = handler }

// ServeHTTP serves a request of the facade.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var serve func(w http.ResponseWriter, r *http.Request) error
	allow := http.MethodPost
	switch r.URL.Path {
	case "/mcp-rest/tools/list":
		allow, serve = http.MethodGet, h.list
	case "/mcp-rest/tools/call":
		serve = h.call
	default:
		if e := h.extra[r.Method+" "+r.URL.Path]; e != nil {
			e.ServeHTTP(w, r)
			return
		}
		problem.Write(w, r, problem.New(http.StatusNotFound, "not_found", "Nothing is served at this path."))
		return
	}
	if r.Method != allow {
		p := problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "This path does not have that method.")
		p.Header = http.Header{"Allow": {allow}}
		problem.Write(w, r, p)
		return
	}
	w.Header()["Cache-Control"] = []string{"no-store"}
	if err := serve(w, r); err != nil {
		if p := problem.From(err); p.Status >= 500 {
			h.Log.WarnContext(r.Context(), "REST request failed", slog.String("code", p.Code), slog.String("path", r.URL.Path),
				slog.String("request_id", problem.RequestID(r.Context())), slog.String("error", p.Error()))
		}
		problem.Write(w, r, err)
	}
}

// body reads a JSON object.
func (h *Handler) body(r *http.Request) (rawjson.Object, error) {
	tooLarge := problem.New(http.StatusRequestEntityTooLarge, "body_too_large", "The request's body is larger than the gateway's limit.")
	if r.ContentLength > int64(h.MaxBody) {
		return nil, tooLarge
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, int64(h.MaxBody)+1))
	if err != nil {
		return nil, problem.New(http.StatusBadRequest, "unreadable_body", "The request's body broke off.").Because(err)
	}
	if len(b) > h.MaxBody {
		return nil, tooLarge
	}
	if e := jsonrpc.Valid(b); e != nil {
		return nil, problem.New(http.StatusBadRequest, "invalid_json", "The body is not valid JSON.").Because(e)
	}
	o, err := rawjson.ParseObject(b)
	if err != nil {
		return nil, problem.New(http.StatusBadRequest, "invalid_json", "The body is not a JSON object.")
	}
	return o, nil
}

func answer(w http.ResponseWriter, status int, b []byte) error {
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(status)
	_, _ = w.Write(b)
	return nil
}

// call serves POST /mcp-rest/tools/call: {server_id, name, arguments}.
func (h *Handler) call(w http.ResponseWriter, r *http.Request) error {
	caller, err := h.Gate.Caller(r)
	if err != nil {
		return err
	}
	in, err := h.body(r)
	if err != nil {
		return err
	}
	ref, _ := in.Text("server_id")
	tool, _ := in.Text("name")
	for _, f := range [...]struct{ name, value string }{{"server_id", ref}, {"name", tool}} {
		if f.value == "" {
			return problem.New(http.StatusBadRequest, "missing_parameter", "The string "+f.name+" is required.")
		}
	}
	arguments := in.Get("arguments")
	if len(arguments) > 0 && arguments[0] != '{' && string(arguments) != "null" {
		return problem.New(http.StatusBadRequest, "invalid_parameter", "arguments must be an object.")
	}
	if string(arguments) == "null" {
		arguments = nil
	}
	rec, err := h.Gate.Server(r.Context(), caller, ref)
	if err != nil {
		return err
	}
	t := upstream.Target{Record: rec, Caller: caller}
	if err := policy.Check(rec, caller, tool, arguments); err != nil {
		if h.Recorder != nil {
			h.Recorder.Denied(r.Context(), rec, caller, tool, problem.From(err).Code)
		}
		return err
	}
	slot, err := h.Gate.Slots.Take(rec, caller)
	if err != nil {
		return err
	}
	defer slot.Release()
	start := time.Now()
	reply, err := h.Lists.CallTool(r.Context(), &upstream.Call{Target: t, Header: mcp.Extra(r, t)}, tool, arguments, nil)
	out, err := result(reply, err)
	if h.Recorder != nil {
		status := http.StatusOK
		if err != nil {
			status = problem.From(err).Status
		}
		h.Recorder.Called(r.Context(), mcp.Call{Record: rec, Caller: caller, Tool: tool, Status: status, Failed: status >= 400, Latency: time.Since(start)})
	}
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, out)
}

// result answers the result of a call, or says in REST's terms why there is none.
func result(reply *upstream.Reply, err error) (json.RawMessage, error) {
	if err != nil {
		return nil, err
	}
	if reply.Error != nil {
		return nil, rpcProblem(reply.Error)
	}
	o, err := rawjson.ParseObject(reply.Result)
	if err != nil {
		return nil, upstream.ErrProtocol.Because(err)
	}
	if kind, _ := o.Text("resultType"); kind == "input_required" || kind == "task" {
		return nil, problem.New(http.StatusUnprocessableEntity, "input_required", "This call needs an answer of the client in between, which the REST facade cannot give; use the MCP endpoint.")
	}
	return reply.Result, nil
}

// rpcProblem is the HTTP form of a server's JSON-RPC error. The message is the server's.
func rpcProblem(e *jsonrpc.Error) *problem.Problem {
	switch e.Code {
	case jsonrpc.CodeInvalidParams:
		return problem.New(http.StatusBadRequest, "invalid_params", e.Message)
	case jsonrpc.CodeMethodNotFound:
		return problem.New(http.StatusNotImplemented, "method_not_found", "The MCP server does not offer this.")
	case jsonrpc.CodeMissingCapability, jsonrpc.CodeURLElicitation:
		return problem.New(http.StatusUnprocessableEntity, "input_required", "This call needs a capability of the client that the REST facade does not have; use the MCP endpoint.")
	}
	return problem.New(http.StatusBadGateway, "upstream_error", "The MCP server answered with an error: "+e.Message)
}

// list serves GET /mcp-rest/tools/list?server_id=&include_disabled=.
func (h *Handler) list(w http.ResponseWriter, r *http.Request) error {
	caller, err := h.Gate.Caller(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	if q.Get("include_disabled") == "true" && caller.Role != access.RoleAdmin {
		return problem.New(http.StatusForbidden, "forbidden", "Only an administrator may list what is not permitted.")
	}
	ref := q.Get("server_id")
	if ref == "" {
		ref = q.Get("mcp_server_name")
	}
	if ref != "" {
		rec, err := h.Gate.Server(r.Context(), caller, ref)
		if err != nil {
			return err
		}
		tools, err := h.tools(r, upstream.Target{Record: rec, Caller: caller})
		if err != nil {
			return err
		}
		return answer(w, http.StatusOK, listAnswer(tools, nil))
	}
	recs, err := h.Gate.Servers(r.Context(), caller)
	if err != nil {
		return err
	}
	parts := make([][]json.RawMessage, len(recs))
	failed := make([]*problem.Problem, len(recs))
	lists.Each(r.Context(), len(recs), h.FanOut, h.FanOutTimeout, func(ctx context.Context, i int) {
		tools, err := h.tools(r.WithContext(ctx), upstream.Target{Record: recs[i], Caller: caller})
		if err != nil {
			failed[i] = problem.From(err)
			return
		}
		parts[i] = tools
	})
	var all []json.RawMessage
	var dead []deadServer
	for i, rec := range recs {
		all = append(all, parts[i]...)
		if p := failed[i]; p != nil {
			dead = append(dead, deadServer{rec.ServerID, rec.Slug, p.Code, p.Message})
		}
	}
	status := http.StatusOK
	if len(dead) > 0 && len(dead) == len(recs) {
		status = http.StatusBadGateway
	}
	return answer(w, status, listAnswer(all, dead))
}

type deadServer struct {
	ServerID string `json:"server_id"`
	Slug     string `json:"slug"`
	Code     string `json:"code"`
	Message  string `json:"message"`
}

// listAnswer is LiteLLM's answer: tools, error, message; and, beyond it, failures by
// server.
func listAnswer(tools []json.RawMessage, dead []deadServer) []byte {
	o := rawjson.Object{}
	o.Set("tools", rawjson.EncodeArray(tools))
	o.Set("error", []byte("null"))
	o.SetText("message", "Successfully retrieved tools")
	if len(dead) > 0 {
		names := make([]string, len(dead))
		for i := range dead {
			names[i] = dead[i].Slug
		}
		b, err := json.Marshal(dead)
		if err != nil {
			panic("rest: failures: " + err.Error())
		}
		o.SetText("error", "partial_failure")
		o.SetText("message", "Some servers did not answer: "+strings.Join(names, ", "))
		o.Set("failures", b)
	}
	return o.Encode()
}

// tools answers every tool of a server that the caller may use, with LiteLLM's mcp_info. With
// include_disabled it answers every tool that the server has, as the server describes it.
func (h *Handler) tools(r *http.Request, t upstream.Target) ([]json.RawMessage, error) {
	all, err := h.Lists.All(r.Context(), t, "tools/list", mcp.Extra(r, t))
	if err != nil {
		var rpc *jsonrpc.Error
		if errors.As(err, &rpc) {
			return nil, rpcProblem(rpc)
		}
		return nil, err
	}
	if r.URL.Query().Get("include_disabled") != "true" {
		all = policy.Tools(t.Record, t.Caller, all)
	}
	info := infoOf(t.Record, t.Caller)
	out := make([]json.RawMessage, 0, len(all))
	for _, tool := range all {
		o, err := rawjson.ParseObject(tool)
		if err != nil {
			return nil, upstream.ErrProtocol.Because(err)
		}
		o.Set("mcp_info", info)
		out = append(out, o.Encode())
	}
	return out, nil
}

func infoOf(rec *registry.Record, _ *access.Principal) json.RawMessage {
	o := rawjson.Object{}
	if rec.Info != nil {
		b, err := json.Marshal(rec.Info)
		if err == nil {
			o, _ = rawjson.ParseObject(b)
		}
	}
	if o.Get("server_name") == nil {
		o.SetText("server_name", rec.ServerName)
	}
	if o.Get("description") == nil && rec.Description != "" {
		o.SetText("description", rec.Description)
	}
	o.SetText("server_id", rec.ServerID)
	o.SetText("slug", rec.Slug)
	if rec.Alias != "" {
		o.SetText("alias", rec.Alias)
	}
	return o.Encode()
}
