package contract

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
)

// A body that breaks off is refused as such, whether the host reads it beforehand or the gateway while it serves.
func TestBodiesThatBreakOff(t *testing.T) {
	w := theWorld(t)
	if w == nil {
		return
	}
	for _, length := range []int64{50, 100_000} {
		for _, path := range []string{"/v1/keys", "/v1/import", "/mcp-rest/tools/call"} {
			request, err := http.NewRequestWithContext(t.Context(), "POST", w.url+path, strings.NewReader(`{"name":`))
			require.NoError(t, err)
			request.ContentLength = length
			request.Header.Set("Authorization", "Bearer "+w.adminKey)
			request.Header.Set("Content-Type", "application/json")
			response, err := w.host.SendBroken(request)
			require.NoError(t, err)
			require.NoError(t, note(request, response))
			text, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			_ = response.Body.Close()
			refused(t, answer{response, text}, 400, "unreadable_body")
		}
	}
}

// A record that cannot be read is a failure of the gateway: the answer shows nothing of it, and the log says it under the request's id.
func TestAFailureIsLoggedUnderTheRequestsID(t *testing.T) {
	w := newWorld(t, host.Options{})
	if w == nil {
		return
	}
	w.fault(t, "DIRECTORY", host.Fault{Op: "get", Key: "settings", Value: []byte("torn")})
	a := w.admin(t, "GET", "/v1/settings", nil)
	w.fault(t, "DIRECTORY", host.Fault{})
	refused(t, a, 500, "internal_error")
	assert.NotContains(t, string(a.text), "torn")
	assert.NotContains(t, string(a.text), "directory")
	id := a.Header.Get("X-Request-Id")
	assert.Eventually(t, func() bool {
		for line := range strings.SplitSeq(w.host.Log(), "\n") {
			if strings.Contains(line, id) && strings.Contains(line, "invalid character") {
				return true
			}
		}
		return false
	}, patience, 50*time.Millisecond)
	w.want(t, 200, "GET", "/v1/settings", nil)
}
