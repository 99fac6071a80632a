package contract

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
)

// TestCookiesOfHTTPS: cookies are Secure, and this site's alone by their prefix, where the gateway knows that browsers speak
// https with it: by its configuration, or the word of a proxy that it trusts. Anybody else's word changes nothing.
func TestCookiesOfHTTPS(t *testing.T) {
	forwarded := []string{"X-Forwarded-Proto", "https"}
	cases := map[string]struct {
		variable, value string
		headers         []string
		secure          bool
	}{
		"configured":        {"GRANTWAY_PUBLIC_URL", "https://mcp.example.com", nil, true},
		"anybody's word":    {"GRANTWAY_TRUSTED_PROXIES", "10.0.0.0/8", forwarded, false},
		"configured as is":  {"GRANTWAY_PUBLIC_URL", "http://127.0.0.1", forwarded, false},
		"a trusted proxy's": {"GRANTWAY_TRUSTED_PROXIES", "127.0.0.0/8", forwarded, true},
		"a proxy says http": {"GRANTWAY_TRUSTED_PROXIES", "127.0.0.0/8", []string{"X-Forwarded-Proto", "https, http"}, false},
	}
	if hostName == "workerd" { // Cloudflare is the proxy there, and a request's URL its word
		delete(cases, "a trusted proxy's")
		delete(cases, "a proxy says http")
		delete(cases, "configured as is")
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			environment := goodEnvironment()
			environment[c.variable] = c.value
			g, stop := startGateway(t, environment)
			defer func() { require.NoError(t, stop()) }()
			w := &realm{gateway: g, t: t}
			w.idp = w.authserver(authserver.Options{Registration: true})
			w.server = w.mcpserver(w.idp)
			w.add("files", "")

			resp, body := w.request("POST", "/v1/mcp/server/files/connect", `{}`, append(c.headers, "Authorization", "Bearer "+w.adminKey)...)
			require.Equal(t, http.StatusOK, resp.StatusCode, body)
			flow := resp.Header.Get("Set-Cookie")
			for _, want := range []string{"grantway_flow_", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=300"} {
				assert.Contains(t, flow, want)
			}
			resp, body = w.request("POST", "/v1/session", `{"key":"`+w.adminKey+`"}`, c.headers...)
			require.Equal(t, http.StatusOK, resp.StatusCode, body)
			session := resp.Header.Get("Set-Cookie")
			assert.Contains(t, session, "SameSite=Strict")
			for _, cookie := range []string{flow, session} {
				assert.Equal(t, c.secure, strings.Contains(cookie, "; Secure"), cookie)
				assert.Equal(t, c.secure, strings.HasPrefix(cookie, "__Host-"), cookie)
				assert.NotContains(t, cookie, "Domain")
			}

			// Elsewhere than on this machine a key is not taken over http.
			status := http.StatusForbidden
			if c.secure {
				status = http.StatusOK
			}
			resp, body = w.request("POST", "/v1/session", `{"key":"`+w.adminKey+`"}`, append(c.headers, "Host", "gateway.example")...)
			assert.Equal(t, status, resp.StatusCode, body)
			resp, body = w.request("GET", "/signin", "", append(c.headers, "Host", "gateway.example")...)
			if c.secure {
				assert.Contains(t, body, "sign_in_disabled")
			} else {
				assert.Equal(t, http.StatusForbidden, resp.StatusCode)
				assert.Contains(t, body, "https_required")
			}
		})
	}
}
