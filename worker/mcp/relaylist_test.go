package mcp

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp/lists"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/registry"
)

// TestAListAmongOtherEvents: a list of tools reaches the client, filtered, whatever else the server sends before.
func TestAListAmongOtherEvents(t *testing.T) {
	up := upstream.New(upstream.Config{Log: slog.New(slog.DiscardHandler), Limits: upstream.DefaultLimits})
	h := New(Config{Upstream: up, Lists: lists.New(lists.Config{Upstream: up, Limits: lists.DefaultLimits}), Log: slog.New(slog.DiscardHandler), Limits: DefaultLimits})
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp/s", nil)
	body := "event: ping\ndata: 2026-11-28 12:00:00\n\n: comment\n\nid: 7\nevent: message\n" +
		`data: {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b"}]}}` + "\n\n"
	target := upstream.Target{Record: &registry.Record{ServerID: "s", AllowedTools: []string{"b"}}, Caller: &access.Principal{ID: "c"}}
	h.relayStream(w, r, target, &http.Response{Body: io.NopCloser(strings.NewReader(body))}, true, false)
	assert.Equal(t, "event: message\nid: 7\n"+`data: {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"b"}]}}`+"\n\n", w.Body.String())
}

// TestCommentsOfAPassedStream: a silent stream gets comments, but none in the middle of an event, however its bytes arrive.
func TestCommentsOfAPassedStream(t *testing.T) {
	for pieces, want := range map[[2]string]string{
		{"data: a\n", "\n"}:          "data: a\n\n:\n\n:\n\n",
		{"data: a\r\n\r", "\n"}:      "data: a\r\n\r\n:\n\n:\n\n",
		{"data: a\r", "\r"}:          "data: a\r\r:\n\n:\n\n",
		{"", "data: a\n\n"}:          "data: a\n\n:\n\n:\n\n",
		{"data: a\n\nda", "ta: b\n"}: "data: a\n\ndata: b\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			up := upstream.New(upstream.Config{Log: slog.New(slog.DiscardHandler), Limits: upstream.DefaultLimits})
			h := New(Config{Upstream: up, Lists: lists.New(lists.Config{Upstream: up, Limits: lists.DefaultLimits}), Log: slog.New(slog.DiscardHandler), Limits: DefaultLimits})
			from, to := io.Pipe()
			go func() {
				for _, piece := range pieces {
					_, _ = io.WriteString(to, piece)
				}
				time.Sleep(2*heartbeat + time.Second)
				_ = to.Close()
			}()
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/mcp/s", nil)
			h.relayStream(w, r, upstream.Target{Record: &registry.Record{ServerID: "s"}}, &http.Response{Body: from}, false, false)
			assert.Equal(t, want, w.Body.String(), "%q", pieces)
		})
	}
}
