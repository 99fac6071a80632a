package lists

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/registry"
)

// server is a modern server that counts what it is asked.
type server struct {
	asked  map[string]int
	answer map[string]string // by method
}

func (s *server) Client(*registry.Record, *access.Principal) http.RoundTripper { return s }

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var m jsonrpc.Message
	if e := jsonrpc.Scan(b, &m); e != nil {
		return nil, e
	}
	s.asked[m.Method]++
	answer := s.answer[m.Method]
	if m.Method == "server/discover" {
		answer = `"result":{"supportedVersions":["2026-07-28"]}`
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader([]byte(`{"jsonrpc":"2.0","id":` + string(m.ID) + `,` + answer + `}`)))}, nil
}

func tools(ttl int, scope string) string {
	return fmt.Sprintf(`"result":{"tools":[{"name":"a"}],"ttlMs":%d,"cacheScope":%q}`, ttl, scope)
}

// instance is one instance of the gateway on this platform.
func instance(p *memory.Platform, s *server) *Lists {
	up := upstream.New(upstream.Config{Credentials: s, KV: p.KV(platform.Config), Background: p.Background, Log: slog.New(slog.DiscardHandler), Limits: upstream.DefaultLimits})
	return New(Config{Upstream: up, KV: p.KV(platform.Config), Background: p.Background, Log: slog.New(slog.DiscardHandler), Limits: DefaultLimits})
}

func newServer(toolsAnswer string) *server {
	return &server{asked: map[string]int{}, answer: map[string]string{"tools/list": toolsAnswer}}
}

func target(rec registry.Record, caller string) upstream.Target {
	rec.ServerID, rec.URL = "id", "https://mcp.example.com/"
	return upstream.Target{Record: &rec, Caller: &access.Principal{ID: caller}}
}

var shared = registry.Record{AuthType: registry.AuthOAuth2, OAuth2Flow: registry.FlowClientCredentials, Version: 1}

func TestAListIsFreshForItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := memory.New(nil), newServer(tools(120_000, "public"))
		l := instance(p, s)
		for range 3 {
			page, err := l.Page(t.Context(), target(shared, "one"), "tools/list", nil, nil)
			require.NoError(t, err)
			assert.Len(t, page.Items, 1)
			assert.False(t, page.Private)
			p.Wait()
		}
		assert.Equal(t, 1, s.asked["tools/list"])
		time.Sleep(30 * time.Second)
		page, err := instance(p, s).Page(t.Context(), target(shared, "two"), "tools/list", nil, nil)
		require.NoError(t, err)
		assert.Equal(t, 1, s.asked["tools/list"], "another instance finds it in KV")
		assert.Equal(t, 90*time.Second, page.TTL, "the remaining life is told")
		time.Sleep(90 * time.Second)
		_, err = l.Page(t.Context(), target(shared, "one"), "tools/list", nil, nil)
		require.NoError(t, err)
		assert.Equal(t, 2, s.asked["tools/list"], "not after its end")
		p.Wait()
	})
}

func TestWhatIsNotRemembered(t *testing.T) {
	for name, answer := range map[string]string{
		"ttl 0": tools(0, "public"), "negative ttl": tools(-5, "public"), "no ttl": `"result":{"tools":[]}`, "malformed ttl": `"result":{"tools":[],"ttlMs":"5"}`,
	} {
		p, s := memory.New(nil), newServer(answer)
		l := instance(p, s)
		for range 2 {
			_, err := l.Page(t.Context(), target(shared, "one"), "tools/list", nil, nil)
			require.NoError(t, err)
		}
		assert.Equal(t, 2, s.asked["tools/list"], name)
		p.Wait()
	}
}

// TestAuthorizationContexts: what one credential saw is not shown to another.
func TestAuthorizationContexts(t *testing.T) {
	perCaller := registry.Record{AuthType: registry.AuthOAuth2, OAuth2Flow: registry.FlowTokenExchange, Version: 1}
	forwarding := shared
	forwarding.ForwardHeaders = []string{"X-Tenant"}
	edited := shared
	edited.Version = 2
	for name, c := range map[string]struct {
		first, second upstream.Target
		asked         int
	}{
		"one credential for all":      {target(shared, "one"), target(shared, "two"), 1},
		"a credential per caller":     {target(perCaller, "one"), target(perCaller, "two"), 2},
		"headers of the caller":       {target(forwarding, "one"), target(forwarding, "two"), 2},
		"the same caller":             {target(perCaller, "one"), target(perCaller, "one"), 1},
		"the record was edited since": {target(shared, "one"), target(edited, "one"), 2},
	} {
		t.Run(name, func(t *testing.T) {
			p, s := memory.New(nil), newServer(tools(600_000, "private"))
			l := instance(p, s)
			for _, target := range []upstream.Target{c.first, c.second} {
				page, err := l.Page(t.Context(), target, "tools/list", nil, nil)
				require.NoError(t, err)
				assert.True(t, page.Private)
				p.Wait()
			}
			assert.Equal(t, c.asked, s.asked["tools/list"])
		})
	}
}

