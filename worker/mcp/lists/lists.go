// Package lists holds what servers list (tools, prompts, resources, templates): it
// asks for it page by page, remembers it by the rules of SEP-2549, and knows from it
// which arguments a server wants repeated in headers.
package lists

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/mcp/flight"
	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/platform"
)

// Limits of lists.
type Limits struct {
	LegacyLife time.Duration // of a legacy server's list, unless the record says otherwise
	MaxLife    time.Duration // longest ttlMs that is believed
	MaxPages   int           // of one list
	MaxEntries int           // pages in an instance's memory
	MaxBytes   int           // of pages in an instance's memory
}

// DefaultLimits are the documented defaults.
var DefaultLimits = Limits{
	LegacyLife: 5 * time.Minute,
	MaxLife:    time.Hour,
	MaxPages:   100,
	MaxEntries: 2000,
	MaxBytes:   8 << 20,
}

// Config is what Lists needs.
type Config struct {
	Upstream   *upstream.Client
	KV         platform.KV // nil: memory only
	Background func(context.Context, func(context.Context))
	Log        *slog.Logger
	Limits     Limits
}

// Lists asks for lists and remembers them.
type Lists struct {
	Config
	cache   cache
	changes changes
	schemas schemas
	looks   flight.Group[*Page]
}

// New makes Lists.
func New(c Config) *Lists {
	l := &Lists{Config: c}
	l.looks.Background = c.Background
	l.cache.entries = map[string]*entry{}
	l.changes.at, l.changes.telling = map[string]time.Time{}, map[string]bool{}
	l.schemas.byServer = map[string]map[string][]mirrored{}
	return l
}

// Page is one page of a list.
type Page struct {
	Items   []json.RawMessage
	Next    *string       // nil after the last page; "" is a cursor too
	TTL     time.Duration // what is left of its life
	Private bool          // not for other authorization contexts
}

// member is the name of the array in a list method's result.
func member(method string) string {
	switch method {
	case "tools/list":
		return "tools"
	case "prompts/list":
		return "prompts"
	case "resources/list":
		return "resources"
	case "resources/templates/list":
		return "resourceTemplates"
	}
	return ""
}

// Page answers one page, from memory while it is fresh. cursor nil asks for the first.
// A server's own error comes as *jsonrpc.Error, a server that does not offer the list
// answers an empty page.
func (l *Lists) Page(ctx context.Context, t upstream.Target, method string, cursor *string, header http.Header) (*Page, error) {
	if t.Record.ServerID == "" {
		return l.fetch(ctx, t, method, cursor, header)
	}
	if p := l.remembered(t, method, cursor); p != nil {
		return p, nil
	}
	// Only callers whose answers could be shared from memory share a look, and nobody one that began
	// before the list changed.
	look := key(t, method, cursor) + "/" + l.changes.since(prefix(t.Record, method)).Format(time.RFC3339Nano)
	p, err := l.looks.Do(ctx, look, func(ctx context.Context) (*Page, error) {
		if p := l.confirmed(ctx, t, method, cursor); p != nil {
			return p, nil
		}
		return l.fetch(ctx, t, method, cursor, header)
	})
	if err != nil && ctx.Err() != nil {
		return nil, upstream.Failed(ctx, err)
	}
	return p, err
}

func (l *Lists) fetch(ctx context.Context, t upstream.Target, method string, cursor *string, header http.Header) (*Page, error) {
	call := &upstream.Call{Target: t, Method: method, Header: header}
	if cursor != nil {
		o := rawjson.Object{}
		o.SetText("cursor", *cursor)
		call.Params = o.Encode()
	}
	asked := l.changes.now()
	reply, err := l.Upstream.Call(ctx, call)
	if err != nil {
		return nil, err
	}
	if reply.Error != nil {
		if reply.Error.Code == jsonrpc.CodeMethodNotFound {
			reply.Result = []byte(`{"` + member(method) + `":[]}`)
		} else {
			if cursor != nil && reply.Error.Code == jsonrpc.CodeInvalidParams {
				l.Invalidate(ctx, t, method)
			}
			return nil, reply.Error
		}
	}
	p, err := l.page(t, method, reply)
	if reply.Error != nil && err == nil {
		p.TTL = l.Limits.LegacyLife // a server that has no such list is not asked each time
	}
	if err != nil {
		return nil, err
	}
	l.store(ctx, t, method, cursor, p, asked)
	return p, nil
}

