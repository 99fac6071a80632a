package contract

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is not MCP is refused with the code that the specification gives it, and reaches no server.
func TestMalformedMessages(t *testing.T) {
	g := theGateway(t)
	s := newStreaming(t, g, nil) // a request that reached it would panic there
	post := func(path, body string, headers ...string) answer {
		return g.admin(t, "POST", path, body, append([]string{"Accept", "application/json, text/event-stream"}, headers...)...)
	}
	deep := strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)
	for name, c := range map[string]struct {
		body   string
		status int
		code   int
	}{
		"not JSON":             {`{"jsonrpc":"2.0"`, 400, -32700},
		"empty":                {``, 400, -32700},
		"deep nesting":         {`{"jsonrpc":"2.0","id":1,"method":"x","params":` + deep + `}`, 400, -32700},
		"invalid UTF-8":        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", 400, -32700},
		"a member twice":       {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}`, 400, -32700},
		"a member in capitals": {`{"jsonrpc":"2.0","id":1,"METHOD":"tools/call"}`, 400, -32600},
		"not a message":        {`{"hello":"world"}`, 400, -32600},
		"id null":              {`{"jsonrpc":"2.0","id":null,"method":"x"}`, 400, -32600},
		"an empty batch":       {`[]`, 400, -32600},
		"a broken batch":       {`[{"jsonrpc":"2.0","id":1,"method":"ping"},{}]`, 400, -32600},
	} {
		for _, path := range []string{"/mcp/" + s.slug, "/mcp/" + s.slug + ","} {
			if strings.Contains(name, "batch") && strings.HasSuffix(path, ",") {
				continue // there a batch is taken apart
			}
			a := post(path, c.body)
			require.Equal(t, c.status, a.StatusCode, "%s: %.200s", name, a.text)
			var e struct {
				Error struct{ Code int }
			}
			require.NoError(t, json.Unmarshal(a.text, &e), name)
			assert.Equal(t, c.code, e.Error.Code, name)
		}
	}
	a := post("/mcp/"+s.slug, `{"jsonrpc":"2.0","id":1,"result":{}}`, "Mcp-Protocol-Version", "2026-07-28")
	assert.Equal(t, 400, a.StatusCode, "a response in the stateless era: %s", a.text)
	a = post("/mcp/"+s.slug, `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, "Mcp-Protocol-Version", "2025-11-25")
	assert.Equal(t, 400, a.StatusCode, "a batch after 2025-03-26: %s", a.text)
	a = post("/mcp/"+s.slug+",", "["+strings.Repeat(`{"jsonrpc":"2.0","id":1,"method":"ping"},`, 100)+`{"jsonrpc":"2.0","id":1,"method":"ping"}]`)
	assert.Equal(t, 400, a.StatusCode, "a batch of more than 100")
	a = post("/mcp/"+s.slug+",", `[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"no/such"},{"jsonrpc":"2.0","method":"notifications/x"}]`)
	require.Equal(t, 200, a.StatusCode)
	assert.JSONEq(t, `[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"Method not found: no/such"}}]`, string(a.text))
}

func TestHugeHeaders(t *testing.T) {
	g := theGateway(t)
	s := newStreaming(t, g, nil)
	for _, size := range []int{70 << 10, 10 << 20} {
		a, err := g.send(t.Context(), "POST", "/mcp/"+s.slug, `{}`, "Authorization", "Bearer "+g.adminKey, "X-Huge", strings.Repeat("x", size))
		if err == nil { // a host may also break off the connection
			assert.Contains(t, []int{400, 431}, a.StatusCode, "%d bytes: %.200s", size, a.text)
		}
	}
	assert.Equal(t, 200, g.anonymous(t, "GET", "/healthz", nil).StatusCode)
}
