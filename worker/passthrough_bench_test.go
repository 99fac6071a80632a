package worker_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/grantway/grantway/worker"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/seal"
)

// answering is a network on which every upstream answers at once.
type answering struct{ result string }

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	body := a.result
	if strings.HasSuffix(r.URL.Path, "/token") {
		body = `{"access_token":"token-1","token_type":"Bearer","expires_in":3600}`
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

// BenchmarkPassThrough is the guest's own work for one call with the token in L1:
// what decides the speed of both hosts.
func BenchmarkPassThrough(b *testing.B) {
	p := memory.New(map[string]string{
		"GRANTWAY_ADMIN_KEY": adminKey, "GRANTWAY_SEALING_KEY": seal.GenerateKey(), "GRANTWAY_ALLOW_LOOPBACK": "true",
	})
	p.Transport = answering{`{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"` + strings.Repeat("x", 1000) + `"}]}}`}
	g := worker.New(p)
	p.Objects = g
	do := func(method, path string, body []byte) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://127.0.0.1"+path, bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+adminKey)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		r.Header.Set("MCP-Protocol-Version", "2025-06-18")
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w
	}
	w := do("POST", "/v1/mcp/server", fmt.Appendf(nil, `{"server_name":"bench","url":"http://127.0.0.1:1/mcp","transport":"http","auth_type":"oauth2","oauth2_flow":"client_credentials",
		"client_id":"c","token_url":"http://127.0.0.1:1/token","token_endpoint_auth_method":"client_secret_basic","credentials":{"client_secret":"s"}}`))
	if w.Code != http.StatusCreated {
		b.Fatal(w.Body)
	}
	call := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}`)
	if w := do("POST", "/mcp/bench", call); w.Code != http.StatusOK {
		b.Fatal(w.Body)
	}
	b.ReportAllocs()
	for b.Loop() {
		if w := do("POST", "/mcp/bench", call); w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}
