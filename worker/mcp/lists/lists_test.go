package lists

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
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
	hold   chan struct{}     // if not nil, a list's answer waits for it
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
	if s.hold != nil && m.Method == "tools/list" {
		<-s.hold
	}
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
func instance(p *memory.Platform, s *server) *Lists { return instanceOn(p, s, p.KV(platform.Config)) }

func instanceOn(p *memory.Platform, s *server, kv platform.KV) *Lists {
	up := upstream.New(upstream.Config{Credentials: s, KV: kv, Background: p.Background, Log: slog.New(slog.DiscardHandler), Limits: upstream.DefaultLimits})
	return New(Config{Upstream: up, KV: kv, Background: p.Background, Log: slog.New(slog.DiscardHandler), Limits: DefaultLimits})
}

var toolsChanged = &jsonrpc.Message{Method: "notifications/tools/list_changed"}

// names answers the names of the tools that an instance lists.
func names(t *testing.T, l *Lists, target upstream.Target) string {
	t.Helper()
	page, err := l.Page(t.Context(), target, "tools/list", nil, nil)
	require.NoError(t, err)
	return fmt.Sprintf("%s", page.Items)
}

const before, after = `[{"name":"before"}]`, `[{"name":"after"}]`

func listing(tools string) string {
	return `"result":{"tools":` + tools + `,"ttlMs":3600000,"cacheScope":"public"}`
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
	for name, f := range map[string]func(t *testing.T, l *Lists, target upstream.Target, s *server){
		"list_changed": func(t *testing.T, l *Lists, target upstream.Target, _ *server) {
			l.Heard(t.Context(), target, toolsChanged)
		},
		"unknown tool": func(t *testing.T, l *Lists, target upstream.Target, s *server) {
			s.answer["tools/call"] = `"error":{"code":-32602,"message":"Unknown tool"}`
			reply, err := l.CallTool(t.Context(), &upstream.Call{Target: target}, "gone", nil, nil)
			require.NoError(t, err)
			assert.Equal(t, -32602, reply.Error.Code)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, s := memory.New(nil), newServer(tools(600_000, "public"))
			l := instance(p, s)
			_, err := l.Page(t.Context(), target(shared, "one"), "tools/list", nil, nil)
			require.NoError(t, err)
			p.Wait()
			f(t, l, target(shared, "one"), s)
			p.Wait()
			_, err = instance(p, s).Page(t.Context(), target(shared, "one"), "tools/list", nil, nil)
			require.NoError(t, err)
			assert.Equal(t, 2, s.asked["tools/list"], "%s: nor from KV", name)
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
		instance(p, s).Heard(t.Context(), target(shared, "two"), toolsChanged)
		p.Wait()
		time.Sleep(recheck)
		_, err := two.Page(t.Context(), target(shared, "one"), "tools/list", nil, nil)
		require.NoError(t, err)
		assert.Equal(t, 2, s.asked["tools/list"])
		p.Wait()
	})
}

// edge is KV as a location of the edge shows it: with a delay, in which it answers what it held.
type edge struct {
	platform.KV
	old map[string][]byte // answered in place of what is there; nil: absent
	put func()            // before a write
}

func (e *edge) Get(ctx context.Context, key string) ([]byte, error) {
	if b, ok := e.old[key]; ok {
		if b == nil {
			return nil, platform.ErrNotFound
		}
		return b, nil
	}
	return e.KV.Get(ctx, key)
}

func (e *edge) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if e.put != nil {
		e.put()
	}
	return e.KV.Put(ctx, key, value, ttl)
}

// TestAChangedListDoesNotComeBackFromKV: KV may go on answering what it held.
func TestAChangedListDoesNotComeBackFromKV(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := memory.New(nil), newServer(listing(before))
		kv := &edge{KV: p.KV(platform.Config), old: map[string][]byte{}}
		l := instanceOn(p, s, kv)
		who := target(shared, "one")
		require.Equal(t, before, names(t, l, who))
		p.Wait()
		for _, k := range []string{kvList + key(who, "tools/list", nil), kvChanged + strings.TrimSuffix(prefix(who.Record, "tools/list"), "/")} {
			b, _ := kv.KV.Get(t.Context(), k)
			kv.old[k] = b
		}
		require.NotEmpty(t, kv.old[kvList+key(who, "tools/list", nil)])

		s.answer["tools/list"] = listing(after)
		l.Heard(t.Context(), who, toolsChanged)
		assert.Equal(t, after, names(t, l, who), "at once")
		p.Wait()
		time.Sleep(recheck)
		assert.Equal(t, after, names(t, l, who), "and when KV is looked into again")
		assert.Equal(t, 2, s.asked["tools/list"])
		p.Wait()
	})
}

