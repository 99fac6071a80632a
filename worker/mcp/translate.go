package mcp

import (
	"encoding/json"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/registry"
)

// translate brings a server's answer into the names of the endpoint and the era of
// the client.
func (x *exchange) translate(rec *registry.Record, m *jsonrpc.Message, reply *upstream.Reply) (json.RawMessage, error) {
	if reply.Error != nil {
		return nil, x.translateError(rec, m, reply.Error)
	}
	result := x.space.Result(rec, m.Method, reply.Result)
	o, err := rawjson.ParseObject(result)
	if err != nil {
		return nil, upstream.ErrProtocol.Because(err)
	}
	switch {
	case x.stateless && reply.Modern && o.Get("taskId") != nil:
		err := x.taskResult(rec, m, &o)
		return o.Encode(), err
	case x.stateless && !reply.Modern:
		if o.Get("resultType") == nil {
			o.SetText("resultType", "complete")
		}
		if m.Method == "resources/read" {
			o.Set("ttlMs", []byte("0"))
			o.SetText("cacheScope", "private")
		}
		return o.Encode(), nil
	case !x.stateless && reply.Modern:
		kind, _ := o.Text("resultType")
		if kind != "" && kind != "complete" {
			return nil, errInputRequired
		}
		o.Delete("resultType")
		if v := o.Get("structuredContent"); len(v) > 0 && v[0] != '{' {
			o.Delete("structuredContent")
		}
		return o.Encode(), nil
	}
	return result, nil
}

var errInputRequired = &jsonrpc.Error{
	Code:    jsonrpc.CodeInternal,
	Message: "The MCP server needs an answer of the client to go on, which this endpoint cannot ask for in the client's protocol version.",
	Data:    json.RawMessage(`{"code":"input_required"}`),
}

func (x *exchange) translateError(rec *registry.Record, m *jsonrpc.Message, e *jsonrpc.Error) *jsonrpc.Error {
	out := *e
	if data, err := rawjson.ParseObject(e.Data); err == nil && !x.space.Plain {
		if uri, ok := data.Text("uri"); ok {
			data.SetText("uri", x.space.URI(rec, uri))
			out.Data = data.Encode()
		}
	}
	if x.stateless {
		switch e.Code {
		case jsonrpc.CodeResourceNotFound:
			out.Code = jsonrpc.CodeInvalidParams
			if out.Data == nil {
				o := rawjson.Object{}
				o.SetText("uri", m.URI)
				out.Data = o.Encode()
			}
		case jsonrpc.CodeURLElicitation:
			out.Code = jsonrpc.CodeMissingCapability
			out.Data = json.RawMessage(`{"requiredCapabilities":{"elicitation":{"url":{}}}}`)
		}
		return &out
	}
	switch e.Code {
	case jsonrpc.CodeMissingCapability:
		return errInputRequired
	case jsonrpc.CodeHeaderMismatch, jsonrpc.CodeVersion:
		out.Code = jsonrpc.CodeInvalidRequest
	case jsonrpc.CodeInvalidParams:
		if m.Method == "resources/read" {
			out.Code = jsonrpc.CodeResourceNotFound
		}
	}
	return &out
}
