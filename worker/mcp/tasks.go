package mcp

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/grantway/grantway/worker/mcp/aggregate"
	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/mcp/session"
	"github.com/grantway/grantway/worker/registry"
)

// The tasks extension (SEP-2663) at the aggregate endpoint: the id of a task is sealed like that of a session, so it leads
// to its server and is of use to its caller only, whatever credential the callers share there.

// taskVersion tells the id of a task from one of a session.
const taskVersion = "task"

// task answers the server of the task that a request names, and its own id there.
func (x *exchange) task(m *jsonrpc.Message) (*registry.Record, string, error) {
	rec, own, ok := x.taskOf(m.TaskID)
	if !ok {
		return nil, "", &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "Unknown task: " + m.TaskID}
	}
	return rec, own, nil
}

func (x *exchange) taskOf(id string) (rec *registry.Record, own string, ok bool) {
	s, err := x.h.Sessions.DecodeAny(id, x.caller.ID)
	if err != nil || s.Version != taskVersion {
		return nil, "", false
	}
	i := slices.IndexFunc(x.space.Servers, func(r *registry.Record) bool { return r.ServerID == s.Server })
	if i < 0 {
		return nil, "", false
	}
	return x.space.Servers[i], s.Upstream, true
}

// taskResult puts the endpoint's id of a task into a result that names one, and the endpoint's URIs into what
// came of the task.
func (x *exchange) taskResult(rec *registry.Record, m *jsonrpc.Message, result *rawjson.Object) error {
	own, ok := result.Text("taskId")
	if !ok || x.space.Plain {
		return nil
	}
	id := m.TaskID
	if m.Method == "tools/call" {
		var err error
		if id, err = x.h.Sessions.Encode(session.Session{Server: rec.ServerID, Caller: x.caller.ID, Version: taskVersion, Upstream: own, Opened: time.Now()}); err != nil {
			return err
		}
	}
	x.taskState(rec, id, result)
	return nil
}

// taskState does so with the state of a task, by its id here.
func (x *exchange) taskState(rec *registry.Record, id string, state *rawjson.Object) {
	state.SetText("taskId", id)
	if v := state.Get("result"); v != nil {
		state.Set("result", x.space.Result(rec, "tools/call", v))
	}
}

var errTasksUndeclared = &jsonrpc.Error{
	Code:    jsonrpc.CodeMissingCapability,
	Message: "taskIds needs the client capability " + aggregate.Tasks + ".",
	Data:    json.RawMessage(`{"requiredCapabilities":{"extensions":{"` + aggregate.Tasks + `":{}}}}`),
}

// declaresTasks reports whether a client's capabilities have the extension.
func declaresTasks(capabilities json.RawMessage) bool {
	o, _ := rawjson.ParseObject(capabilities)
	extensions, _ := rawjson.ParseObject(o.Get("extensions"))
	return extensions.Get(aggregate.Tasks) != nil
}

// passedExtensions leaves of a client's capabilities the extensions that this endpoint passes on.
func passedExtensions(capabilities json.RawMessage) json.RawMessage {
	o, err := rawjson.ParseObject(capabilities)
	if err != nil || o.Get("extensions") == nil {
		return capabilities
	}
	extensions, _ := rawjson.ParseObject(o.Get("extensions"))
	o.Delete("extensions")
	if v := extensions.Get(aggregate.Tasks); v != nil {
		kept := rawjson.Object{}
		kept.Set(aggregate.Tasks, v)
		o.Set("extensions", kept.Encode())
	}
	return o.Encode()
}
