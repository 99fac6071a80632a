package transfer

import (
	"fmt"
	"maps"
	"slices"
)

// litellmSame are fields of LiteLLM's config.yaml that have the same name and
// meaning here.
var litellmSame = []string{
	"url", "description", "instructions", "source_url", "oauth2_flow", "client_id", "token_url", "issuer", "authorization_url", "registration_url", "scopes",
	"audience", "upstream_resource", "upstream_token_header", "token_endpoint_auth_method", "static_headers", "allowed_tools",
	"disallowed_tools", "allowed_params", "tool_name_to_display_name", "tool_name_to_description", "mcp_access_groups", "allow_all_keys",
	"timeout", "max_concurrent_requests", "subject_token_type", "alias",
}

// litellmRenamed are fields that have another name here.
var litellmRenamed = map[string]string{"extra_headers": "forward_headers", "access_groups": "mcp_access_groups"}

// litellmSecrets are the secrets by LiteLLM's name → ours.
var litellmSecrets = map[string]string{
	"auth_value": "auth_value", "authentication_token": "auth_value", "client_secret": "client_secret", "client_private_key": "client_private_key",
	"client_private_key_id": "client_private_key_id", "client_private_key_alg": "client_private_key_alg",
}

// litellm reads mcp_servers of LiteLLM's config.yaml, with the aliases of
// litellm_settings.
func (r *reader) litellm(top map[string]any) {
	aliases := map[string]string{} // server → alias
	for _, at := range []struct {
		path string
		v    any
	}{{"mcp_aliases", top["mcp_aliases"]}, {"litellm_settings.mcp_aliases", r.mapping("litellm_settings", top["litellm_settings"])["mcp_aliases"]}} {
		m := r.mapping(at.path, at.v)
		for _, alias := range slices.Sorted(maps.Keys(m)) {
			server, ok := m[alias].(string)
			if !ok {
				r.problem(at.path+"."+alias, "invalid_type", "Must be the name of a server.")
				continue
			}
			if aliases[server] != "" {
				r.warn(at.path+"."+alias, "second_alias", fmt.Sprintf("%q already has an alias; this one is left out.", server))
				continue
			}
			aliases[server] = alias
		}
	}
	servers := r.mapping("mcp_servers", top["mcp_servers"])
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		path := "mcp_servers." + name
		if m := r.mapping(path, servers[name]); m != nil {
			r.litellmServer(path, name, aliases[name], m)
		}
	}
}

func (r *reader) litellmServer(path, name, alias string, in map[string]any) {
	transport, _ := in["transport"].(string)
	switch transport {
	case "http", "streamable_http", "streamable-http":
	case "":
		if in["command"] != nil {
			r.warn(path, "unsupported_transport", "A program on the machine (stdio) has no place behind a gateway: left out.")
			return
		}
		r.warn(path+".transport", "assumed", "No transport is given: Streamable HTTP is assumed.")
	default:
		r.warn(path, "unsupported_transport", fmt.Sprintf("Transport %s is not supported: left out.", transport))
		return
	}
	if in["spec_path"] != nil {
		r.warn(path, "unsupported_transport", "OpenAPI documents are not supported as servers: left out.")
		return
	}
	out, creds := map[string]any{"server_name": name, "transport": "http"}, map[string]any{}
	if alias != "" && alias != name {
		out["alias"] = alias
	}
	r.litellmFields(path, in, out, creds)
	if in["credentials"] != nil {
		r.litellmFields(path+".credentials", r.mapping(path+".credentials", in["credentials"]), out, creds)
	}
	if info := r.mapping(path+".mcp_info", in["mcp_info"]); info != nil {
		out["mcp_info"] = r.litellmInfo(path+".mcp_info", info)
	}
	r.litellmAuth(path, out, creds)
	if len(creds) > 0 {
		out["credentials"] = creds
	}
	r.Servers = append(r.Servers, Item{path, out})
}

func (r *reader) litellmFields(path string, in, out, creds map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		at := path + "." + name
		switch {
		case in[name] == nil, name == "transport", name == "mcp_info", name == "credentials", name == "server_name", name == "spec_version", name == "server_id":
		case name == "auth_type":
			out[name] = in[name]
		case litellmSecrets[name] != "":
			creds[litellmSecrets[name]] = r.resolve(at, in[name])
		case litellmRenamed[name] != "":
			out[litellmRenamed[name]] = r.resolve(at, in[name])
		case slices.Contains(litellmSame, name):
			out[name] = r.resolve(at, in[name])
		default:
			r.warn(at, "ignored", "This field has no counterpart here and is left out.")
		}
	}
}

// litellmAuth makes explicit what LiteLLM leaves to its defaults.
func (r *reader) litellmAuth(path string, out, creds map[string]any) {
	kind, _ := out["auth_type"].(string)
	switch kind {
	case "":
		kind = "none"
		if creds["auth_value"] != nil {
			kind = "bearer_token"
		}
		out["auth_type"] = kind
	case "oauth2_token_exchange":
		kind = "oauth2"
		out["auth_type"], out["oauth2_flow"] = kind, "token_exchange"
	}
	if kind != "oauth2" {
		return
	}
	if out["oauth2_flow"] == nil {
		// LiteLLM's own examples of M2M leave the flow out; LiteLLM then means this.
		if out["client_id"] != nil && creds["client_secret"] != nil && out["token_url"] != nil && out["authorization_url"] == nil {
			out["oauth2_flow"] = "client_credentials"
			r.warn(path+".oauth2_flow", "assumed", "No oauth2_flow is given; with client_id, client_secret and token_url and no authorization_url client_credentials is assumed.")
		} else {
			out["oauth2_flow"] = "authorization_code"
			r.warn(path+".oauth2_flow", "assumed", "No oauth2_flow is given: authorization_code, LiteLLM's default, is assumed.")
		}
	}
	if out["token_endpoint_auth_method"] == nil && creds["client_secret"] != nil {
		out["token_endpoint_auth_method"] = "client_secret_post" // LiteLLM's default
	}
}

// litellmInfo keeps what is known here of the free metadata.
func (r *reader) litellmInfo(path string, in map[string]any) map[string]any {
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		switch name {
		case "server_name", "description", "logo_url", "mcp_server_cost_info":
			out[name] = in[name]
		default:
			r.warn(path+"."+name, "ignored", "This field has no counterpart here and is left out.")
		}
	}
	return out
}
