package mcp

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp/aggregate"
	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/lists"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/registry"
)

// many stands for many modern servers whose subscriptions stay open.
type many struct{ opening, most, streams, lists atomic.Int64 }

func (s *many) Client(*registry.Record, *access.Principal) http.RoundTripper { return s }

func (s *many) RoundTrip(r *http.Request) (*http.Response, error) {
	s.most.Store(max(s.most.Load(), s.opening.Add(1)))
	defer s.opening.Add(-1)
	time.Sleep(100 * time.Millisecond)
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var m jsonrpc.Message
	if e := jsonrpc.Scan(b, &m); e != nil {
		return nil, e
	}
	kind, body := "application/json", ""
	switch m.Method {
	case "server/discover":
		body = `{"jsonrpc":"2.0","id":` + string(m.ID) + `,"result":{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}}}}`
	case "tools/list":
		body = fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"tool-%d"}],"ttlMs":0}}`, m.ID, s.lists.Add(1))
	case listenMethod:
		s.streams.Add(1)
		from, to := io.Pipe()
		go func() {
			_, _ = io.WriteString(to, `data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true}}}`+"\n\n")
			<-r.Context().Done()
			_ = to.CloseWithError(r.Context().Err())
		}()
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: from}, nil
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// TestStreamsOfManyServers: so many are opened at once, so many are held, and what is over that is polled.
func TestStreamsOfManyServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := &many{}
		up := upstream.New(upstream.Config{Credentials: servers, Log: slog.New(slog.DiscardHandler), Limits: upstream.DefaultLimits})
		h := New(Config{Upstream: up, Lists: lists.New(lists.Config{Upstream: up, Log: slog.New(slog.DiscardHandler), Limits: lists.DefaultLimits}), Log: slog.New(slog.DiscardHandler), Limits: DefaultLimits})
		space := &aggregate.Space{}
		for i := range maxStreams + 1 {
			space.Servers = append(space.Servers, &registry.Record{ServerID: fmt.Sprint(i), Slug: fmt.Sprintf("s%02d", i), URL: "https://mcp.example.com/"})
		}
		ctx, leave := context.WithTimeout(t.Context(), 3*pollPause)
		defer leave()
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/mcp", nil)
		w := httptest.NewRecorder()
		h.listen(&exchange{h: h, w: w, r: r, caller: &access.Principal{ID: "c"}, space: space}, nil)
		assert.EqualValues(t, maxStreams, servers.streams.Load())
		assert.EqualValues(t, DefaultLimits.FanOut, servers.most.Load())
		assert.EqualValues(t, 3, servers.lists.Load(), "looks at the last server's list")
		assert.Equal(t, 2, strings.Count(w.Body.String(), "notifications/tools/list_changed"))
		assert.Contains(t, w.Body.String(), "\n:\n", "a comment keeps the stream alive")
	})
}

// flood stands for two servers: one acknowledges and has much to say, the other does not answer.
type flood struct{ many }

func (s *flood) Client(*registry.Record, *access.Principal) http.RoundTripper { return s }

func (s *flood) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Mcp-Method") != listenMethod {
		return s.many.RoundTrip(r)
	}
	if strings.Contains(r.URL.Path, "silent") {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	resp, err := s.many.RoundTrip(r)
	if err == nil {
		much := strings.Repeat(`data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"x":"`+strings.Repeat("x", 100)+`"}}`+"\n\n", 3*maxQueued)
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(much), resp.Body))
	}
	return resp, err
}

// TestNotificationsBeforeTheAcknowledgement: what comes before every server has acknowledged is kept, but not without limit.
func TestNotificationsBeforeTheAcknowledgement(t *testing.T) {
	for name, limit := range map[string]int{"number": 1 << 20, "bytes": 10 << 10} {
		synctest.Test(t, func(t *testing.T) {
			servers := &flood{}
			limits := upstream.DefaultLimits
			limits.MaxResponse = limit
			up := upstream.New(upstream.Config{Credentials: servers, Log: slog.New(slog.DiscardHandler), Limits: limits})
			h := New(Config{Upstream: up, Lists: lists.New(lists.Config{Upstream: up, Log: slog.New(slog.DiscardHandler), Limits: lists.DefaultLimits}), Log: slog.New(slog.DiscardHandler), Limits: DefaultLimits})
			space := &aggregate.Space{Servers: []*registry.Record{
				{ServerID: "a", Slug: "a", URL: "https://mcp.example.com/"}, {ServerID: "b", Slug: "b", URL: "https://mcp.example.com/silent"},
			}}
			ctx, leave := context.WithTimeout(t.Context(), DefaultLimits.FanOutTimeout/2)
			defer leave()
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/mcp", nil)
			w := httptest.NewRecorder()
			h.listen(&exchange{h: h, w: w, r: r, caller: &access.Principal{ID: "c"}, space: space, stateless: true},
				&jsonrpc.Message{ID: []byte("1"), Params: []byte(`{"notifications":{"toolsListChanged":true}}`)})
			assert.Equal(t, 3*maxQueued, strings.Count(w.Body.String(), "notifications/tools/list_changed"), name)
		})
	}
}