func TestInvalidation(t *testing.T) {
	for name, f := range map[string]func(l *Lists, t upstream.Target, s *server){
		"list_changed": func(l *Lists, target upstream.Target, _ *server) {
			l.Heard(t.Context(), target, &jsonrpc.Message{Method: "notifications/tools/list_changed"})
		},
		"unknown tool": func(l *Lists, target upstream.Target, s *server) {
			s.answer["tools/call"] = `"error":{"code":-32602,"message":"Unknown tool"}`
			reply, err := l.CallTool(t.Context(), &upstream.Call{Target: target}, "gone", nil, nil)
			require.NoError(t, err)
			assert.Equal(t, -32602, reply.Error.Code)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, s := memory.New(nil), newServer(tools(600_000, "public"))
			l := instance(p, s)
			_, err := l.Page(t.Context(), target(shared, "one"), "tools/list", nil, nil)
			require.NoError(t, err)
			p.Wait()
			f(l, target(shared, "one"), s)
			p.Wait()
			_, err = instance(p, s).Page(t.Context(), target(shared, "one"), "tools/list", nil, nil)
			require.NoError(t, err)
			assert.Equal(t, 2, s.asked["tools/list"], "nor from KV")
			p.Wait()
		})
	}
}

// TestAnotherInstanceForgets: a list that one instance forgot is asked for by others soon.
func TestAnotherInstanceForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := memory.New(nil), newServer(tools(600_000, "public"))
		one, two := instance(p, s), instance(p, s)
		for _, l := range []*Lists{one, two} {
			_, err := l.Page(t.Context(), target(shared, "one"), "tools/list", nil, nil)
			require.NoError(t, err)
			p.Wait()
		}
		require.Equal(t, 1, s.asked["tools/list"])
		instance(p, s).Heard(t.Context(), target(shared, "two"), &jsonrpc.Message{Method: "notifications/tools/list_changed"})
		p.Wait()
		time.Sleep(recheck)
		_, err := two.Page(t.Context(), target(shared, "one"), "tools/list", nil, nil)
		require.NoError(t, err)
		assert.Equal(t, 2, s.asked["tools/list"])
		p.Wait()
	})
}

func TestAListWithoutEnd(t *testing.T) {
	p, s := memory.New(nil), newServer(`"result":{"tools":[],"nextCursor":"again"}`)
	l := instance(p, s)
	_, err := l.All(t.Context(), target(shared, "one"), "tools/list", nil)
	assert.ErrorIs(t, err, upstream.ErrProtocol)
	assert.Equal(t, 2, s.asked["tools/list"], "the same cursor leads nowhere")
	l.Limits.MaxPages = 1
	_, err = l.All(t.Context(), target(shared, "one"), "tools/list", nil)
	assert.ErrorIs(t, err, upstream.ErrProtocol)
	assert.Equal(t, 3, s.asked["tools/list"])
	p.Wait()
}

func TestACallNeverCausesAList(t *testing.T) {
	p, s := memory.New(nil), newServer(tools(0, "public"))
	s.answer["tools/call"] = `"result":{"content":[]}`
	l := instance(p, s)
	for range 3 {
		_, err := l.CallTool(t.Context(), &upstream.Call{Target: target(shared, "one")}, "a", nil, nil)
		require.NoError(t, err)
	}
	assert.Zero(t, s.asked["tools/list"])
	assert.Equal(t, 3, s.asked["tools/call"])
	p.Wait()
}

func TestAServerWithoutTheListIsNotAskedEachTime(t *testing.T) {
	p, s := memory.New(nil), newServer("")
	s.answer["prompts/list"] = `"error":{"code":-32601,"message":"Method not found"}`
	l := instance(p, s)
	for range 2 {
		items, err := l.All(t.Context(), target(shared, "one"), "prompts/list", nil)
		require.NoError(t, err)
		assert.Empty(t, items)
	}
	assert.Equal(t, 1, s.asked["prompts/list"])
	p.Wait()
}

func TestMemoryIsBounded(t *testing.T) {
	c := cache{entries: map[string]*entry{}}
	limits := Limits{MaxEntries: 10, MaxBytes: 1000}
	for i := range 100 {
		c.add(fmt.Sprint(i), &entry{size: 150, used: time.Unix(int64(i), 0)}, limits)
		assert.LessOrEqual(t, c.bytes, 1000)
	}
	assert.Len(t, c.entries, 6)
	assert.Contains(t, c.entries, "99", "the oldest goes first")
	c.add("large", &entry{size: 600}, limits)
	assert.NotContains(t, c.entries, "large")
}

func TestInvalidAnnotationsHideATool(t *testing.T) {
	p, s := memory.New(nil), newServer(`"result":{"tools":[{"name":"good"},{"name":"bad","inputSchema":{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}},{"name":"fine","inputSchema":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}],"ttlMs":600000}`)
	l := instance(p, s)
	page, err := l.Page(t.Context(), target(shared, "one"), "tools/list", nil, nil)
	require.NoError(t, err)
	assert.Len(t, page.Items, 2)
	p.Wait()
	other := instance(p, s)
	_, err = other.Page(t.Context(), target(shared, "one"), "tools/list", nil, nil)
	require.NoError(t, err)
	assert.Len(t, other.Mirrored(target(shared, "one").Record, "fine"), 1, "learnt from KV too")
	p.Wait()
}
