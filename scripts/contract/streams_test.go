package contract

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
)

// Streams go from host to host: their length costs no memory of the module, idle ones stay open, and a client that leaves is
// noticed upstream.

// streaming is an MCP server whose one handler streams as a test says.
type streaming struct {
	*httptest.Server
	slug string
}

// newStreaming registers such a server; members are JSON members of its record.
func newStreaming(t *testing.T, g *gateway, serve http.HandlerFunc, members ...string) *streaming {
	t.Helper()
	s := &streaming{Server: httptest.NewServer(serve), slug: "stream-" + strings.ToLower(rand.Text()[:8])}
	t.Cleanup(s.CloseClientConnections)
	record := map[string]any{
		"server_name": s.slug, "slug": s.slug, "url": s.URL + "/mcp", "transport": "http", "auth_type": "none", "max_concurrent_requests": 10_000,
	}
	for _, m := range members {
		require.NoError(t, json.Unmarshal([]byte(m), &record))
	}
	a := g.admin(t, "POST", "/v1/mcp/server", record)
	require.Equal(t, 201, a.StatusCode, "%s", a.text)
	return s
}

const streamMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

// open begins a request of a modern client.
func (g *gateway) open(ctx context.Context, slug, method, params string) (*http.Response, error) {
	body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{` + params + streamMeta + `}}`
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/mcp/"+slug, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+g.adminKey)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Mcp-Protocol-Version", "2026-07-28")
	r.Header.Set("Mcp-Method", method)
	if method == "tools/call" {
		r.Header.Set("Mcp-Name", "stream")
	}
	return observed(r)
}

// openLegacy begins a tool call of a legacy client without a session.
func (g *gateway) openLegacy(ctx context.Context, slug string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/mcp/"+slug, strings.NewReader(toolCall("stream")))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+g.adminKey)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Mcp-Protocol-Version", "2025-06-18")
	return observed(r)
}

// streamGateway is a gateway of its own, and the state of its host (zero where it cannot be told).
func streamGateway(t *testing.T) (*gateway, func() host.State) {
	t.Helper()
	w := newWorld(t, host.Options{Instances: 1})
	if w == nil {
		return theGateway(t), func() host.State { return host.State{} }
	}
	return w.gateway, func() host.State {
		state, err := w.host.State()
		assert.NoError(t, err)
		return state
	}
}

// flat runs f and looks at the host's memory meanwhile: it may grow by some pieces, and not with what passes.
func flat(t *testing.T, state func() host.State, f func()) {
	t.Helper()
	before := state()
	most := before
	stop := make(chan struct{})
	var watch sync.WaitGroup
	looks := 0
	look := func() {
		s := state()
		most.Memory, most.Resident = max(most.Memory, s.Memory), max(most.Resident, s.Resident)
		looks++
	}
	watch.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			look()
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	f()
	close(stop)
	watch.Wait()
	look()
	t.Logf("%d looks: linear memory %d + %d bytes, resident %d + %d bytes at most", looks, before.Memory, most.Memory-before.Memory, before.Resident, most.Resident-before.Resident)
	assert.LessOrEqual(t, most.Memory-before.Memory, int64(8<<20), "growth of linear memory in bytes")
	assert.LessOrEqual(t, most.Resident-before.Resident, int64(128<<20), "growth of the host's resident memory in bytes")
}

// size of the large result, in bytes; -short makes it small.
func largeSize() int64 {
	if testing.Short() {
		return 64 << 20
	}
	return 1 << 30
}

func TestLargeResultInFlatMemory(t *testing.T) {
	g, state := streamGateway(t)
	size := largeSize()
	piece := bytes.Repeat([]byte("x"), 64<<10)
	s := newStreaming(t, g, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"content":"`)
		for n := int64(0); n < size; n += int64(len(piece)) {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, `"}}`)
	})
	once := func() {
		resp, err := g.open(t.Context(), s.slug, "tools/call", `"name":"stream",`)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, 200, resp.StatusCode)
		n, err := io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		assert.Greater(t, n, size)
	}
	flat(t, state, once)
}

