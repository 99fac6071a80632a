package mcp

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/policy"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/mcp/sse"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/problem"
)

// relayList passes on an answer that may hold a list of tools, with the tools that the
// caller may not see left out. An answer that needs no change keeps its bytes.
func (h *Handler) relayList(w http.ResponseWriter, r *http.Request, t upstream.Target, resp *http.Response, id []byte, stateless bool) {
	defer func() { _ = resp.Body.Close() }()
	limit := h.Upstream.Limits.MaxResponse
	if ce := first(resp.Header, "Content-Encoding"); ce != "" && ce != "identity" {
		h.fail(w, r, id, upstream.ErrProtocol)
		return
	}
	if upstream.IsSSE(resp.Header) {
		h.relayListStream(w, t, resp, limit, stateless)
		return
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	var p *problem.Problem
	switch {
	case err != nil:
		p = upstream.Failed(r.Context(), err)
	case len(b) > limit:
		p = upstream.ErrTooLarge
	default:
		if b, err = h.filter(t, b, stateless); err != nil {
			p = upstream.ErrProtocol.Because(err)
		}
	}
	if p != nil {
		h.fail(w, r, id, p)
		return
	}
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(b))}
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(b)
}

func (h *Handler) relayListStream(w http.ResponseWriter, t upstream.Target, resp *http.Response, limit int, stateless bool) {
	w.WriteHeader(resp.StatusCode)
	rc := http.NewResponseController(w)
	_ = rc.Flush()
	events := sse.NewReader(resp.Body, limit)
	var out []byte
	for {
		e, err := events.Next()
		if err != nil {
			return // the client sees the stream end where the server's ended
		}
		data := e.Data
		if len(data) > 0 {
			if data, err = h.filter(t, data, stateless); err != nil {
				return
			}
		}
		out = e.Append(out[:0], data)
		if _, err := w.Write(out); err != nil {
			return
		}
		_ = rc.Flush()
	}
}

var errNotMessage = errors.New("mcp: not a JSON-RPC message")

// filter applies policy to a message, or to each of a batch, that may be the answer to
// tools/list.
func (h *Handler) filter(t upstream.Target, raw []byte, stateless bool) ([]byte, error) {
	var m jsonrpc.Message
	if err := jsonrpc.Scan(raw, &m); err != nil {
		return nil, errNotMessage
	}
	switch {
	case m.Kind == jsonrpc.Batch:
		parts, err := rawjson.ParseArray(raw)
		if err != nil {
			return nil, err
		}
		for i := range parts {
			if parts[i], err = h.filter(t, parts[i], stateless); err != nil {
				return nil, err
			}
		}
		return rawjson.EncodeArray(parts), nil
	case m.Kind != jsonrpc.Response || m.Result == nil:
		return raw, nil
	}
	result, err := rawjson.ParseObject(m.Result)
	if err != nil || result.Get("tools") == nil {
		return raw, nil
	}
	tools, err := rawjson.ParseArray(result.Get("tools"))
	if err != nil {
		return nil, err
	}
	shown := tools
	if stateless {
		shown = h.Lists.Learn(t.Record, shown)
	}
	restricted := policy.Restricts(t.Record, t.Caller)
	shown = policy.Tools(t.Record, t.Caller, shown)
	if len(shown) == len(tools) && !restricted && !policy.Rewrites(t.Record) {
		return raw, nil
	}
	result.Set("tools", rawjson.EncodeArray(shown))
	if restricted && result.Get("cacheScope") != nil {
		result.SetText("cacheScope", "private")
	}
	message, err := rawjson.ParseObject(json.RawMessage(raw))
	if err != nil {
		return nil, err
	}
	message.Set("result", result.Encode())
	return message.Encode(), nil
}
