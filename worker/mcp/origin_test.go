package mcp

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/registry"
)

func TestOrigins(t *testing.T) {
	open := &Origins{}
	named := &Origins{Hosts: []string{"gateway.example.com"}, Allowed: []string{"https://app.example.com"}}
	for name, c := range map[string]struct {
		o            *Origins
		host, origin string
		want         bool
	}{
		"no browser":                  {open, "gateway.example.com", "", true},
		"own https origin":            {open, "gateway.example.com", "https://gateway.example.com", true},
		"rebound name":                {open, "evil.example.com", "http://evil.example.com", false},
		"rebound name on a port":      {open, "evil.example.com:8787", "http://evil.example.com:8787", false},
		"another site":                {open, "gateway.example.com", "https://evil.example.com", false},
		"local page, local gateway":   {open, "localhost:8787", "http://localhost:6274", true},
		"local page, 127.0.0.1":       {open, "127.0.0.1:8787", "http://localhost:8787", true},
		"local page, remote gateway":  {open, "gateway.example.com", "http://localhost:6274", false},
		"remote page, local gateway":  {open, "localhost:8787", "https://evil.example.com", false},
		"IPv6":                        {open, "[::1]:8787", "http://[::1]:8787", true},
		"null":                        {open, "localhost:8787", "null", false},
		"name that begins like local": {open, "localhost.evil.example.com", "http://localhost.evil.example.com", false},
		"allowed":                     {named, "gateway.example.com", "https://app.example.com", true},
		"named host":                  {named, "gateway.example.com", "", true},
		"other host":                  {named, "evil.example.com", "", false},
		"local name":                  {named, "localhost:8787", "", true},
		"every origin":                {&Origins{Allowed: []string{"*"}}, "gateway.example.com", "https://any.example.com", true},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://"+c.host+"/mcp", nil)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		assert.Equal(t, c.want, c.o.Admit(w, r), name)
		if c.want && c.origin != "" {
			assert.Equal(t, c.origin, w.Header().Get("Access-Control-Allow-Origin"), name)
		} else {
			assert.Empty(t, w.Header().Get("Access-Control-Allow-Origin"), name)
		}
	}
}

func TestForwardedHeaders(t *testing.T) {
	rec := &registry.Record{ForwardHeaders: []string{"authorization", "x-tenant", "Cookie", "X-Grantway-Key", "x-litellm-api-key", "Mcp-Session-Id", "Host", "Connection", "Accept-Encoding"}}
	sent := http.Header{
		"Authorization": {"Bearer caller"}, "X-Tenant": {"t1"}, "X-Other": {"o"}, "Cookie": {"c=1"}, "X-Litellm-Api-Key": {""}, "Mcp-Session-Id": {"sealed"},
		"Connection": {"x"}, "Traceparent": {"tp"}, "Mcp-Param-Region": {"eu"}, "Accept-Encoding": {"br"}, "Forwarded": {"for=1"}, "X-Forwarded-For": {"1"},
	}
	r := &http.Request{Header: sent}
	extra := Extra(r, upstream.Target{Record: rec})
	assert.Equal(t, http.Header{"X-Tenant": {"t1"}, "Traceparent": {"tp"}, "Mcp-Param-Region": {"eu"}, "User-Agent": {"grantway"}}, extra, "the key is in Authorization")

	sent["X-Grantway-Key"] = []string{"gw_key"}
	extra = Extra(r, upstream.Target{Record: rec})
	assert.Equal(t, "Bearer caller", extra.Get("Authorization"), "the key came by another header")
	assert.Empty(t, extra.Get("X-Grantway-Key"))
	assert.Empty(t, Extra(r, upstream.Target{Record: &registry.Record{}}).Get("Authorization"), "only if the record lists it")
}
