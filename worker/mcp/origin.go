package mcp

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Origins decides from which web origins and under which host names the MCP
// endpoints answer, against DNS rebinding.
type Origins struct {
	// Hosts are the names (with a port, if it is not the scheme's own) under which the
	// gateway is reached; empty: any.
	Hosts []string
	// Allowed are the web origins that may call from a browser, besides the gateway's own
	// https origin and loopback ones; "*" allows every one.
	Allowed []string
}

// Admit checks Host and Origin, and adds the CORS headers of an admitted origin.
func (o *Origins) Admit(w http.ResponseWriter, r *http.Request) bool {
	if len(o.Hosts) > 0 && !loopback(r.Host) && !contains(o.Hosts, r.Host) {
		return false
	}
	values := r.Header["Origin"]
	if len(values) == 0 {
		return true
	}
	origin := values[0]
	if len(values) > 1 || !o.allowed(r, origin) {
		return false
	}
	h := w.Header()
	h["Access-Control-Allow-Origin"] = []string{origin}
	h["Access-Control-Expose-Headers"] = []string{"Mcp-Session-Id, WWW-Authenticate, X-Request-Id, Retry-After"}
	h.Add("Vary", "Origin")
	return true
}

func (o *Origins) allowed(r *http.Request, origin string) bool {
	if contains(o.Allowed, origin) || contains(o.Allowed, "*") {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	if loopback(u.Host) {
		return loopback(r.Host)
	}
	// A rebound name cannot have a certificate, so https proves the name.
	return u.Scheme == "https" && strings.EqualFold(u.Host, r.Host)
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if strings.EqualFold(v, s) {
			return true
		}
	}
	return false
}

func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// preflight answers a browser's question before a request of an admitted origin.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "POST, GET, DELETE")
	allowed := "Authorization, X-Grantway-Key, X-Litellm-Api-Key, X-Grantway-Servers, X-Mcp-Servers, Content-Type, Accept, Mcp-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID, Traceparent, Tracestate"
	for name := range strings.SplitSeq(r.Header.Get("Access-Control-Request-Headers"), ",") {
		if name = strings.TrimSpace(name); len(name) > 10 && strings.EqualFold(name[:10], "Mcp-Param-") && token(name) {
			allowed += ", " + name
		}
	}
	h.Set("Access-Control-Allow-Headers", allowed)
	h.Set("Access-Control-Max-Age", "7200")
	w.WriteHeader(http.StatusNoContent)
}

// token reports whether s is a token of RFC 9110 §5.6.2.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}
