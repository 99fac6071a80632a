package mcp

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/grantway/grantway/worker/mcp/aggregate"
	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/lists"
	"github.com/grantway/grantway/worker/mcp/policy"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/registry"
)

var listMembers = map[string]string{
	"tools/list": "tools", "prompts/list": "prompts", "resources/list": "resources", "resources/templates/list": "resourceTemplates",
}

// part is one server's page of a merged list.
type part struct {
	rec    *registry.Record
	cursor *string // nil: the first page
	page   *lists.Page
}

// list merges one page of each server that has more to tell.
func (x *exchange) list(ctx context.Context, m *jsonrpc.Message) (json.RawMessage, error) {
	parts, err := x.parts(m)
	if err != nil {
		return nil, err
	}
	failed := make([]error, len(parts))
	lists.Each(ctx, len(parts), x.h.Limits.FanOut, x.h.Limits.FanOutTimeout, func(ctx context.Context, i int) {
		t := x.target(parts[i].rec)
		parts[i].page, failed[i] = x.h.Lists.Page(ctx, t, m.Method, parts[i].cursor, Extra(x.r, t))
	})
	items := []json.RawMessage{}
	var marks []aggregate.Mark
	private, ttl := false, time.Duration(-1)
	recs := make([]*registry.Record, len(parts))
	for i, p := range parts {
		recs[i] = p.rec
		if failed[i] != nil {
			if x.space.Plain {
				return nil, failed[i]
			}
			ttl = 0
			continue
		}
		own := p.page.Items
		if m.Method == "tools/list" {
			own = policy.Tools(p.rec, x.caller, own)
			private = private || policy.Restricts(p.rec, x.caller)
		}
		if !x.stateless {
			own = legacyItems(m.Method, own)
		}
		items = append(items, x.space.Items(p.rec, m.Method, own)...)
		if p.page.Next != nil {
			marks = append(marks, aggregate.Mark{ServerID: p.rec.ServerID, Cursor: *p.page.Next})
		}
		// Who may use which server is a difference between callers too.
		private = private || p.page.Private || !p.rec.AllowAllKeys
		if ttl < 0 || p.page.TTL < ttl {
			ttl = p.page.TTL
		}
	}
	o := rawjson.Object{}
	if x.stateless {
		o.SetText("resultType", "complete")
	}
	o.Set(listMembers[m.Method], rawjson.EncodeArray(items))
	if len(marks) > 0 {
		o.SetText("nextCursor", aggregate.EncodeCursor(marks))
	}
	unavailable := x.unavailable(recs, failed)
	if x.stateless {
		o.Set("ttlMs", strconv.AppendInt(nil, max(ttl, 0).Milliseconds(), 10))
		scope := "public"
		if private || len(parts) == 0 {
			scope = "private"
		}
		o.SetText("cacheScope", scope)
		meta, _ := rawjson.ParseObject(unavailable)
		meta.Set(jsonrpc.MetaServerInfo, x.h.serverInfo)
		unavailable = meta.Encode()
	}
	if unavailable != nil {
		o.Set("_meta", unavailable)
	}
	return o.Encode(), nil
}

// parts answers what a request's cursor asks for: every server's first page, or the
// pages that are left.
func (x *exchange) parts(m *jsonrpc.Message) ([]part, error) {
	invalid := &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "Invalid params: unknown cursor."}
	if m.Cursor == nil || string(m.Cursor) == "null" {
		parts := make([]part, len(x.space.Servers))
		for i, rec := range x.space.Servers {
			parts[i].rec = rec
		}
		return parts, nil
	}
	text, ok := jsonrpc.Unquote(m.Cursor)
	if !ok {
		return nil, invalid
	}
	marks, err := aggregate.DecodeCursor(text)
	if err != nil || len(marks) > len(x.space.Servers) {
		return nil, invalid
	}
	var parts []part
	for i := range marks {
		for _, rec := range x.space.Servers {
			if rec.ServerID == marks[i].ServerID { // else: the caller lost the right to it
				parts = append(parts, part{rec: rec, cursor: &marks[i].Cursor})
			}
		}
	}
	return parts, nil
}

// legacyItems removes from tools what earlier revisions do not allow: an outputSchema
// that does not describe an object.
func legacyItems(method string, items []json.RawMessage) []json.RawMessage {
	if method != "tools/list" {
		return items
	}
	out := items
	copied := false
	for i, raw := range items {
		o, err := rawjson.ParseObject(raw)
		if err != nil {
			continue
		}
		schema := o.Get("outputSchema")
		if schema == nil {
			continue
		}
		if s, err := rawjson.ParseObject(schema); err == nil {
			if kind, _ := s.Text("type"); kind == "object" {
				continue
			}
		}
		if !copied {
			out, copied = append([]json.RawMessage{}, items...), true
		}
		o.Delete("outputSchema")
		out[i] = o.Encode()
	}
	return out
}
