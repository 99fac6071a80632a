package transfer

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// clients reads the file in which Claude Desktop and Cursor (mcpServers) or VS Code
// (servers, or mcp.servers in its settings) keep their servers.
func (r *reader) clients(top map[string]any) {
	path, servers := "mcpServers", top["mcpServers"]
	if servers == nil {
		path, servers = "servers", top["servers"]
	}
	if servers == nil {
		path, servers = "mcp.servers", r.mapping("mcp", top["mcp"])["servers"]
	}
	m := r.mapping(path, servers)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		at := path + "." + name
		if s := r.mapping(at, m[name]); s != nil {
			r.client(at, name, s)
		}
	}
}

func (r *reader) client(path, name string, in map[string]any) {
	out := map[string]any{"server_name": name, "transport": "http", "auth_type": "none"}
	kind, _ := in["type"].(string)
	for _, key := range slices.Sorted(maps.Keys(in)) {
		at := path + "." + key
		switch key {
		case "url", "serverUrl", "httpUrl":
			out["url"] = r.resolve(at, in[key])
		case "disabled", "description":
			out[key] = in[key]
		case "type", "transport", "headers":
		case "command", "args", "env", "cwd", "envFile":
			if in["command"] != nil {
				continue
			}
			fallthrough
		default:
			r.warn(at, "ignored", "This field has no counterpart here and is left out.")
		}
	}
	if in["command"] != nil || kind == "stdio" {
		r.warn(path, "unsupported_transport", "A program on the machine (stdio) has no place behind a gateway: left out.")
		return
	}
	if kind == "sse" {
		r.warn(path, "unsupported_transport", "Transport sse is not supported: left out.")
		return
	}
	if headers := r.mapping(path+".headers", in["headers"]); headers != nil {
		r.clientHeaders(path+".headers", headers, out)
	}
	r.Servers = append(r.Servers, Item{path, out})
}

// clientHeaders turns the header that carries a credential into the authentication
// it is, and keeps the others as static headers.
func (r *reader) clientHeaders(path string, in, out map[string]any) {
	static := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		value, ok := r.resolve(path+"."+name, in[name]).(string)
		if !ok {
			r.problem(path+"."+name, "invalid_type", "Must be text.")
			continue
		}
		scheme, rest, _ := strings.Cut(value, " ")
		switch {
		case out["auth_type"] != "none":
			static[name] = value
		case strings.EqualFold(name, "Authorization") && strings.EqualFold(scheme, "Bearer"):
			out["auth_type"], out["credentials"] = "bearer_token", map[string]any{"auth_value": strings.TrimSpace(rest)}
		case strings.EqualFold(name, "Authorization"):
			out["auth_type"], out["credentials"] = "authorization", map[string]any{"auth_value": value}
		case http.CanonicalHeaderKey(name) == "X-Api-Key":
			out["auth_type"], out["credentials"] = "api_key", map[string]any{"auth_value": value}
		default:
			static[name] = value
		}
	}
	if len(static) > 0 {
		out["static_headers"] = static
	}
}
