package mcp

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp/admission"
	"github.com/grantway/grantway/worker/mcp/lists"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/registry"
)

type oneServer struct{ rec *registry.Record }

func (s oneServer) Lookup(context.Context, string) (*registry.Record, error) { return s.rec, nil }
func (s oneServer) All(context.Context) ([]*registry.Record, error) {
	return []*registry.Record{s.rec}, nil
}

type anyone struct{ who *access.Principal }

func (a anyone) Authenticate(*http.Request) (*access.Principal, error) { return a.who, nil }

type echo struct{ answer []byte }

func (e echo) Client(*registry.Record, *access.Principal) http.RoundTripper { return e }

func (e echo) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(e.answer))}, nil
}

// passing is a writer that takes bodies whole, as a host does.
type passing struct{ header http.Header }

func (w *passing) Header() http.Header         { return w.header }
func (w *passing) WriteHeader(int)             {}
func (w *passing) Write(b []byte) (int, error) { return len(b), nil }
func (w *passing) PassBody(io.ReadCloser) bool { return true }

// BenchmarkPass is the gateway's own share of a passed-through call: all but access keys, token and I/O.
func BenchmarkPass(b *testing.B) {
	up := upstream.New(upstream.Config{Credentials: echo{[]byte(`{"jsonrpc":"2.0","id":1,"result":{}}`)}, Log: slog.New(slog.DiscardHandler), Limits: upstream.DefaultLimits})
	h := New(Config{
		Gate: &admission.Gate{
			Authenticator: anyone{&access.Principal{ID: "key:1", AllServers: true}},
			Source:        oneServer{&registry.Record{ServerID: "id", Slug: "demo", URL: "https://mcp.example.com/mcp"}},
			Rate:          admission.NewRate(0, nil),
			Slots:         admission.NewSlots(256, 256),
		},
		Upstream: up,
		Lists:    lists.New(lists.Config{Upstream: up, Log: slog.New(slog.DiscardHandler), Limits: lists.DefaultLimits}),
		Origins:  &Origins{},
		Log:      slog.New(slog.DiscardHandler),
		Limits:   DefaultLimits,
	})
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	r, err := http.NewRequestWithContext(b.Context(), "POST", "https://gateway.example.com/mcp/demo", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header = http.Header{
		"Accept": {"application/json, text/event-stream"}, "Content-Type": {"application/json"}, "Mcp-Protocol-Version": {"2026-07-28"},
		"Mcp-Method": {"tools/call"}, "Mcp-Name": {"echo"}, "Authorization": {"Bearer gw_key"}, "User-Agent": {"client"}, "Accept-Encoding": {"gzip"},
	}
	r.ContentLength = int64(len(body))
	b.ReportAllocs()
	for b.Loop() {
		r.Body = io.NopCloser(strings.NewReader(body))
		h.ServeHTTP(&passing{make(http.Header, 8)}, r)
	}
}
