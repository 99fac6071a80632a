package mcp

import (
	"bytes"
	"context"
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
// an elicitation in URL mode (MCP 2026-07-28). The credentials never pass the client.
type offer struct {
	url     string
	elicits bool // the client can open a URL for its user, and this method may ask for it
}

type offerKey struct{}

// offering prepares a request to an interactive server: what fail may offer, and without
// the client's answer to an earlier offer.
func (h *Handler) offering(r *http.Request, t upstream.Target, m *jsonrpc.Message, body []byte, stateless bool) (*http.Request, []byte) {
	if t.Record.OAuth2Flow != registry.FlowAuthorizationCode || t.Record.AuthType != registry.AuthOAuth2 || h.ConnectURL == nil {
		return r, body
	}
	o := &offer{url: h.ConnectURL(r, t.Record.Slug)}
	switch m.Method {
	case "tools/call", "prompts/get", "resources/read":
		o.elicits = stateless && opensURLs(m.ClientCapabilities)
	}
	if m.Retry && bytes.Contains(body, []byte(offerName)) {
		if stripped := withoutOffer(body); stripped != nil {
			var again jsonrpc.Message
			if jsonrpc.Scan(stripped, &again) == nil {
				*m, body = again, stripped
			}
		}
	}
	return r.WithContext(context.WithValue(r.Context(), offerKey{}, o)), body
}

// opensURLs reports whether the client declared elicitation in URL mode.
func opensURLs(capabilities []byte) bool {
	var c struct {
		Elicitation struct {
			URL json.RawMessage `json:"url"`
		} `json:"elicitation"`
	}
	return json.Unmarshal(capabilities, &c) == nil && len(c.Elicitation.URL) > 0 && string(c.Elicitation.URL) != "null"
}

// withoutOffer takes the answer to the gateway's own input request out of a retry; nil if
// it has none.
func withoutOffer(body []byte) []byte {
	message, err := rawjson.ParseObject(body)
	if err != nil {
		return nil
	}
	params, err := rawjson.ParseObject(message.Get("params"))
	if err != nil {
		return nil
	}
	answers, err := rawjson.ParseObject(params.Get("inputResponses"))
	if err != nil || answers.Get(offerName) == nil {
		return nil
	}
	answers.Delete(offerName)
	if len(answers) == 0 {
		params.Delete("inputResponses")
	} else {
		params.Set("inputResponses", answers.Encode())
	}
	message.Set("params", params.Encode())
	return message.Encode()
}

// connectFirst answers a request that failed because its sender has to connect an account:
// by an elicitation, or by an error that holds the URL. It answers false for any other failure.
func (h *Handler) connectFirst(w http.ResponseWriter, r *http.Request, id []byte, p *problem.Problem) bool {
	switch p.Code {
	case "interactive_authorization_required", "connection_ended", "interactive_step_up_required": // of package token
	default:
		return false
	}
	o, _ := r.Context().Value(offerKey{}).(*offer)
	if o == nil {
		return false
	}
	message := p.Message
	if i := strings.Index(message, "/connect/"); i >= 0 {
		message = message[:i] + o.url + "."
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	if !o.elicits {
		data, err := json.Marshal(map[string]string{"code": p.Code, "request_id": problem.RequestID(r.Context()), "url": o.url})
		if err != nil {
			data = nil
		}
		w.WriteHeader(p.Status)
		_, _ = w.Write(jsonrpc.AppendError(nil, id, &jsonrpc.Error{Code: jsonrpc.CodeInternal, Message: message, Data: data}))
		return true
	}
	result, err := json.Marshal(map[string]any{
		"resultType": "input_required",
		"inputRequests": map[string]any{offerName: map[string]any{
			"method": "elicitation/create",
			"params": map[string]string{"mode": "url", "url": o.url, "message": message},
		}},
	})
	if err != nil {
		return false
	}
	out := append([]byte(`{"jsonrpc":"2.0","id":`), id...)
	out = append(append(append(out, `,"result":`...), result...), '}')
	_, _ = w.Write(out)
	return true
}
