package contract

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// changing is an MCP server that says on its streams of notifications what a test makes it say.
type changing struct {
	*streaming
	mode   string // modern, legacy (with GET streams) or poll (legacy, without)
	lists  atomic.Int64
	tools  atomic.Value // JSON of the list
	hold   atomic.Value // a chan struct{}: answers with the list wait until it is closed
	left   chan struct{}
	mu     sync.Mutex
	open   []chan string
	subs   []string // resources that were subscribed to
	cancel []string // notifications/cancelled
	calls  chan string
}

func newChanging(t *testing.T, g *gateway, mode string, members ...string) *changing {
	t.Helper()
	s := &changing{mode: mode, left: make(chan struct{}, 100), calls: make(chan string, 100)}
	s.tools.Store(`[{"name":"one","inputSchema":{"type":"object"}}]`)
	s.holding()()
	s.streaming = newStreaming(t, g, s.serve, members...)
	return s
}

// holding holds answers with the list back, of what is asked for from now on, until release.
func (s *changing) holding() (release func()) {
	c := make(chan struct{})
	s.hold.Store(c)
	return func() { close(c) }
}

// say sends a message on every open stream; "" ends it.
func (s *changing) say(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.open {
		select {
		case c <- message:
		default: // it is not read any more
		}
	}
}

func (s *changing) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var in struct {
		ID     json.RawMessage
		Method string
		Params struct {
			URI           string
			RequestID     json.RawMessage
			Notifications json.RawMessage
			Meta          struct {
				ProgressToken json.RawMessage
			} `json:"_meta"`
		}
	}
	_ = json.Unmarshal(body, &in)
	result := func(text string) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, in.ID, text)
	}
	modern := s.mode == "modern"
	const capabilities = `"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true}}`
	switch {
	case r.Method == http.MethodGet && s.mode == "legacy":
		s.stream(w, r, "")
	case r.Method == http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.Method == http.MethodDelete:
	case in.Method == "server/discover" && modern:
		result(`{"resultType":"complete","supportedVersions":["2026-07-28"],` + capabilities + `,"ttlMs":0,"cacheScope":"public"}`)
	case in.Method == "server/discover":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}`)
	case in.Method == "initialize":
		w.Header().Set("Mcp-Session-Id", "session")
		result(`{"protocolVersion":"2025-11-25",` + capabilities + `,"serverInfo":{"name":"s","version":"1"}}`)
	case in.Method == "tools/list":
		tools, hold := s.tools.Load().(string), s.hold.Load().(chan struct{})
		s.lists.Add(1)
		<-hold
		result(`{"resultType":"complete","tools":` + tools + `,"ttlMs":600000,"cacheScope":"public"}`)
	case in.Method == "resources/subscribe":
		s.mu.Lock()
		s.subs = append(s.subs, in.Params.URI)
		s.mu.Unlock()
		result(`{}`)
	case in.Method == "subscriptions/listen":
		var filter struct{ ResourceSubscriptions []string }
		_ = json.Unmarshal(in.Params.Notifications, &filter)
		s.mu.Lock()
		s.subs = append(s.subs, filter.ResourceSubscriptions...)
		s.mu.Unlock()
		s.stream(w, r, `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":`+string(in.Params.Notifications)+`}}`)
	case in.Method == "notifications/cancelled":
		s.mu.Lock()
		s.cancel = append(s.cancel, string(in.Params.RequestID))
		s.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	case in.ID == nil:
		w.WriteHeader(http.StatusAccepted)
	default: // a call that never ends
		s.stream(w, r, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":`+string(in.Params.Meta.ProgressToken)+`}}`, string(in.ID))
	}
}

