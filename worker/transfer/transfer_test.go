package transfer_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/transfer"
)

func env(name string) (string, bool) {
	v, ok := map[string]string{"CLIENT_ID": "id-1", "CLIENT_SECRET": "s3cret", "TOKEN": "t0ken"}[name]
	return v, ok
}

// The servers of LiteLLM's public documentation: a plain one, one with a bearer
// token, and M2M without the oauth2_flow that LiteLLM itself leaves out.
const litellm = `
model_list: []
litellm_settings:
  mcp_aliases: {"crm": "crm_mcp"}
mcp_servers:
  deepwiki_mcp:
    url: "https://mcp.deepwiki.example/mcp"
    transport: "http"
  github_mcp:
    url: "https://api.githubcopilot.example/mcp"
    transport: "http"
    auth_type: "bearer_token"
    auth_value: os.environ/TOKEN
    extra_headers: ["X-Tenant"]
    access_groups: ["dev"]
  crm_mcp:
    url: "https://crm.example/mcp"
    transport: http
    auth_type: oauth2
    client_id: os.environ/CLIENT_ID
    client_secret: os.environ/CLIENT_SECRET
    token_url: "https://idp.example/oauth/token"
    scopes: ["read", "write"]
  local:
    transport: stdio
    command: npx
`

func fields(t *testing.T, items []transfer.Item) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for _, i := range items {
		out[i.Fields["server_name"].(string)] = i.Fields
	}
	return out
}

func TestLiteLLM(t *testing.T) {
	f := transfer.Read([]byte(litellm), transfer.Auto, env)
	require.Empty(t, f.Problems)
	assert.Equal(t, transfer.LiteLLM, f.Format)
	got := fields(t, f.Servers)
	require.Len(t, got, 3)
	assert.Equal(t, "none", got["deepwiki_mcp"]["auth_type"])
	assert.Equal(t, map[string]any{"auth_value": "t0ken"}, got["github_mcp"]["credentials"])
	assert.Equal(t, []any{"X-Tenant"}, got["github_mcp"]["forward_headers"])
	assert.Equal(t, []any{"dev"}, got["github_mcp"]["mcp_access_groups"])
	crm := got["crm_mcp"]
	assert.Equal(t, "client_credentials", crm["oauth2_flow"])
	assert.Equal(t, "client_secret_post", crm["token_endpoint_auth_method"])
	assert.Equal(t, "id-1", crm["client_id"])
	assert.Equal(t, "crm", crm["alias"])
	codes := map[string]string{}
	for _, w := range f.Warnings {
		codes[w.Path] = w.Code
	}
	assert.Equal(t, map[string]string{"mcp_servers.crm_mcp.oauth2_flow": "assumed", "mcp_servers.local": "unsupported_transport"}, codes)
}

func TestUnknownEnvironmentIsNamed(t *testing.T) {
	f := transfer.Read([]byte(litellm), transfer.Auto, func(string) (string, bool) { return "", false })
	paths := []string{}
	for _, p := range f.Problems {
		assert.Equal(t, "unresolved_environment", p.Code)
		paths = append(paths, p.Path)
	}
	assert.Equal(t, []string{"mcp_servers.crm_mcp.client_id", "mcp_servers.crm_mcp.client_secret", "mcp_servers.github_mcp.auth_value"}, paths)
}

func TestClients(t *testing.T) {
	for name, doc := range map[string]string{
		"Claude Desktop, Cursor": `{"mcpServers":{"a":{"url":"https://a.example/mcp","headers":{"Authorization":"Bearer ${TOKEN}","X-T":"1"}},"b":{"command":"npx"}}}`,
		"VS Code":                `{"servers":{"a":{"type":"http","url":"https://a.example/mcp","headers":{"Authorization":"Bearer ${input:TOKEN}","X-T":"1"}},"b":{"type":"stdio","command":"x"}},"inputs":[]}`,
		"VS Code settings":       `{"mcp":{"servers":{"a":{"url":"https://a.example/mcp","headers":{"authorization":"bearer ${env:TOKEN}","X-T":"1"}},"b":{"command":"x"}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			f := transfer.Read([]byte(doc), transfer.Auto, env)
			require.Empty(t, f.Problems)
			assert.Equal(t, transfer.MCPServers, f.Format)
			require.Len(t, f.Servers, 1)
			assert.Equal(t, map[string]any{
				"server_name": "a", "url": "https://a.example/mcp", "transport": "http", "auth_type": "bearer_token",
				"credentials": map[string]any{"auth_value": "t0ken"}, "static_headers": map[string]any{"X-T": "1"},
			}, f.Servers[0].Fields)
			require.Len(t, f.Warnings, 1)
			assert.Equal(t, "unsupported_transport", f.Warnings[0].Code)
		})
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	var server any
	require.NoError(t, json.Unmarshal([]byte(`{"server_name":"A \"quoted\" #1","url":"https://a.example/mcp","scopes":["a: b","- c"],"disabled":true,"timeout":1.5,
		"allowed_tools":null,"allowed_params":{"t":[]},"static_headers":{"X-A":"yes","on":"line\nbreak"},"mcp_info":{"mcp_server_cost_info":{"default_cost_per_query":0.25}},"nested":[[1,[2]],{"a":[{"b":1,"c":[]}]},{}]}`), &server))
	for _, asYAML := range []bool{true, false} {
		b, err := transfer.Write([]any{server, server}, []any{}, asYAML)
		require.NoError(t, err)
		f := transfer.Read(b, transfer.Auto, env)
		require.Empty(t, f.Problems, string(b))
		require.Len(t, f.Servers, 2, string(b))
		for _, s := range f.Servers {
			want, err := json.Marshal(server)
			require.NoError(t, err)
			got, err := json.Marshal(s.Fields)
			require.NoError(t, err)
			assert.JSONEq(t, string(want), string(got), string(b))
		}
	}
}

func TestUnreadableFiles(t *testing.T) {
	for doc, code := range map[string]string{
		"":                        "unreadable",
		"[]":                      "unreadable",
		"a: &x [*x]":              "unreadable",
		"{\"a\":1}":               "unknown_format",
		"grantway: 2":             "unknown_version",
		"grantway: 1\nother: 1":   "unknown_field",
		"grantway: 1\nservers: x": "invalid_type",
		"mcp_servers: [1]":        "invalid_type",
		"mcpServers: {a: 1}":      "invalid_type",
	} {
		f := transfer.Read([]byte(doc), transfer.Auto, env)
		if assert.NotEmpty(t, f.Problems, doc) {
			assert.Equal(t, code, f.Problems[0].Code, doc)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(litellm))
	f.Add([]byte(`{"mcpServers":{"a":{"url":"https://a.example/mcp","headers":{"Authorization":"Bearer ${T}"}}}}`))
	f.Add([]byte("grantway: 1\nservers:\n- server_name: a\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		file := transfer.Read(doc, transfer.Auto, env)
		for _, s := range append(file.Servers, file.Keys...) {
			_, err := json.Marshal(s.Fields)
			require.NoError(t, err)
			require.NotEmpty(t, s.Path)
		}
	})
}
