package contract

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A host sends most messages to /mcp/{server} on by itself as soon as all is at hand. Those to /{server}/mcp, the same endpoint
// under another name, go through the gateway's handler always. Nobody can tell one from the other.

const (
	initializeSession = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`
	// ownSession is a session id that a server makes.
	ownSession = "own;session=1,2:3"
)

// sessioned is an MCP server of the session era. A message's method, or the tool that it calls, says how it is answered.
type sessioned struct {
	*httptest.Server
	slug string

	mu  sync.Mutex
	got []transfer
}

// transfer is one message, on its way there or back.
type transfer struct {
	status int
	header http.Header
	chunks []string // transfer encodings
	body   string
}

func newSessioned(t *testing.T, g *gateway, members ...string) *sessioned {
	t.Helper()
	s := &sessioned{slug: "sessioned-" + strings.ToLower(rand.Text()[:8])}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	record := map[string]any{
		"server_name": s.slug, "slug": s.slug, "url": s.URL + "/mcp", "transport": "http", "auth_type": "api_key",
		"credentials": map[string]any{"auth_value": "the server's"}, "disallowed_tools": []string{"forbidden"},
	}
	for _, m := range members {
		require.NoError(t, json.Unmarshal([]byte(m), &record))
	}
	a := g.admin(t, "POST", "/v1/mcp/server", record)
	require.Equal(t, 201, a.StatusCode, "%s", a.text)
	return s
}

func (s *sessioned) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.got = append(s.got, transfer{0, r.Header.Clone(), r.TransferEncoding, string(body)})
	s.mu.Unlock()
	var m struct {
		ID     json.RawMessage
		Method string
		Params struct{ Name string }
	}
	_ = json.Unmarshal(body, &m)
	what := m.Method
	if what == "tools/call" {
		what = m.Params.Name
	}
	head := w.Header()
	head.Set("Content-Type", "application/json")
	head.Set("Mcp-Session-Id", ownSession)
	head.Set("X-Secret-Of-The-Server", "1")
	head.Set("Mcp-Protocol-Version", "2025-06-18")
	result := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"of":%q}}`, m.ID, what)
	switch what {
	case "", "notifications/cancelled":
		head.Del("Content-Type")
		w.WriteHeader(http.StatusAccepted)
		return
	case "silent":
		head.Del("Mcp-Session-Id")
	case "empty":
		head.Del("Content-Type")
		w.WriteHeader(http.StatusNoContent)
		return
	case "renamed":
		head.Set("Mcp-Session-Id", "another")
	case "doubled":
		head.Add("Mcp-Session-Id", "another")
	case "lost":
		w.WriteHeader(http.StatusNotFound)
		result = `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}`
	case "malformed":
		w.WriteHeader(http.StatusBadRequest)
	case "broken":
		head.Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusInternalServerError)
	case "moved":
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
		return
	case "stream":
		head.Set("Content-Type", "text/event-stream")
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progress\":%d}}\n\n", i)
			_ = http.NewResponseController(w).Flush()
		}
		result = "data: " + result + "\n\n"
	case "large":
		result = strings.Replace(result, "large", strings.Repeat("x", 200_000), 1)
	}
	_, _ = io.WriteString(w, result)
}