func (s *changing) stream(w http.ResponseWriter, r *http.Request, first string, call ...string) {
	c := make(chan string, 10)
	s.mu.Lock()
	s.open = append(s.open, c)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	_ = rc.Flush()
	if first != "" {
		_, _ = fmt.Fprintf(w, "data: %s\n\n", first)
		_ = rc.Flush()
	}
	if len(call) > 0 {
		s.calls <- call[0]
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		message := ":"
		select {
		case m := <-c:
			if m == "" {
				return
			}
			message = "data: " + m
		case <-tick.C: // workerd notices only at a write that a client has left
		case <-r.Context().Done():
			s.left <- struct{}{}
			return
		}
		_, _ = io.WriteString(w, message+"\n\n")
		_ = rc.Flush()
	}
}

// listening is a client's stream of notifications.
type listening struct {
	t      *testing.T
	events chan string
	leave  context.CancelFunc
}

// listen opens a stream: a modern client's subscription, or a legacy client's GET stream.
func (g *gateway) listen(t *testing.T, path string, modern bool, filter string) *listening {
	t.Helper()
	if !modern {
		return g.events(t, "GET", path, "", "Accept", "text/event-stream")
	}
	return g.events(t, "POST", path, `{"jsonrpc":"2.0","id":"L","method":"subscriptions/listen","params":{"notifications":`+filter+`,`+streamMeta+`}}`,
		"Accept", "application/json, text/event-stream", "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen")
}

// events sends a request whose answer is a stream.
func (g *gateway) events(t *testing.T, method, path, body string, headers ...string) *listening {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	t.Cleanup(leave)
	l := &listening{t: t, events: make(chan string, 100), leave: leave}
	r, err := http.NewRequestWithContext(ctx, method, g.url+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+g.adminKey)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := observed(r)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	go func() {
		defer resp.Body.Close()
		defer close(l.events)
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				l.events <- data
			}
		}
	}()
	return l
}

// mustLeave waits until the client of a stream is noticed to have left.
func (s *changing) mustLeave(t *testing.T, about ...any) {
	t.Helper()
	select {
	case <-s.left:
	case <-time.After(patience):
		require.FailNow(t, "the client has not left", about...)
	}
}

// next answers the next message.
func (l *listening) next() string {
	l.t.Helper()
	select {
	case e, ok := <-l.events:
		require.True(l.t, ok, "the stream has ended")
		return e
	case <-time.After(patience):
		require.FailNow(l.t, "no message")
		return ""
	}
}

const listenMethod = "subscriptions/listen"

const toolsChanged = `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`

// A list that is in memory is asked for anew after the server has said, on a stream that is passed to a client, that it changed.
func TestListChangedOnAPassedStream(t *testing.T) {
	g, _ := streamGateway(t)
	for _, mode := range []string{"modern", "legacy"} {
		t.Run(mode, func(t *testing.T) {
			s := newChanging(t, g, mode)
			list := func() {
				a := g.admin(t, "GET", "/mcp-rest/tools/list?server_id="+s.slug, nil)
				require.Equal(t, 200, a.StatusCode, "%s", a.text)
			}
			list()
			list()
			require.EqualValues(t, 1, s.lists.Load())
			l := g.listen(t, "/mcp/"+s.slug, mode == "modern", `{"toolsListChanged":true}`)
			if mode == "modern" {
				assert.Contains(t, l.next(), "acknowledged")
			}
			s.say(toolsChanged)
			assert.Equal(t, toolsChanged, l.next(), "its bytes are the server's")
			list()
			assert.EqualValues(t, 2, s.lists.Load())
			l.leave()
			s.mustLeave(t)
		})
	}
}

