package aggregate

import (
	"encoding/json"

	"github.com/grantway/grantway/worker/mcp/rawjson"
)

// features are the capabilities that the aggregate endpoint serves.
var features = [...]string{"tools", "prompts", "resources", "completions"}

// Capabilities answers the union of servers' capabilities, as far as this endpoint
// serves them. subscribable says that the client can subscribe to resources.
func Capabilities(parts []json.RawMessage, subscribable bool) json.RawMessage {
	out := rawjson.Object{}
	for _, f := range features {
		offered, changes, subscribe := false, false, false
		for _, part := range parts {
			o, err := rawjson.ParseObject(part)
			if err != nil {
				continue
			}
			v := o.Get(f)
			if v == nil {
				continue
			}
			offered = true
			if c, err := rawjson.ParseObject(v); err == nil {
				changes = changes || string(c.Get("listChanged")) == "true"
				subscribe = subscribe || string(c.Get("subscribe")) == "true"
			}
		}
		if !offered {
			continue
		}
		c := rawjson.Object{}
		if changes {
			c.Set("listChanged", []byte("true"))
		}
		if subscribable && subscribe {
			c.Set("subscribe", []byte("true"))
		}
		out.Set(f, c.Encode())
	}
	return out.Encode()
}
