package mcp

import (
	"bytes"
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
		h.relayStream(w, r, t, resp, true, stateless)
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

// relayStream passes on a stream event by event. Lists that it says have changed are forgotten, and
// with filter its lists of tools are changed; without, every byte stays. Comments keep it alive.
func (h *Handler) relayStream(w http.ResponseWriter, r *http.Request, t upstream.Target, resp *http.Response, filter, stateless bool) {
	out := &sink{w: w}
	out.begin()
	defer out.close()
	body := &behind{from: resp.Body, to: out}
	if filter {
		body.to = io.Discard
	}
	events := sse.NewReader(body, h.Upstream.Limits.MaxResponse)
	var buf []byte
	for {
		e, err := events.Next()
		if err != nil {
			if body.pass() == nil && errors.Is(err, sse.ErrTooLarge) && !filter {
				_, _ = io.Copy(out, resp.Body) // what cannot be read can still be passed on
			}
			return // the client sees the stream end where the server's ended
		}
		var m jsonrpc.Message
		if bytes.Contains(e.Data, []byte("list_changed")) && jsonrpc.Scan(e.Data, &m) == nil {
			h.Lists.Heard(r.Context(), t, &m)
		}
		if !filter || (e.Type != "" && e.Type != "message") {
			continue // with filter, what is no message of MCP (a ping of the server's own) is left out
		}
		data := e.Data
		if len(data) > 0 {
			if data, err = h.filter(t, data, stateless); err != nil {
				return
			}
		}
		buf = e.Append(buf[:0], data)
		if _, err := out.Write(buf); err != nil {
			return
		}
	}
}

// behind passes on what was read when more is asked for: when the reader has acted on it.
type behind struct {
	from  io.Reader
	to    io.Writer
	piece []byte
}

func (b *behind) Read(p []byte) (int, error) {
	if err := b.pass(); err != nil {
		return 0, err
	}
	n, err := b.from.Read(p)
	b.piece = append(b.piece, p[:n]...)
	return n, err
}

func (b *behind) pass() error {
	if len(b.piece) == 0 {
		return nil
	}
	_, err := b.to.Write(b.piece)
	b.piece = b.piece[:0]
	return err
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
