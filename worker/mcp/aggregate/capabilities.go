package aggregate

import (
	"encoding/json"

	"github.com/grantway/grantway/worker/mcp/rawjson"
)

// Tasks is the extension that the endpoint passes on (SEP-2663).
const Tasks = "io.modelcontextprotocol/tasks"

// features are the capabilities that the aggregate endpoint serves.
var features = [...]string{"tools", "prompts", "resources", "completions"}

// Capabilities answers the union of servers' capabilities, as far as this endpoint
// serves them. stateless says that the client is of the stateless era, which knows extensions.
func Capabilities(parts []json.RawMessage, stateless bool) json.RawMessage {
	out := rawjson.Object{}
	tasks := false
	for _, f := range features {
		offered, changes, subscribe := false, false, false
		for _, part := range parts {
			o, err := rawjson.ParseObject(part)
			if err != nil {
				continue
			}
			extensions, _ := rawjson.ParseObject(o.Get("extensions"))
			tasks = tasks || stateless && extensions.Get(Tasks) != nil
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
		if subscribe {
			c.Set("subscribe", []byte("true"))
		}
		out.Set(f, c.Encode())
	}
	if tasks {
		extensions := rawjson.Object{}
		extensions.Set(Tasks, []byte("{}"))
		out.Set("extensions", extensions.Encode())
	}
	return out.Encode()
}
