package lists

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/grantway/grantway/worker/mcp/mirror"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/registry"
)

type mirrored = mirror.Param

// schemas remembers which arguments of which tools are repeated in headers. It
// outlives the lists it was learnt from: a stale one costs one retry.
type schemas struct {
	mu       sync.Mutex
	byServer map[string]map[string][]mirrored // server_id → tool
}

// maxSchemas bounds the servers in memory.
const maxSchemas = 2000

// Learn takes note of the annotations of a page and leaves out the tools whose
// annotations are invalid, as a client must (SEP-2243).
func (l *Lists) Learn(rec *registry.Record, tools []json.RawMessage) []json.RawMessage {
	out := tools
	copied := false
	for i, raw := range tools {
		keep := true
		if mirror.Annotated(raw) {
			keep = l.learnTool(rec, raw)
		}
		if !keep && !copied {
			out, copied = append([]json.RawMessage{}, tools[:i]...), true
			l.Log.Warn("tool left out: its x-mcp-header is invalid", "server_id", rec.ServerID)
		} else if keep && copied {
			out = append(out, raw)
		}
	}
	return out
}

func (l *Lists) learnTool(rec *registry.Record, raw json.RawMessage) bool {
	o, err := rawjson.ParseObject(raw)
	if err != nil {
		return true
	}
	params, err := mirror.Params(o.Get("inputSchema"))
	if err != nil {
		return false
	}
	name, _ := o.Text("name")
	l.schemas.mu.Lock()
	defer l.schemas.mu.Unlock()
	tools := l.schemas.byServer[rec.ServerID]
	if tools == nil {
		if len(l.schemas.byServer) >= maxSchemas {
			clear(l.schemas.byServer)
		}
		tools = map[string][]mirrored{}
		l.schemas.byServer[rec.ServerID] = tools
	}
	if len(params) == 0 {
		delete(tools, name)
	} else {
		tools[name] = params
	}
	return true
}

// Mirrored answers the arguments of a tool that are repeated in headers, as far as known.
func (l *Lists) Mirrored(rec *registry.Record, tool string) []mirror.Param {
	l.schemas.mu.Lock()
	defer l.schemas.mu.Unlock()
	return l.schemas.byServer[rec.ServerID][tool]
}

// paramHeaders makes the headers Mcp-Param-* of a call.
func (l *Lists) paramHeaders(rec *registry.Record, tool string, arguments json.RawMessage) http.Header {
	params := l.Mirrored(rec, tool)
	if len(params) == 0 {
		return nil
	}
	h := http.Header{}
	for i := range params {
		if v, ok := params[i].Value(arguments); ok {
			h[params[i].Header] = []string{v}
		}
	}
	return h
}