// What a server was asked for before it said that its list changed is answered to who asked then, and to nobody who comes later.
func TestListAskedForBeforeAChange(t *testing.T) {
	g, _ := streamGateway(t)
	s := newChanging(t, g, "modern")
	list := func() string { return string(g.admin(t, "GET", "/mcp-rest/tools/list?server_id="+s.slug, nil).text) }
	l := g.listen(t, "/mcp/"+s.slug, true, `{"toolsListChanged":true}`)
	assert.Contains(t, l.next(), "acknowledged")
	release := s.holding()
	early := make(chan string, 1)
	go func() { early <- list() }()
	require.Eventually(t, func() bool { return s.lists.Load() == 1 }, patience, 10*time.Millisecond)
	s.holding()()
	s.tools.Store(`[{"name":"two","inputSchema":{"type":"object"}}]`)
	s.say(toolsChanged)
	assert.Equal(t, toolsChanged, l.next())
	assert.Contains(t, list(), `"two"`, "not the answer that is still under way")
	release()
	assert.Contains(t, <-early, `"one"`)
	assert.Contains(t, list(), `"two"`, "a late answer does not come after a newer one")
	assert.EqualValues(t, 2, s.lists.Load())
}

// One client's stream stands for those of all its servers: modern ones, those of the session era, and those that offer no stream.
func TestListenToEveryServer(t *testing.T) {
	g, _ := streamGateway(t)
	servers := map[string]*changing{}
	var names []string
	for i := range 4 { // more than a host allows to be opened at once, with the others
		for _, mode := range []string{"modern", "legacy"} {
			s := newChanging(t, g, mode)
			servers[fmt.Sprint(mode, i)] = s
			names = append(names, s.slug)
		}
	}
	polled := newChanging(t, g, "poll")
	all := strings.Join(append(names, polled.slug), ",")
	resource := "grantway:" + servers["legacy0"].slug + "/file:///a"
	modern := g.listen(t, "/mcp/"+all, true, `{"toolsListChanged":true,"resourceSubscriptions":["`+resource+`"]}`)
	assert.JSONEq(t, `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["`+resource+`"]},"_meta":{"io.modelcontextprotocol/subscriptionId":"L"}}}`, modern.next())
	assert.Equal(t, []string{"file:///a"}, servers["legacy0"].subs)
	legacy := g.events(t, "GET", "/mcp", "", "Accept", "text/event-stream", "X-Grantway-Servers", all)
	for name, s := range servers {
		require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.open) == 2 }, patience, 10*time.Millisecond, name)
		s.say(`{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}`) // nobody asked for that, or a legacy client alone
		assert.Contains(t, legacy.next(), "prompts/list_changed")
		s.say(toolsChanged)
		assert.JSONEq(t, `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"L"}}}`, modern.next(), name)
		assert.JSONEq(t, `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}}`, legacy.next(), name)
	}
	servers["legacy0"].say(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a"}}`)
	assert.JSONEq(t, `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"`+resource+`","_meta":{"io.modelcontextprotocol/subscriptionId":"L"}}}`, modern.next())
	assert.NotZero(t, polled.lists.Load(), "its list is looked at")
	modern.leave()
	legacy.leave()
	left := make(chan struct{})
	defer close(left)
	go func() { // workerd notices at a write that a client has left
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			servers["modern0"].say(toolsChanged)
			select {
			case <-tick.C:
			case <-left:
				return
			}
		}
	}()
	for name, s := range servers {
		for range 2 {
			s.mustLeave(t, name)
		}
	}
}