func TestManyEvents(t *testing.T) {
	const events = 10_000
	g, state := streamGateway(t)
	s := newStreaming(t, g, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		rc := http.NewResponseController(w)
		for i := range events {
			_, _ = fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":%d}}\n\n", i)
			_ = rc.Flush()
		}
		_, _ = io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n")
	})
	n := 0
	flat(t, state, func() {
		resp, err := g.open(t.Context(), s.slug, "tools/call", `"name":"stream",`)
		require.NoError(t, err)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "data: ") {
				if n < events {
					require.Contains(t, lines.Text(), fmt.Sprintf(`"progress":%d}`, n))
				}
				n++
			}
		}
	})
	assert.Equal(t, events+1, n)
}

func TestIdleSubscriptionsStayOpen(t *testing.T) {
	streams := 500
	if hostName == "workerd" {
		streams = 50
	}
	g, state := streamGateway(t)
	release := make(chan struct{})
	s := newStreaming(t, g, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{}}\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-release:
			_, _ = io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n")
		case <-r.Context().Done():
		}
	})
	before := state().Memory
	var wg sync.WaitGroup
	acked := make(chan error, streams)
	var ended atomic.Int64
	for range streams {
		wg.Go(func() {
			resp, err := g.open(t.Context(), s.slug, "subscriptions/listen", `"notifications":{"toolsListChanged":true},`)
			if err != nil {
				acked <- err
				return
			}
			defer resp.Body.Close()
			lines := bufio.NewScanner(resp.Body)
			if !lines.Scan() || !strings.Contains(lines.Text(), "acknowledged") {
				acked <- fmt.Errorf("status %d, not acknowledged: %s", resp.StatusCode, lines.Text())
				return
			}
			acked <- nil
			for lines.Scan() {
				if strings.Contains(lines.Text(), `"result"`) {
					ended.Add(1)
				}
			}
		})
	}
	for range streams {
		require.NoError(t, <-acked)
	}
	a := g.admin(t, "GET", "/v1/mcp/server/"+s.slug, nil)
	assert.Equal(t, 200, a.StatusCode, "others are served meanwhile")
	assert.LessOrEqual(t, state().Memory-before, int64(32<<20), "growth of linear memory in bytes")
	close(release)
	wg.Wait()
	assert.EqualValues(t, streams, ended.Load())
}

func TestClientThatLeavesIsNoticedUpstream(t *testing.T) {
	g, _ := streamGateway(t)
	for method, params := range map[string]string{
		"tools/call":           `"name":"stream",`,
		"subscriptions/listen": `"notifications":{"toolsListChanged":true},`, // which Go reads
	} {
		t.Run(strings.ReplaceAll(method, "/", " "), func(t *testing.T) {
			noticed(t, g, func(ctx context.Context, slug string) (*http.Response, error) {
				return g.open(ctx, slug, method, params)
			})
		})
	}
	t.Run("legacy tools call", func(t *testing.T) { noticed(t, g, g.openLegacy) })
}

// noticed opens a stream that does not end, leaves it, and waits until the server notices.
func noticed(t *testing.T, g *gateway, open func(ctx context.Context, slug string) (*http.Response, error)) {
	left := make(chan struct{}, 1)
	s := newStreaming(t, g, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		rc := http.NewResponseController(w)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			_, _ = io.WriteString(w, "data: {}\n\n")
			_ = rc.Flush()
			if hostName != "workerd" { // which notices at a write only
				<-r.Context().Done()
			}
			select {
			case <-r.Context().Done():
				left <- struct{}{}
				return
			case <-tick.C:
			}
		}
	})
	ctx, leave := context.WithCancel(t.Context())
	resp, err := open(ctx, s.slug)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = bufio.NewReader(resp.Body).ReadString('\n')
	require.NoError(t, err)
	leave()
	select {
	case <-left:
	case <-time.After(patience):
		assert.Fail(t, "the upstream still streams")
	}
}
