package worker_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/platform"
)

// BenchmarkForward is the guest's own work for a call that is forwarded, from the head of the request to the count of its end.
func BenchmarkForward(b *testing.B) {
	for _, era := range []string{"modern", "legacy"} {
		b.Run(era, func(b *testing.B) {
			f := newForwarding(b)
			body, headers := echoCall, echoHeaders(f.key)
			if era == "legacy" {
				body, headers = legacyCall, legacyHeaders(f.key, "2025-06-18", f.initialize(f.key, "/mcp/m2m", "own"))
			}
			head := platform.Head{Method: "POST", URL: "http://127.0.0.1/mcp/m2m", Body: []byte(body)}
			for _, h := range headers {
				head.Fields = append(head.Fields, platform.Field{Name: h[0], Value: h[1]})
			}
			var out platform.Forwarding
			b.ReportAllocs()
			for b.Loop() {
				out = platform.Forwarding{Header: out.Header[:0], Reply: out.Reply[:0]}
				if !f.gateway.Forward(&head, &out) {
					f.do(f.key, "POST", "/mcp/m2m", body, headers) // something was due for another look
					continue
				}
				out.Forwarded.Passed(http.StatusOK, 0)
			}
			require.NotEmpty(b, out.URL)
		})
	}
}