// A legacy client is told of changes of the resources that its session is subscribed to, on the session's stream: whether it
// subscribes before it opens that or after.
func TestSubscribedResources(t *testing.T) {
	g, _ := streamGateway(t)
	for _, mode := range []string{"modern", "legacy"} {
		t.Run(mode, func(t *testing.T) {
			s := newChanging(t, g, mode)
			path := "/mcp/" + s.slug + ","
			headers := []string{"Accept", "application/json, text/event-stream"}
			a := g.admin(t, "POST", path, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`, headers...)
			require.Equal(t, 200, a.StatusCode, "%s", a.text)
			require.Contains(t, string(a.text), `"resources":{"subscribe":true}`)
			headers = append(headers, "Mcp-Session-Id", a.Header.Get("Mcp-Session-Id"), "Mcp-Protocol-Version", "2025-11-25")
			ask := func(method, uri string) {
				t.Helper()
				a := g.admin(t, "POST", path, `{"jsonrpc":"2.0","id":1,"method":"resources/`+method+`","params":{"uri":"grantway:`+s.slug+`/`+uri+`"}}`, headers...)
				require.Equal(t, 200, a.StatusCode, "%s", a.text)
				require.JSONEq(t, `{"jsonrpc":"2.0","id":1,"result":{}}`, string(a.text))
			}
			asked := func(uris ...string) {
				t.Helper()
				require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return slices.Equal(s.subs, uris) }, patience, 10*time.Millisecond)
			}
			var l *listening
			updated := func(uri string) {
				t.Helper()
				s.say(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"` + uri + `"}}`)
				assert.JSONEq(t, `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"grantway:`+s.slug+`/`+uri+`"}}`, l.next())
			}
			ask("subscribe", "file:///a")
			l = g.events(t, "GET", path, "", headers...)
			asked("file:///a")
			require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.open) == 1 }, patience, 10*time.Millisecond)
			updated("file:///a")
			ask("subscribe", "file:///a")
			ask("subscribe", "file:///b")
			asked("file:///a", "file:///a", "file:///b")
			s.mustLeave(t, "the stream without the second")
			updated("file:///b")
			updated("file:///a")
			s.say("")
			for told := ""; !strings.Contains(told, "file:///a") || !strings.Contains(told, "file:///b"); {
				told += l.next() // what happened between two streams is not known
			}
			ask("unsubscribe", "file:///a")
			s.mustLeave(t)
			asked("file:///a", "file:///a", "file:///b", "file:///a", "file:///b", "file:///b")
			ask("unsubscribe", "file:///b")
			s.mustLeave(t)
			s.say(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///b"}}`)
			s.say(toolsChanged)
			assert.Contains(t, l.next(), "tools/list_changed", "nothing is told of a resource any more")
		})
	}
}

// A modern client is told of its tasks, under the ids by which it knows them, and how they are after a break of the server's stream.
func TestSubscribedTasks(t *testing.T) {
	g, _ := streamGateway(t)
	streams, status := make(chan chan string, 10), atomic.Value{}
	status.Store("working")
	s := newStreaming(t, g, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var in struct {
			ID     json.RawMessage
			Method string
			Params struct{ Notifications json.RawMessage }
		}
		_ = json.Unmarshal(body, &in)
		result := func(text string) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, in.ID, text)
		}
		declared := strings.Contains(string(body), `"io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}`)
		switch {
		case in.Method == "server/discover":
			result(`{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{}}},"ttlMs":0,"cacheScope":"public"}`)
		case in.Method == "tools/call" && declared:
			result(`{"resultType":"task","taskId":"own","status":"working","ttlMs":60000}`)
		case in.Method == "tasks/get" && declared && r.Header.Get("Mcp-Name") == "own":
			result(`{"resultType":"complete","taskId":"own","status":"` + status.Load().(string) + `","ttlMs":60000}`)
		case in.Method == listenMethod && declared && string(in.Params.Notifications) == `{"taskIds":["own"]}`:
			w.Header().Set("Content-Type", "text/event-stream")
			c := make(chan string)
			_, _ = fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"notifications\":%s}}\n\n", in.Params.Notifications)
			_ = http.NewResponseController(w).Flush()
			streams <- c
			for message := range c {
				_, _ = fmt.Fprintf(w, "data: %s\n\n", message)
				_ = http.NewResponseController(w).Flush()
			}
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	})
	t.Cleanup(s.Close)
	path := "/mcp/" + s.slug + ","
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}`
	headers := []string{"Accept", "application/json, text/event-stream", "Mcp-Protocol-Version", "2026-07-28"}
	a := g.admin(t, "POST", path, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+s.slug+`__run",`+meta+`}}`, append(headers, "Mcp-Method", "tools/call", "Mcp-Name", s.slug+"__run")...)
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	result, _ := a.object(t)["result"].(map[string]any)
	id, _ := result["taskId"].(string)
	require.NotEmpty(t, id)
	l := g.events(t, "POST", path, `{"jsonrpc":"2.0","id":"L","method":"subscriptions/listen","params":{"notifications":{"taskIds":["`+id+`","own"]},`+meta+`}}`,
		append(headers, "Mcp-Method", listenMethod)...)
	const tag = `"_meta":{"io.modelcontextprotocol/subscriptionId":"L"}`
	assert.JSONEq(t, `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"taskIds":["`+id+`"]},`+tag+`}}`, l.next())
	own := <-streams
	own <- `{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"another","status":"failed"}}`
	own <- `{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"own","status":"completed","result":{"content":[{"type":"resource_link","uri":"file:///a","name":"a"}]}}}`
	assert.JSONEq(t, `{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"`+id+`","status":"completed","result":{"content":[{"type":"resource_link","uri":"grantway:`+s.slug+`/file:///a","name":"a"}]},`+tag+`}}`, l.next())
	status.Store("cancelled")
	close(own)
	assert.JSONEq(t, `{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"`+id+`","status":"cancelled","ttlMs":60000,`+tag+`}}`, l.next())
	close(<-streams)
}

