package token_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/metrics"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/seal"
	"github.com/grantway/grantway/worker/settings"
	"github.com/grantway/grantway/worker/token"
)

// What the gateway's own code costs for one upstream call, by the place where the
// token is found. The in-memory platform answers at once, so no network and no host is in the
// figures. In the module:
//
//	GOOS=js GOARCH=wasm go test -exec "$(go env GOROOT)/lib/wasm/go_js_wasm_exec" -run '^$' -bench . ./worker/token
func BenchmarkResolve(b *testing.B) {
	k, err := seal.NewKeyring(sealKey)
	require.NoError(b, err)
	s, _ := settings.Load(func(string) string { return "" })
	p := memory.New(nil)
	n := 0
	p.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "idp.example.com" {
			n++
			return reply(200, "application/json", `{"access_token":"`+strings.Repeat("x", 900)+strconv.Itoa(n)+`","token_type":"Bearer","expires_in":3600}`), nil
		}
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})
	fresh := func() *token.Engine {
		return token.New(token.Config{Platform: p, Keyring: k, Settings: s, Metrics: metrics.New()})
	}
	w := &world{keyring: k}
	rec := w.record()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, serverURL, nil)
	require.NoError(b, err)
	request.Header = http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}, "Mcp-Protocol-Version": {"2025-11-25"}}
	once := func(b *testing.B, e *token.Engine, rec *registry.Record) {
		resp, err := e.Client(rec, admin).RoundTrip(request)
		if err != nil || resp.StatusCode != 200 {
			b.Fatal(err)
		}
	}
	object := fresh()
	p.Objects = object
	once(b, object, rec)
	p.Wait()

	b.Run("none", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = p.Transport.RoundTrip(request)
		}
	})
	b.Run("L1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			once(b, object, rec)
		}
	})
	b.Run("KV", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			once(b, fresh(), rec)
		}
	})
	b.Run("mint", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n++
			other := *rec
			other.ServerID, other.ClientID = "s"+strconv.Itoa(n), "c"+strconv.Itoa(n)
			other.Secrets = w.secrets(&other, map[string]string{registry.SecretClientSecret: "s3cret"})
			once(b, object, &other)
		}
		p.Wait()
	})
}
