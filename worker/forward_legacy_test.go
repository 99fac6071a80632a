package worker_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	legacyCall       = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":1}}}`
	legacyInitialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`
)

// legacyHeaders are those of a request of the session era; an empty value leaves a field out.
func legacyHeaders(key, version, session string) [][2]string {
	return slices.DeleteFunc([][2]string{
		{"Authorization", "Bearer " + key}, {"Content-Type", "application/json"}, {"Accept", "application/json, text/event-stream"},
		{"Mcp-Protocol-Version", version}, {"Mcp-Session-Id", session}, {"X-Request-Id", "r-1"},
	}, func(h [2]string) bool { return h[1] == "" })
}

// initialize opens a session at a server, whose own id for it this is, and answers the client's.
func (f *forwarding) initialize(key, path, own string) string {
	f.network.session = own
	w := f.do(key, "POST", path, legacyInitialize, legacyHeaders(key, "", ""))
	require.Equal(f.t, http.StatusOK, w.Code, "%s", w.Body)
	require.NotEmpty(f.t, w.Header().Get("Mcp-Session-Id"))
	return w.Header().Get("Mcp-Session-Id")
}

func TestLegacyForwardedAsServed(t *testing.T) {
	f := newForwarding(t)
	const own = "the:server's,own"
	session := f.initialize(f.key, "/mcp/m2m", own)
	for name, c := range map[string]struct {
		path, body, answered string // answered: the session id that the server answers with
		headers              [][2]string
	}{
		"a call, the session id repeated":     {"", legacyCall, own, nil},
		"a call, the session id not repeated": {"", legacyCall, "", nil},
		"2025-11-25":                          {"", legacyCall, "", legacyHeaders(f.key, "2025-11-25", session)},
		"2025-03-26, which names no version":  {"", legacyCall, "", legacyHeaders(f.key, "", session)},
		"a server without sessions":           {"/mcp/static", legacyCall, "", legacyHeaders(f.key, "2025-06-18", "")},
		"media types in another order":        {"", legacyCall, "", append(slices.Delete(legacyHeaders(f.key, "2025-06-18", session), 2, 3), [2]string{"Accept", "text/event-stream, application/json;q=0.9"})},
		"another request":                     {"", `{"jsonrpc":"2.0","id":"x","method":"completion/complete","params":{}}`, own, nil},
		"a list that nothing filters":         {"", `{"jsonrpc":"2.0","id":2,"method":"resources/list"}`, own, nil},
		"a notification":                      {"", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`, "", nil},
		"the client's answer":                 {"", `{"jsonrpc":"2.0","id":7,"result":{"roots":[]}}`, "", nil},
		"one of few slots, released":          {"/mcp/narrow", legacyCall, "", legacyHeaders(f.key, "2025-06-18", "")},
	} {
		t.Run(name, func(t *testing.T) {
			f.t, f.network.session = t, c.answered
			if c.path == "" {
				c.path = "/mcp/m2m"
			}
			if c.headers == nil {
				c.headers = legacyHeaders(f.key, "2025-06-18", session)
			}
			out, ok := f.forward(c.path, c.body, c.headers)
			require.True(t, ok)
			out.Forwarded.Kept()
			f.same(c.path, c.body, c.headers, out)
		})
	}
}

func TestLegacyNotForwarded(t *testing.T) {
	f := newForwarding(t)
	session := f.initialize(f.key, "/mcp/m2m", "own")
	elsewhere := f.initialize(f.key, "/mcp/static", "own")
	others := f.initialize(adminKey, "/mcp/m2m", "own")
	f.network.modern = true
	bridged := f.initialize(f.key, "/mcp/static", "")
	f.network.modern = false
	headers := legacyHeaders(f.key, "2025-06-18", session)
	with := func(name, value string) [][2]string { return append(slices.Clone(headers), [2]string{name, value}) }
	for name, c := range map[string]struct {
		path, body string
		headers    [][2]string
	}{
		"a session of another caller":        {"", legacyCall, legacyHeaders(f.key, "2025-06-18", others)},
		"a session at another server":        {"", legacyCall, legacyHeaders(f.key, "2025-06-18", elsewhere)},
		"a session id of somebody else":      {"", legacyCall, legacyHeaders(f.key, "2025-06-18", "own")},
		"two session ids":                    {"", legacyCall, with("mcp-session-id", session)},
		"a version that is none":             {"", legacyCall, legacyHeaders(f.key, "2025-01-01", session)},
		"a modern client's message":          {"", echoCall, headers},
		"a modern client's header":           {"", legacyCall, with("Mcp-Name", "echo")},
		"a stream to be resumed":             {"", legacyCall, with("Last-Event-Id", "1")},
		"a browser":                          {"", legacyCall, with("Origin", "http://127.0.0.1")},
		"the beginning of a session":         {"", legacyInitialize, legacyHeaders(f.key, "", "")},
		"a list that is filtered":            {"", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, headers},
		"a batch":                            {"", "[" + legacyCall + "]", legacyHeaders(f.key, "2025-03-26", session)},
		"a call without a name":              {"", strings.Replace(legacyCall, `"name":"echo",`, "", 1), headers},
		"a tool that is not allowed":         {"/mcp/restricted", legacyCall, legacyHeaders(f.key, "2025-06-18", "")},
		"headers of the client":              {"/mcp/listing", legacyCall, legacyHeaders(f.key, "2025-06-18", "")},
		"several servers":                    {"/mcp/m2m,static", legacyCall, headers},
		"a session that the gateway bridges": {"/mcp/static", legacyCall, legacyHeaders(f.key, "2025-06-18", bridged)},
	} {
		t.Run(name, func(t *testing.T) {
			if c.path == "" {
				c.path = "/mcp/m2m"
			}
			_, ok := f.forward(c.path, c.body, c.headers)
			assert.False(t, ok)
		})
	}
}

// A message that is forwarded counts, and holds its place, as one that is served.
func TestLegacyForwardedIsCounted(t *testing.T) {
	f := newForwarding(t)
	session := f.initialize(f.key, "/mcp/narrow", "own")
	before := f.metric(`grantway_mcp_requests_total{way="pass"}`)
	headers := legacyHeaders(f.key, "2025-06-18", session)
	out, ok := f.forward("/mcp/narrow", legacyCall, headers)
	require.True(t, ok)
	assert.Equal(t, http.StatusTooManyRequests, f.do("", "POST", "/mcp/narrow", legacyCall, headers).Code, "the place is taken")
	out.Forwarded.Passed(http.StatusAccepted, 0)
	assert.Equal(t, before+1, f.metric(`grantway_mcp_requests_total{way="pass"}`))
	assert.Equal(t, http.StatusOK, f.do("", "POST", "/mcp/narrow", legacyCall, headers).Code, "the place is free")
}
