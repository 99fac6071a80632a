package contract

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An MCP client calls a tool through the gateway by every name of the server, and notices nothing but that it needs no
// upstream credential.
func TestCallOverMCP(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	server := u.create(t, g)
	for _, path := range []string{"/mcp/" + server.slug, "/mcp/" + server.id, "/" + server.slug + "/mcp"} {
		session := g.connect(t, path, g.adminKey)
		tools, err := session.ListTools(t.Context(), nil)
		require.NoError(t, err, path)
		assert.Len(t, tools.Tools, 8)
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "add", Arguments: map[string]any{"a": 20, "b": 22}})
		require.NoError(t, err, path)
		assert.Equal(t, map[string]any{"sum": 42.0}, result.StructuredContent)
		result, err = session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami", Arguments: map[string]any{}})
		require.NoError(t, err, path)
		assert.Equal(t, u.client.ID, result.StructuredContent.(map[string]any)["client_id"])
	}
	assert.LessOrEqual(t, u.mints(), g.instances, "later calls use the cached token")
}

func TestCallOverREST(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	server := u.create(t, g)

	a := g.admin(t, "GET", "/mcp-rest/tools/list?server_id="+server.id, nil)
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	var list struct {
		Tools []struct {
			Name        string         `json:"name"`
			InputSchema map[string]any `json:"inputSchema"`
		} `json:"tools"`
	}
	require.NoError(t, json.Unmarshal(a.text, &list))
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
		assert.NotEmpty(t, tool.InputSchema, tool.Name)
	}
	assert.ElementsMatch(t, []string{"echo", "add", "whoami", "slow", "picture", "sound", "documents", "fail"}, names)

	a = g.admin(t, "POST", "/mcp-rest/tools/call", map[string]any{"server_id": server.id, "name": "echo", "arguments": map[string]any{"message": "grüße\u2028"}})
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	result := a.object(t)
	assert.Equal(t, map[string]any{"message": "grüße\u2028"}, result["structuredContent"])
	assert.NotEqual(t, true, result["isError"])

	for name, test := range map[string]struct {
		body   any
		status int
	}{
		"no server":      {map[string]any{"name": "echo", "arguments": map[string]any{}}, 400},
		"no tool":        {map[string]any{"server_id": server.id, "arguments": map[string]any{}}, 400},
		"unknown server": {map[string]any{"server_id": "00000000-0000-4000-8000-000000000000", "name": "echo"}, 404},
		"not JSON":       {"{", 400},
	} {
		a := g.admin(t, "POST", "/mcp-rest/tools/call", test.body)
		assert.Equal(t, test.status, a.StatusCode, "%s: %s", name, a.text)
		a.problem(t)
	}
	a = g.anonymous(t, "POST", "/mcp-rest/tools/call", map[string]any{"server_id": server.id, "name": "echo"})
	assert.Equal(t, 401, a.StatusCode)
	a.problem(t)
}

func TestCallerIsRefused(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	server := u.create(t, g)
	for _, authorization := range []string{"", "Bearer wrong", "Basic Z3c6eA=="} {
		a := g.anonymous(t, "POST", "/mcp/"+server.slug, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
			"Authorization", authorization, "Accept", "application/json, text/event-stream")
		assert.Equal(t, 401, a.StatusCode, authorization)
		assert.Contains(t, a.Header.Get("WWW-Authenticate"), "Bearer")
	}
	assert.Empty(t, u.mcp.Requests(), "nothing reached the upstream")
	assert.Zero(t, u.idp.Stats().TokenRequests)
}

// No credential of the caller reaches the upstream, and no credential of the upstream reaches the caller.
func TestCredentialsStayApart(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	server := u.create(t, g)
	session := g.connect(t, "/mcp/"+server.slug, g.adminKey)
	_, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami", Arguments: map[string]any{}})
	require.NoError(t, err)
	a := g.admin(t, "POST", "/mcp-rest/tools/call", map[string]any{"server_id": server.id, "name": "whoami", "arguments": map[string]any{}},
		"X-Grantway-Key", g.adminKey, "x-litellm-api-key", g.adminKey, "Cookie", "caller-cookie=1", "X-Caller-Secret", "caller-secret")
	require.Equal(t, 200, a.StatusCode, "%s", a.text)

	requests := u.mcp.Requests()
	require.NotEmpty(t, requests)
	tokens := make(map[string]bool)
	for _, r := range requests {
		authorization := r.Header.Values("Authorization")
		require.Len(t, authorization, 1)
		assert.True(t, strings.HasPrefix(authorization[0], "Bearer eyJ"))
		tokens[strings.TrimPrefix(authorization[0], "Bearer ")] = true
		for name, values := range r.Header {
			for _, value := range values {
				assert.NotContains(t, value, g.adminKey, name)
				assert.NotContains(t, value, "caller-cookie", name)
				assert.NotContains(t, value, "caller-secret", name)
			}
		}
		assert.NotContains(t, string(r.Body), g.adminKey)
	}
	for token := range tokens {
		assert.NotContains(t, string(a.text), token)
		for _, values := range a.Header {
			assert.NotContains(t, strings.Join(values, " "), token)
		}
	}
}

// A hundred cold callers at once, over every instance, cost one token, and none of them fails.
func TestColdBurst(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	server := u.create(t, g)
	assert.Empty(t, g.burst(t, server.id, 100))
	assert.Equal(t, 1, u.mints())
}

// Under a load that makes the program's memory grow, every caller still gets its own answer.
func TestManyCallers(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	record := with(u.record(), "max_concurrent_requests", 1000)
	a := g.admin(t, "POST", "/v1/mcp/server", record)
	require.Equal(t, 201, a.StatusCode, "%s", a.text)
	id, _ := a.object(t)["server_id"].(string)
	var keys []string
	for i := range 5 {
		a := g.admin(t, "POST", "/v1/keys", map[string]any{"name": fmt.Sprint("caller ", i), "role": "caller", "servers": []string{id}})
		require.Equal(t, 201, a.StatusCode, "%s", a.text)
		key, _ := a.object(t)["key"].(string)
		keys = append(keys, key)
	}
	assert.Empty(t, g.burst(t, id, 600, keys...))
	assert.Equal(t, 1, u.mints())
}

// What the authorization server or the MCP server does wrong is the caller's 502, with a code and without a credential.
func TestUpstreamFails(t *testing.T) {
	g := theGateway(t)
	call := func(id string) answer {
		return g.admin(t, "POST", "/mcp-rest/tools/call", map[string]any{"server_id": id, "name": "echo", "arguments": map[string]any{"message": "m"}})
	}
	t.Run("wrong secret", func(t *testing.T) {
		u := newUpstream(t)
		server := u.create(t, g)
		u.idp.RotateSecret(u.client.ID, "another", false)
		a := call(server.id)
		assert.Equal(t, 502, a.StatusCode, "%s", a.text)
		a.problem(t)
		assert.NotContains(t, string(a.text), u.client.Secrets[0])
	})
	t.Run("authorization server gone", func(t *testing.T) {
		u := newUpstream(t)
		server := u.create(t, g)
		u.idp.Close()
		a := call(server.id)
		assert.Contains(t, []int{502, 503, 504}, a.StatusCode, "%s", a.text)
		a.problem(t)
	})
	t.Run("MCP server gone", func(t *testing.T) {
		u := newUpstream(t)
		server := u.create(t, g)
		u.mcp.Close()
		a := call(server.id)
		assert.Contains(t, []int{502, 504}, a.StatusCode, "%s", a.text)
		a.problem(t)
	})
}
