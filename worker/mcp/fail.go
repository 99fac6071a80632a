package mcp

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/problem"
)

var (
	errNotFound    = problem.New(http.StatusNotFound, "not_found", "Nothing is served at this path.")
	errOrigin      = problem.New(http.StatusForbidden, "origin_denied", "Requests from this origin or under this host name are not permitted.")
	errMethod      = problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "This endpoint does not have that method.")
	errMediaType   = problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "Send Content-Type: application/json.")
	errAccept      = problem.New(http.StatusNotAcceptable, "not_acceptable", "Accept must list application/json and text/event-stream.")
	errBodySize    = problem.New(http.StatusRequestEntityTooLarge, "body_too_large", "The request's body is larger than the gateway's limit.")
	errHeaders     = problem.New(http.StatusRequestHeaderFieldsTooLarge, "headers_too_large", "The request's headers are larger than the gateway's limit.")
	errBodyBroken  = problem.New(http.StatusBadRequest, "unreadable_body", "The request's body broke off.")
	errSession     = problem.New(http.StatusNotFound, "session_not_found", "There is no such session; initialize again.")
	errBatch       = &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: "Invalid Request: batches exist in protocol version 2025-03-26 only."}
	errResponse    = &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: "Invalid Request: clients send no responses in this protocol version."}
	errNoVersion   = &jsonrpc.Error{Code: jsonrpc.CodeHeaderMismatch, Message: "MCP-Protocol-Version is required."}
	errNoMeta      = &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "Invalid params: _meta must hold " + jsonrpc.MetaProtocolVersion + " and " + jsonrpc.MetaClientCapabilities + "."}
	errOtherMeta   = &jsonrpc.Error{Code: jsonrpc.CodeHeaderMismatch, Message: "MCP-Protocol-Version differs from _meta."}
	errBadVersion  = &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: "MCP-Protocol-Version is not a version of MCP."}
	errMethodHead  = &jsonrpc.Error{Code: jsonrpc.CodeHeaderMismatch, Message: "Mcp-Method is missing or differs from the body."}
	errNameHead    = &jsonrpc.Error{Code: jsonrpc.CodeHeaderMismatch, Message: "Mcp-Name is missing or differs from the body."}
	errHeadDoubled = &jsonrpc.Error{Code: jsonrpc.CodeHeaderMismatch, Message: "A header that must occur once occurs twice."}
)

// fail answers with a JSON-RPC error: err's own, or a gateway's problem in its form
// (code -32603, the stable code and the request's id in data) with the problem's status.
// id is the raw id of the request, nil if it is not known.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, id []byte, err error) {
	var rpc *jsonrpc.Error
	status := http.StatusBadRequest
	if errors.As(err, &rpc) {
		if rpc.Code == jsonrpc.CodeMethodNotFound {
			status = http.StatusNotFound
		}
		h.count.refused(strconv.Itoa(rpc.Code))
	} else {
		p := problem.From(err)
		if status, message := h.connectFirst(r, id, p); message != nil {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(status)
			_, _ = w.Write(message)
			return
		}
		status = p.Status
		h.count.refused(p.Code)
		rpc = Wrap(r, p)
		for k, v := range p.Header {
			w.Header()[k] = v
		}
		if p.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(p.RetryAfter))
		}
		if p.Status >= 500 && r.Context().Err() == nil { // a client that has left is nobody's fault
			h.Log.WarnContext(r.Context(), "MCP request failed", slog.String("code", p.Code), slog.String("path", r.URL.Path),
				slog.String("request_id", problem.RequestID(r.Context())), slog.String("error", p.Error()))
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(jsonrpc.AppendError(nil, id, rpc))
}

// Wrap makes a JSON-RPC error of a problem.
func Wrap(r *http.Request, p *problem.Problem) *jsonrpc.Error {
	data, err := json.Marshal(struct {
		Code      string `json:"code"`
		RequestID string `json:"request_id,omitempty"`
	}{p.Code, problem.RequestID(r.Context())})
	if err != nil {
		data = nil
	}
	return &jsonrpc.Error{Code: jsonrpc.CodeInternal, Message: p.Message, Data: data}
}
