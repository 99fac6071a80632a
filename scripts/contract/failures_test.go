package contract

import (
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The REST facade and the test of a server tell apart why a server cannot be used, and show no inner detail. A host that cannot
// tell DNS, TLS and refusals apart (workerd, and the gateway in this process) says that the server cannot be reached.
func TestWhyAServerCannotBeUsed(t *testing.T) {
	g := theGateway(t)
	answers := func(status int, header, value, text string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(header, value)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(silent.CloseClientConnections)
	for name, c := range map[string]struct {
		url     string
		status  int
		codes   []string // any of them
		message string
	}{
		"DNS":          {"https://nobody.example.com", 502, []string{"upstream_dns", "upstream_unreachable"}, ""},
		"TLS":          {untrusted.URL, 502, []string{"upstream_tls", "upstream_unreachable"}, ""},
		"refused":      {nobody, 502, []string{"upstream_refused", "upstream_unreachable"}, ""},
		"timeout":      {silent.URL, 504, []string{"upstream_timeout"}, "in time"},
		"HTTP status":  {answers(503, "Content-Type", "text/html", "<html>secret-of-the-server"), 502, []string{"upstream_status"}, "503"},
		"unauthorized": {answers(401, "WWW-Authenticate", `Bearer realm="secret-of-the-server"`, ""), 502, []string{"upstream_unauthorized"}, "401"},
		"forbidden":    {answers(403, "X-Detail", "secret-of-the-server", ""), 502, []string{"upstream_forbidden"}, "403"},
		"redirect":     {answers(307, "Location", "https://secret-of-the-server.example.com", ""), 502, []string{"upstream_redirect"}, "redirect"},
		"too many":     {answers(429, "Retry-After", "7", ""), 429, []string{"upstream_rate_limited"}, "429"},
		"protocol":     {answers(200, "Content-Type", "text/html", "<html>secret-of-the-server"), 502, []string{"upstream_protocol"}, "not valid MCP"},
	} {
		t.Run(name, func(t *testing.T) {
			codes := c.codes
			if hostName == "hostsim" {
				codes = codes[:1]
			}
			record := map[string]any{"server_name": "failing-" + rand.Text()[:8], "url": c.url + "/mcp", "transport": "http", "auth_type": "none", "timeout": 60}
			if c.url == silent.URL {
				record["timeout"] = 0.5
			}
			check := func(problem map[string]any) {
				t.Helper()
				code, _ := problem["code"].(string)
				message, _ := problem["message"].(string)
				assert.True(t, slices.Contains(codes, code), "%v, not one of %v", problem, codes)
				assert.Contains(t, message, c.message)
				assert.NotRegexp(t, `127\.0\.0\.1|nobody|secret-of|dial|lookup|x509`, message)
			}
			a := g.admin(t, "POST", "/mcp-rest/test/connection", record)
			require.Equal(t, c.status, a.StatusCode, "%s", a.text)
			problem, _ := a.object(t)["error"].(map[string]any)
			check(problem)
			a = g.admin(t, "POST", "/v1/mcp/server", record)
			require.Equal(t, 201, a.StatusCode, "%s", a.text)
			a = g.admin(t, "POST", "/mcp-rest/tools/call", map[string]any{"server_id": a.object(t)["server_id"], "name": "x", "arguments": map[string]any{}})
			require.Equal(t, c.status, a.StatusCode, "%s", a.text)
			problem, _ = a.object(t)["error"].(map[string]any)
			check(problem)
		})
	}
}
