package policy

import (
	"encoding/json"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/registry"
)

// Rewrites reports whether Tools changes anything but by leaving tools out.
func Rewrites(rec *registry.Record) bool {
	return len(rec.ToolNames) > 0 || len(rec.ToolDescriptions) > 0
}

// Tools answers the tools of a list that the caller may see, with the record's display
// names and descriptions in them.
func Tools(rec *registry.Record, p *access.Principal, all []json.RawMessage) []json.RawMessage {
	if !Restricts(rec, p) && !Rewrites(rec) {
		return all
	}
	out := make([]json.RawMessage, 0, len(all))
	for _, raw := range all {
		o, err := rawjson.ParseObject(raw)
		if err != nil {
			continue
		}
		name, ok := o.Text("name")
		if !ok || !Allows(rec, p, name) {
			continue
		}
		out = append(out, display(rec, name, o, raw))
	}
	return out
}

// display puts the record's names in. The title is what people read; the name stays
// what callers call.
func display(rec *registry.Record, name string, o rawjson.Object, raw json.RawMessage) json.RawMessage {
	title, description := rec.ToolNames[name], rec.ToolDescriptions[name]
	if title == "" && description == "" {
		return raw
	}
	if title != "" {
		o.SetText("title", title)
	}
	if description != "" {
		o.SetText("description", description)
	}
	return o.Encode()
}
