package aggregate

import (
	"encoding/json"

	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/registry"
)

// Items puts the space's names into the items of a list.
func (s *Space) Items(rec *registry.Record, method string, items []json.RawMessage) []json.RawMessage {
	if s.Plain {
		return items
	}
	out := make([]json.RawMessage, 0, len(items))
	for _, raw := range items {
		o, err := rawjson.ParseObject(raw)
		if err != nil {
			continue
		}
		switch method {
		case "tools/list", "prompts/list":
			if name, ok := o.Text("name"); ok {
				o.SetText("name", s.Name(rec, name))
			}
		case "resources/list":
			s.uriMember(rec, &o, "uri")
		case "resources/templates/list":
			s.uriMember(rec, &o, "uriTemplate")
		}
		out = append(out, o.Encode())
	}
	return out
}

func (s *Space) uriMember(rec *registry.Record, o *rawjson.Object, name string) {
	if uri, ok := o.Text(name); ok {
		o.SetText(name, s.URI(rec, uri))
	}
}

// Result puts the space's URIs into every place of a result that holds one: contents of
// a read resource, resource links and embedded resources of tool results and prompt messages.
func (s *Space) Result(rec *registry.Record, method string, result json.RawMessage) json.RawMessage {
	if s.Plain {
		return result
	}
	o, err := rawjson.ParseObject(result)
	if err != nil {
		return result
	}
	switch method {
	case "resources/read":
		s.each(&o, "contents", func(c *rawjson.Object) { s.uriMember(rec, c, "uri") })
	case "tools/call":
		s.each(&o, "content", func(c *rawjson.Object) { s.block(rec, c) })
	case "prompts/get":
		s.each(&o, "messages", func(m *rawjson.Object) {
			switch c := m.Get("content"); {
			case len(c) > 0 && c[0] == '{':
				if block, err := rawjson.ParseObject(c); err == nil {
					s.block(rec, &block)
					m.Set("content", block.Encode())
				}
			case len(c) > 0:
				s.each(m, "content", func(c *rawjson.Object) { s.block(rec, c) })
			}
		})
	default:
		return result
	}
	return o.Encode()
}

func (s *Space) block(rec *registry.Record, c *rawjson.Object) {
	switch kind, _ := c.Text("type"); kind {
	case "resource_link":
		s.uriMember(rec, c, "uri")
	case "resource":
		if r, err := rawjson.ParseObject(c.Get("resource")); err == nil {
			s.uriMember(rec, &r, "uri")
			c.Set("resource", r.Encode())
		}
	}
}

// each edits every object of an array member.
func (s *Space) each(o *rawjson.Object, name string, f func(*rawjson.Object)) {
	a, err := rawjson.ParseArray(o.Get(name))
	if err != nil {
		return
	}
	for i := range a {
		if e, err := rawjson.ParseObject(a[i]); err == nil {
			f(&e)
			a[i] = e.Encode()
		}
	}
	o.Set(name, rawjson.EncodeArray(a))
}
