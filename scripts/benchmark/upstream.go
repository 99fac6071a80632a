package main

import (
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// upstreamReply is what the upstream answers to every call, about 1 kB as tool results commonly are.
var upstreamReply = `{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"` + strings.Repeat("x", 900) + `"}],"isError":false}}`

// callBody is the request of most measurements: a tool call of MCP 2026-07-28.
const callBody = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"},"_meta":{` +
	`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},` +
	`"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"}}}}`

// callRequest is callBody as a whole HTTP request.
func callRequest(host, path, key string) []byte {
	return []byte("POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + key +
		"\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28" +
		"\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\nContent-Length: " + itoa(len(callBody)) + "\r\n\r\n" + callBody)
}

// sessionCallBody is the same call in a session of MCP 2025-06-18.
const sessionCallBody = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"}}}`

// sessionCallRequest is sessionCallBody as a whole HTTP request.
func sessionCallRequest(host, path, key, session string) []byte {
	return []byte("POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + key +
		"\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-06-18" +
		"\r\nMcp-Session-Id: " + session + "\r\nContent-Length: " + itoa(len(sessionCallBody)) + "\r\n\r\n" + sessionCallBody)
}

// upstream is an MCP server reduced to what a gateway can see: it wants a bearer token and the whole request, and answers
// at once. A complete server would hide the gateways' differences behind its own work. It opens a session for a legacy client
// without one, and repeats the session's id in each answer, as servers do.
type upstream struct {
	// token that requests must carry; any JWT if empty.
	token        string
	unauthorized atomic.Int64
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || u.token != "" && token != u.token || u.token == "" && !strings.HasPrefix(token, "eyJ") {
		u.unauthorized.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	session := r.Header.Get("Mcp-Session-Id")
	if session == "" && r.Header.Get("Mcp-Method") == "" {
		session = rand.Text()
	}
	if session != "" {
		w.Header().Set("Mcp-Session-Id", session)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", itoa(len(upstreamReply)))
	io.WriteString(w, upstreamReply)
}
