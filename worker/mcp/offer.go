package mcp

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// offerName is the gateway's own entry among the input requests of a result: it never
// reaches the upstream.
const offerName = "grantway_connect"

// offer says that a request may be answered by asking its sender to connect an account:
// an elicitation in URL mode, as an input request (MCP 2026-07-28) or by the error
// URLElicitationRequired (2025-11-25). The credentials never pass the client.
type offer struct {
	stateless bool
	opens     bool   // the client can open a URL for its user
	url       string // of the server in question; "": none of the interactive ones
	method    string
}

type offerKey struct{}

func withOffer(r *http.Request, o *offer) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), offerKey{}, o))
}

// offerOf answers what may be offered to the sender of a request.
func offerOf(r *http.Request) *offer {
	if o, ok := r.Context().Value(offerKey{}).(*offer); ok {
		return o
	}
	return &offer{}
}

// offering prepares a request to an interactive server: what fail may offer, and without
// the client's answer to an earlier offer.
func (h *Handler) offering(r *http.Request, t upstream.Target, m *jsonrpc.Message, body []byte, stateless bool) (*http.Request, []byte) {
	if !interactive(t.Record) || h.ConnectURL == nil {
		return r, body
	}
	o := &offer{stateless: stateless, opens: h.opens(r, m, t.Record.ServerID, t.Caller.ID, stateless)}
	r = h.offerServer(withOffer(r, o), t.Record, m.Method)
	if m.Retry && bytes.Contains(body, []byte(offerName)) {
		if stripped := stripped(body); stripped != nil {
			var again jsonrpc.Message
			if jsonrpc.Scan(stripped, &again) == nil {
				*m, body = again, stripped
			}
		}
	}
	return r, body
}

// offerServer says which server a request goes to now.
func (h *Handler) offerServer(r *http.Request, rec *registry.Record, method string) *http.Request {
	if !interactive(rec) || h.ConnectURL == nil {
		return r
	}
	o := *offerOf(r)
	o.url, o.method = h.ConnectURL(r, rec.Slug), method
	return withOffer(r, &o)
}

func interactive(rec *registry.Record) bool {
	return rec.OAuth2Flow == registry.FlowAuthorizationCode && rec.AuthType == registry.AuthOAuth2
}

// opens reports whether the client can open a URL for its user: by what it declares with
// the request, or declared when it opened its session (server "": at the aggregate endpoint).
func (h *Handler) opens(r *http.Request, m *jsonrpc.Message, server, caller string, stateless bool) bool {
	switch {
	case stateless:
		return opensURLs(m.ClientCapabilities)
	case m.Method == "initialize":
		params, _ := rawjson.ParseObject(m.Params)
		version, _ := params.Text("protocolVersion")
		return version >= firstURLMode && opensURLs(params.Get("capabilities"))
	}
	s, err := h.Sessions.Decode(first(r.Header, "Mcp-Session-Id"), server, caller)
	return err == nil && s.OpensURLs
}

// firstURLMode is the revision that brought elicitation in URL mode.
const firstURLMode = "2025-11-25"

// opensURLs reports whether the client declared elicitation in URL mode.
func opensURLs(capabilities []byte) bool {
	var c struct {
		Elicitation struct {
			URL json.RawMessage `json:"url"`
		} `json:"elicitation"`
	}
	return json.Unmarshal(capabilities, &c) == nil && len(c.Elicitation.URL) > 0 && string(c.Elicitation.URL) != "null"
}

// stripped takes the answer to the gateway's own input request out of a retry; nil if
// it has none.
func stripped(body []byte) []byte {
	message, err := rawjson.ParseObject(body)
	if err != nil {
		return nil
	}
	params, err := rawjson.ParseObject(message.Get("params"))
	if err != nil || !withoutOffer(&params) {
		return nil
	}
	message.Set("params", params.Encode())
	return message.Encode()
}

// withoutOffer does the same with params.
func withoutOffer(params *rawjson.Object) bool {
	answers, err := rawjson.ParseObject(params.Get("inputResponses"))
	if err != nil || answers.Get(offerName) == nil {
		return false
	}
	answers.Delete(offerName)
	if len(answers) == 0 {
		params.Delete("inputResponses")
	} else {
		params.Set("inputResponses", answers.Encode())
	}
	return true
}

// unconnected reports whether a failure is mended by its sender alone, who has to connect
// an account.
func unconnected(p *problem.Problem) bool {
	switch p.Code {
	case "interactive_authorization_required", "connection_ended", "interactive_step_up_required": // of package token
		return true
	}
	return false
}

// beginsAnyway reports whether a client may open its conversation with a server that its
// user has not connected: it can be asked to do so afterwards.
func beginsAnyway(r *http.Request, m *jsonrpc.Message, err error) bool {
	return (m.Method == "initialize" || m.Method == "server/discover") && offerOf(r).opens && unconnected(problem.From(err))
}

// message puts the whole URL into a failure's message.
func (o *offer) message(p *problem.Problem) string {
	if i := strings.Index(p.Message, "/connect/"); i >= 0 {
		return p.Message[:i] + o.url + "."
	}
	return p.Message
}

// connectFirst answers the status and the message for a request that failed because its
// sender has to connect an account: an elicitation, or an error that holds the URL; nil for
// any other failure.
func (h *Handler) connectFirst(r *http.Request, id []byte, p *problem.Problem) (int, []byte) {
	o := offerOf(r)
	if o.url == "" || !unconnected(p) {
		return 0, nil
	}
	elicitation := map[string]string{"mode": "url", "url": o.url, "message": o.message(p)}
	elicits := o.opens
	var v any
	switch {
	case elicits && !o.stateless:
		elicitation["elicitationId"] = rand.Text()
		v = map[string]any{"elicitations": []any{elicitation}}
	case elicits && (o.method == "tools/call" || o.method == "prompts/get" || o.method == "resources/read"):
		v = map[string]any{
			"resultType":    "input_required",
			"inputRequests": map[string]any{offerName: map[string]any{"method": "elicitation/create", "params": elicitation}},
		}
	default:
		elicits = false
		v = map[string]string{"code": p.Code, "request_id": problem.RequestID(r.Context()), "url": o.url}
	}
	data, err := json.Marshal(v)
	switch {
	case err != nil:
		return 0, nil
	case !elicits:
		return p.Status, jsonrpc.AppendError(nil, id, &jsonrpc.Error{Code: jsonrpc.CodeInternal, Message: o.message(p), Data: data})
	case o.stateless:
		return http.StatusOK, jsonrpc.AppendResult(nil, id, data)
	}
	return http.StatusOK, jsonrpc.AppendError(nil, id, &jsonrpc.Error{Code: jsonrpc.CodeURLElicitation, Message: o.message(p), Data: data})
}