// page reads a list result.
func (l *Lists) page(t upstream.Target, method string, reply *upstream.Reply) (*Page, error) {
	o, err := rawjson.ParseObject(reply.Result)
	if err != nil {
		return nil, upstream.ErrProtocol.Because(err)
	}
	p := &Page{}
	if p.Items, err = rawjson.ParseArray(o.Get(member(method))); err != nil {
		return nil, upstream.ErrProtocol.Because(err)
	}
	if next, ok := o.Text("nextCursor"); ok {
		p.Next = &next
	}
	if reply.Modern {
		p.TTL, p.Private = hints(o)
		p.TTL = min(p.TTL, l.Limits.MaxLife)
	} else {
		p.Private = true
		p.TTL = l.Limits.LegacyLife
		if s := t.Record.ListCacheSeconds; s != nil {
			p.TTL = time.Duration(*s) * time.Second
		}
	}
	if method == "tools/list" {
		p.Items = l.Learn(t.Record, p.Items)
	}
	return p, nil
}

// hints reads ttlMs and cacheScope; what is absent or malformed means not cacheable
// and private.
func hints(o rawjson.Object) (time.Duration, bool) {
	var ms int64
	if json.Unmarshal(o.Get("ttlMs"), &ms) != nil || ms < 0 {
		ms = 0
	}
	scope, _ := o.Text("cacheScope")
	return time.Duration(min(ms, int64(time.Hour/time.Millisecond)*24)) * time.Millisecond, scope != "public"
}

// All answers every item of a list.
func (l *Lists) All(ctx context.Context, t upstream.Target, method string, header http.Header) ([]json.RawMessage, error) {
	var all []json.RawMessage
	var cursor *string
	for range l.Limits.MaxPages {
		p, err := l.Page(ctx, t, method, cursor, header)
		if err != nil {
			return nil, err
		}
		all = append(all, p.Items...)
		if p.Next == nil {
			return all, nil
		}
		if cursor != nil && *cursor == *p.Next {
			break
		}
		cursor = p.Next
	}
	return nil, upstream.ErrProtocol
}

// CallTool calls a tool by the server's name for it. call holds the target and what goes
// with the request; params, if not nil, is the client's own params object, whose members
// other than name stay.
func (l *Lists) CallTool(ctx context.Context, call *upstream.Call, tool string, arguments json.RawMessage, params rawjson.Object) (*upstream.Reply, error) {
	params.SetText("name", tool)
	if params.Get("arguments") == nil && len(arguments) > 0 {
		params.Set("arguments", arguments)
	}
	call.Method, call.Params, call.Name, call.HasName = "tools/call", params.Encode(), tool, true
	call.ParamHeaders = func(context.Context) http.Header { return l.paramHeaders(call.Record, tool, arguments) }
	reply, err := l.Upstream.Call(ctx, call)
	if err != nil || reply.Error == nil {
		return reply, err
	}
	switch reply.Error.Code {
	case jsonrpc.CodeHeaderMismatch: // the schema is not the one that was learnt
		l.Invalidate(ctx, call.Target, "tools/list")
		if _, err := l.All(ctx, call.Target, "tools/list", nil); err != nil {
			return reply, nil // the server's own answer tells more than this failure
		}
		return l.Upstream.Call(ctx, call)
	case jsonrpc.CodeInvalidParams, jsonrpc.CodeMethodNotFound: // perhaps an unknown tool
		l.Invalidate(ctx, call.Target, "tools/list")
	}
	return reply, nil
}

// Heard takes note of a notification: a changed list is not served from memory again.
func (l *Lists) Heard(ctx context.Context, t upstream.Target, m *jsonrpc.Message) {
	switch m.Method {
	case "notifications/tools/list_changed":
		l.Invalidate(ctx, t, "tools/list")
	case "notifications/prompts/list_changed":
		l.Invalidate(ctx, t, "prompts/list")
	case "notifications/resources/list_changed":
		l.Invalidate(ctx, t, "resources/list")
		l.Invalidate(ctx, t, "resources/templates/list")
	}
}