// TestALookFromBeforeAChange: what a server was asked for before the change is answered to who asked before, and to nobody else.
func TestALookFromBeforeAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := memory.New(nil), newServer(listing(before))
		l := instance(p, s)
		who := target(shared, "one")
		early, late := make(chan string, 1), make(chan string, 1)
		s.hold = make(chan struct{})
		go func() { early <- names(t, l, who) }()
		synctest.Wait()
		l.Heard(t.Context(), who, toolsChanged)
		held := s.hold
		s.hold, s.answer["tools/list"] = nil, listing(after)
		go func() { late <- names(t, l, who) }()
		synctest.Wait()
		assert.Equal(t, after, <-late, "who comes after the change does not wait for the look from before")
		close(held)
		assert.Equal(t, before, <-early)
		p.Wait()
		assert.Equal(t, after, names(t, l, who), "the late answer is not remembered")
		assert.Equal(t, after, names(t, instance(p, s), who), "nor is it in KV")
		assert.Equal(t, 2, s.asked["tools/list"])
		p.Wait()
	})
}

// TestAWriteFromBeforeAChange: a page that reaches KV after the change is believed by no instance.
func TestAWriteFromBeforeAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := memory.New(nil), newServer(listing(before))
		slow := &edge{KV: p.KV(platform.Config), put: func() { time.Sleep(time.Second) }}
		l := instanceOn(p, s, slow)
		who := target(shared, "one")
		require.Equal(t, before, names(t, l, who))
		synctest.Wait()
		slow.put = nil
		l.Heard(t.Context(), who, toolsChanged)
		p.Wait()
		_, err := slow.KV.Get(t.Context(), kvList+key(who, "tools/list", nil))
		require.NoError(t, err, "the old page is in KV")
		s.answer["tools/list"] = listing(after)
		assert.Equal(t, after, names(t, l, who))
		assert.Equal(t, after, names(t, instance(p, s), who))
		p.Wait()
	})
}

// TestAChangeConcernsEveryCaller: also those whose lists the instance that hears of it does not know.
func TestAChangeConcernsEveryCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := memory.New(nil), newServer(listing(before))
		one, two := target(registry.Record{ForwardHeaders: []string{"X-Tenant"}, Version: 1}, "one"), target(registry.Record{ForwardHeaders: []string{"X-Tenant"}, Version: 1}, "two")
		l := instance(p, s)
		for _, who := range []upstream.Target{one, two} {
			require.Equal(t, before, names(t, l, who))
		}
		p.Wait()
		s.answer["tools/list"] = listing(after)
		time.Sleep(time.Millisecond)
		instance(p, s).Heard(t.Context(), one, toolsChanged)
		p.Wait()
		assert.Equal(t, after, names(t, instance(p, s), two), "a new instance does not find the old list in KV")
		time.Sleep(recheck)
		assert.Equal(t, after, names(t, l, two))
		p.Wait()
	})
}

// TestALongListIsAskedForOnce: a look into KV for changes does not end its life.
func TestALongListIsAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := memory.New(nil), newServer(listing(before))
		l := instance(p, s)
		for range 100 {
			assert.Equal(t, before, names(t, l, target(shared, "one")))
			p.Wait()
			time.Sleep(recheck)
		}
		assert.Equal(t, 1, s.asked["tools/list"])
	})
}

// TestManyChangesAreToldSparingly: KV takes one write of a key a second.
func TestManyChangesAreToldSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := memory.New(nil), newServer(listing(before))
		writes := 0
		kv := &edge{KV: p.KV(platform.Config), put: func() { writes++ }}
		l := instanceOn(p, s, kv)
		who := target(shared, "one")
		for range 100 {
			l.Heard(t.Context(), who, toolsChanged)
			time.Sleep(20 * time.Millisecond)
		}
		other := instance(p, s)
		require.Equal(t, before, names(t, other, who))
		l.Heard(t.Context(), who, toolsChanged)
		p.Wait()
		assert.LessOrEqual(t, writes, 4)
		time.Sleep(recheck)
		s.answer["tools/list"] = listing(after)
		assert.Equal(t, after, names(t, other, who), "the last one is told")
		p.Wait()
	})
}

// TestChangesInMemoryAreBounded: what is not known any more counts as changed.
func TestChangesInMemoryAreBounded(t *testing.T) {
	c := changes{at: map[string]time.Time{}}
	asked := c.now()
	for i := range maxChanged + 1 {
		c.note(fmt.Sprint(i), c.now())
		assert.LessOrEqual(t, len(c.at), maxChanged)
	}
	assert.True(t, c.since("0").After(asked))
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