// took answers what has come, and forgets it.
func (s *sessioned) took() []transfer {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

// initialize opens a session and answers its id.
func (g *gateway) initialize(t *testing.T, path string) string {
	t.Helper()
	a := g.admin(t, "POST", path, initializeSession, "Accept", "application/json, text/event-stream")
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	id := a.Header.Get("Mcp-Session-Id")
	require.NotEmpty(t, id)
	return id
}

// warm brings to hand all that a call needs.
func (g *gateway) warm(t *testing.T, path, session string) {
	t.Helper()
	for range 3 {
		a := g.admin(t, "POST", path, `{"jsonrpc":"2.0","id":0,"method":"ping"}`, sessionHeaders(session)...)
		require.Equal(t, 200, a.StatusCode, "%s", a.text)
	}
}

func sessionHeaders(session string) []string {
	headers := []string{"Accept", "application/json, text/event-stream", "Mcp-Protocol-Version", "2025-06-18", "X-Request-Id", "r-1"}
	if session == "" {
		return headers
	}
	return append(headers, "Mcp-Session-Id", session)
}

func toolCall(tool string) string {
	return `{"jsonrpc":"2.0","id":"i","method":"tools/call","params":{"name":"` + tool + `","arguments":{"ü":[1.0,"\u2028"]}}}`
}

func TestSessionIsForwardedAsServed(t *testing.T) {
	g := theGateway(t)
	s := newSessioned(t, g)
	forwarded, served := "/mcp/"+s.slug, "/"+s.slug+"/mcp"
	session := g.initialize(t, forwarded)
	strange := g.initialize(t, "/mcp/"+newSessioned(t, g).slug)
	for name, c := range map[string]struct {
		body, session string // session: another than the client's, or "none"
		status        int
		mints         bool // a session id of its own is in the answer
		headers       []string
	}{
		"a call":                   {body: toolCall("echo"), status: 200},
		"without the id repeated":  {body: toolCall("silent"), status: 200},
		"a stream":                 {body: toolCall("stream"), status: 200},
		"a large result":           {body: toolCall("large"), status: 200},
		"no content":               {body: toolCall("empty"), status: 204},
		"another session id":       {body: toolCall("renamed"), status: 200, mints: true},
		"a lost session":           {body: toolCall("lost"), status: 404},
		"a refusal":                {body: toolCall("malformed"), status: 400},
		"a failure":                {body: toolCall("broken"), status: 502},
		"a redirect":               {body: toolCall("moved"), status: 502},
		"a forbidden tool":         {body: toolCall("forbidden"), status: 403},
		"a session elsewhere":      {body: toolCall("echo"), session: strange, status: 404},
		"a session of nobody":      {body: toolCall("echo"), session: ownSession, status: 404},
		"no session":               {body: toolCall("silent"), session: "none", status: 200},
		"a session without asking": {body: toolCall("echo"), session: "none", status: 200, mints: true},
		"another request":          {body: `{"jsonrpc":"2.0","id":3,"method":"resources/list"}`, status: 200},
		"a cancellation":           {body: `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"i"}}`, status: 202},
		"the client's answer":      {body: `{"jsonrpc":"2.0","id":9,"result":{"roots":[]}}`, status: 202},
		"an unknown version":       {body: toolCall("echo"), status: 400, headers: []string{"Mcp-Protocol-Version", "2024-01-01"}},
		"the first revision":       {body: toolCall("echo"), status: 200, headers: []string{"Mcp-Protocol-Version", "2025-03-26"}},
		"trace context":            {body: toolCall("echo"), status: 200, headers: []string{"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate", "a=b"}},
		"headers that stay here":   {body: toolCall("echo"), status: 200, headers: []string{"Cookie", "a=b", "X-Own", "1"}},
		"not JSON":                 {body: toolCall("echo")[1:], status: 400},
		"a member twice":           {body: strings.Replace(toolCall("echo"), `"id"`, `"id":1,"id"`, 1), status: 400},
	} {
		t.Run(name, func(t *testing.T) {
			mine := session
			if c.session != "" {
				mine = strings.TrimPrefix(c.session, "none")
			}
			headers := append(sessionHeaders(mine), c.headers...)
			var clients, servers [2][]transfer
			for i, path := range []string{forwarded, served} {
				g.warm(t, path, session)
				s.took()
				a := g.admin(t, "POST", path, c.body, headers...)
				a.Header.Del("Date")
				if own := a.Header.Get("Mcp-Session-Id"); c.mints {
					assert.NotContains(t, []string{"", session, "another", ownSession}, own)
					a.Header.Del("Mcp-Session-Id")
				} else if own != "" {
					assert.Equal(t, session, own)
				}
				clients[i], servers[i] = []transfer{{a.StatusCode, a.Header, a.TransferEncoding, string(a.text)}}, s.took()
			}
			assert.Equal(t, c.status, clients[0][0].status, clients[0][0].body)
			assert.Equal(t, clients[1], clients[0], "what the client sees")
			assert.Equal(t, servers[1], servers[0], "what the server gets")
			for _, m := range servers[0] {
				assert.Equal(t, c.body, m.body)
				if c.session == "" {
					assert.Equal(t, []string{ownSession}, m.header["Mcp-Session-Id"])
				}
			}
			for _, header := range []http.Header{clients[0][0].header, clients[1][0].header} {
				assert.Empty(t, header["X-Secret-Of-The-Server"])
			}
		})
	}
}

// A token that was revoked costs one mint and one more try, whoever sends the call on.
func TestRevokedTokenInASession(t *testing.T) {
	g := theGateway(t)
	for name, path := range map[string]string{"forwarded": "/mcp/%s", "served": "/%s/mcp"} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			u.client.DefaultAudience = u.mcp.SessionURL()
			u.idp.Register(u.client)
			a := g.admin(t, "POST", "/v1/mcp/server", with(u.record(), "url", u.mcp.SessionURL()))
			require.Equal(t, 201, a.StatusCode, "%s", a.text)
			path := fmt.Sprintf(path, a.object(t)["slug"])
			session := g.initialize(t, path)
			a = g.admin(t, "POST", path, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, sessionHeaders(session)...)
			require.Equal(t, 202, a.StatusCode, "%s", a.text)
			g.warm(t, path, session)
			before := u.mints()
			u.idp.RevokeAll()
			u.mcp.ForgetRequests()
			a = g.admin(t, "POST", path, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`, sessionHeaders(session)...)
			assert.Equal(t, 200, a.StatusCode, "%s", a.text)
			assert.Contains(t, string(a.text), u.client.ID)
			assert.Equal(t, before+1, u.mints())
			assert.Len(t, u.mcp.Requests(), 2, "the refused one and the one after")
		})
	}
}
