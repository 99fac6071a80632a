package resource_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/resource"
)

func TestBase(t *testing.T) {
	for name, c := range map[string]struct {
		public, stored, proxies string
		url, peer               string
		headers                 map[string]string
		want                    string
		fixed                   bool
	}{
		"as requested":                      {url: "https://MCP.example.com/mcp", want: "https://mcp.example.com"},
		"this machine":                      {url: "http://127.0.0.1:8787/mcp", want: "http://127.0.0.1:8787", fixed: true},
		"configured":                        {public: "https://mcp.example.com/", url: "http://10.0.0.7:8787/mcp", want: "https://mcp.example.com", fixed: true},
		"stored in the settings":            {stored: "https://mcp.example.com", url: "http://10.0.0.7/mcp", want: "https://mcp.example.com", fixed: true},
		"the environment wins":              {public: "https://a.example", stored: "https://b.example", url: "http://x/mcp", want: "https://a.example", fixed: true},
		"forwarded by anybody":              {url: "http://gw.example/mcp", peer: "203.0.113.9:1", headers: map[string]string{"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}, want: "http://gw.example"},
		"forwarded by a trusted proxy":      {proxies: "10.0.0.0/8", url: "http://10.0.0.7/mcp", peer: "10.1.2.3:1", headers: map[string]string{"X-Forwarded-Host": "mcp.example.com", "X-Forwarded-Proto": "https"}, want: "https://mcp.example.com"},
		"the nearest proxy's word":          {proxies: "10.1.2.3", url: "http://gw/mcp", peer: "10.1.2.3:1", headers: map[string]string{"X-Forwarded-Host": "evil.example, mcp.example.com", "X-Forwarded-Proto": "http, https"}, want: "https://mcp.example.com"},
		"trusted, with a host of no host":   {proxies: "10.1.2.3", url: "http://gw/mcp", peer: "10.1.2.3:1", headers: map[string]string{"X-Forwarded-Host": "a.example/@evil.example"}, want: "http://gw"},
		"forwarded, and one's own proxies":  {proxies: "10.0.0.0/8", url: "http://gw.example/mcp", peer: "203.0.113.9:1", headers: map[string]string{"X-Forwarded-Host": "evil.example"}, want: "http://gw.example"},
		"IPv4 address mapped into IPv6":     {proxies: "10.0.0.0/8", url: "http://gw/mcp", peer: "[::ffff:10.1.2.3]:1", headers: map[string]string{"X-Forwarded-Proto": "https"}, want: "https://gw"},
		"configured beats a trusted header": {public: "https://a.example", proxies: "10.0.0.0/8", url: "http://gw/mcp", peer: "10.1.2.3:1", headers: map[string]string{"X-Forwarded-Host": "b.example"}, want: "https://a.example", fixed: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := resource.NewSite(c.public, c.proxies, func(context.Context) string { return c.stored })
			require.NoError(t, err)
			r := httptest.NewRequest("POST", c.url, nil)
			r.TLS = nil
			if c.peer != "" {
				r.RemoteAddr = c.peer
			}
			for k, v := range c.headers {
				r.Header.Set(k, v)
			}
			base, fixed := s.Base(r)
			assert.Equal(t, c.want, base)
			assert.Equal(t, c.fixed, fixed)
			assert.Equal(t, strings.HasPrefix(c.want, "https:"), s.Secure(r))
			if !fixed {
				assert.Empty(t, s.Audiences(r), "a name that the client chooses is no audience")
			}
		})
	}
}

// TestForwardedFor: an address is a trusted proxy's word, and not what the client put before it.
func TestForwardedFor(t *testing.T) {
	for name, c := range map[string]struct{ peer, header, want string }{
		"of anybody":               {"203.0.113.9:1", "198.51.100.7", ""},
		"of a trusted proxy":       {"10.1.2.3:1", "198.51.100.7", "198.51.100.7"},
		"the client's word before": {"10.1.2.3:1", "192.0.2.1, 198.51.100.7", "198.51.100.7"},
		"through several proxies":  {"10.1.2.3:1", "192.0.2.1, 198.51.100.7, 10.9.9.9", "198.51.100.7"},
		"with a port":              {"10.1.2.3:1", "198.51.100.7:4711", "198.51.100.7"},
		"IPv6":                     {"10.1.2.3:1", "[2001:db8::1]:4711", "2001:db8::1"},
		"none":                     {"10.1.2.3:1", "", ""},
		"proxies only":             {"10.1.2.3:1", "10.9.9.9", ""},
		"no address":               {"10.1.2.3:1", "198.51.100.7, unknown", ""},
	} {
		s, err := resource.NewSite("", "10.0.0.0/8", nil)
		require.NoError(t, err)
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.header != "" {
			r.Header.Set("X-Forwarded-For", c.header)
		}
		assert.Equal(t, c.want, s.ForwardedFor(r), name)
	}
}

func TestNewSiteRefusesWhatIsNoOrigin(t *testing.T) {
	for _, bad := range []string{"mcp.example.com", "https://mcp.example.com/path", "ftp://mcp.example.com", "https://u:p@mcp.example.com", "https://mcp.example.com?x"} {
		_, err := resource.NewSite(bad, "", nil)
		assert.ErrorContains(t, err, "GRANTWAY_PUBLIC_URL", bad)
	}
	_, err := resource.NewSite("", "10.0.0.0/8, proxy.internal", nil)
	assert.ErrorContains(t, err, "GRANTWAY_TRUSTED_PROXIES")
}

func TestAudiences(t *testing.T) {
	s, err := resource.NewSite("https://mcp.example.com", "", nil)
	require.NoError(t, err)
	for path, want := range map[string][]string{
		"/mcp/orders": {"https://mcp.example.com", "https://mcp.example.com/", "https://mcp.example.com/mcp/orders", "https://mcp.example.com/orders/mcp"},
		"/orders/mcp": {"https://mcp.example.com", "https://mcp.example.com/", "https://mcp.example.com/mcp/orders", "https://mcp.example.com/orders/mcp"},
		"/mcp":        {"https://mcp.example.com", "https://mcp.example.com/", "https://mcp.example.com/mcp"},
		"/v1/keys":    {"https://mcp.example.com", "https://mcp.example.com/"},
	} {
		assert.Equal(t, want, s.Audiences(httptest.NewRequest("GET", "http://x"+path, nil)), path)
	}
}

func TestServerOf(t *testing.T) {
	for path, want := range map[string]string{
		"/mcp": "", "/mcp/": "", "/mcp/demo": "demo", "/demo/mcp": "demo", "/mcp/demo/": "demo", "/mcp/a,b": "a,b", "/mcp/mcp": "mcp",
	} {
		got, ok := resource.ServerOf(path)
		assert.True(t, ok, path)
		assert.Equal(t, want, got, path)
	}
	for _, path := range []string{"/", "/demo", "/mcp/a/b", "/a/b/mcp", "//mcp"} {
		_, ok := resource.ServerOf(path)
		assert.False(t, ok, path)
	}
}