// A legacy client's cancellation ends the request that it names: a modern server sees the stream closed, one of the session era
// is told. Progress comes before.
func TestCancelledByNotification(t *testing.T) {
	g := theGateway(t)
	for _, mode := range []string{"modern", "legacy"} {
		t.Run(mode, func(t *testing.T) {
			s := newChanging(t, g, mode)
			path := "/mcp/" + s.slug + ","
			headers := []string{"Accept", "application/json, text/event-stream"}
			a := g.admin(t, "POST", path, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`, headers...)
			require.Equal(t, 200, a.StatusCode, "%s", a.text)
			require.NotEmpty(t, a.Header.Get("Mcp-Session-Id"))
			headers = append(headers, "Mcp-Session-Id", a.Header.Get("Mcp-Session-Id"), "Mcp-Protocol-Version", "2025-11-25")
			call := g.events(t, "POST", path, `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"`+s.slug+`__run","_meta":{"progressToken":"p"}}}`, headers...)
			id := <-s.calls
			assert.Contains(t, call.next(), `"progressToken":"p"`)
			a = g.admin(t, "POST", path, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`, headers...)
			require.Equal(t, 202, a.StatusCode)
			assert.Contains(t, call.next(), "request_cancelled")
			s.mustLeave(t)
			if mode == "legacy" {
				require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.cancel) == 1 && s.cancel[0] == id }, patience, 10*time.Millisecond)
			}
			a = g.admin(t, "POST", path, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "Accept", headers[1], "Mcp-Session-Id", headers[3]+"x")
			assert.Equal(t, 404, a.StatusCode, "a session that is not the client's")
		})
	}
}

// A call takes its place among those of its server until its answer has ended, also while the host passes that on by itself.
func TestPlaceIsHeldToTheEnd(t *testing.T) {
	g, _ := streamGateway(t)
	release := make(chan struct{})
	s := newStreaming(t, g, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-release
		_, _ = io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n")
	}, `{"max_concurrent_requests":1}`)
	call := func() *http.Response {
		resp, err := g.open(t.Context(), s.slug, "tools/call", `"name":"stream",`)
		require.NoError(t, err)
		return resp
	}
	first := call()
	require.Equal(t, 200, first.StatusCode)
	second := call()
	assert.Equal(t, 429, second.StatusCode)
	assert.Equal(t, "1", second.Header.Get("Retry-After"))
	text, err := io.ReadAll(second.Body)
	require.NoError(t, err)
	assert.Contains(t, string(text), "too_many_concurrent_requests")
	close(release)
	text, err = io.ReadAll(first.Body)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"result"`)
	require.Eventually(t, func() bool {
		again := call()
		_ = again.Body.Close()
		return again.StatusCode == 200
	}, patience, 20*time.Millisecond)
}
