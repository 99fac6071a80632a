package mcp

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/grantway/grantway/worker/mcp/lists"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/registry"
)

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
