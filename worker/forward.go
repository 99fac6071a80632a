package worker

import (
	"strings"

	"github.com/grantway/grantway/worker/platform"
)

var _ platform.Forwarder = (*Gateway)(nil)

// Forward implements platform.Forwarder for POST /mcp/{server}.
func (g *Gateway) Forward(head *platform.Head, f *platform.Forwarding) bool {
	if g.misconfigured != nil {
		return false
	}
	_, rest, ok := strings.Cut(head.URL, "://")
	if !ok {
		return false
	}
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return false
	}
	slug, ok := strings.CutPrefix(rest[slash:], "/mcp/")
	if !ok || !plainSlug(slug) || !g.mcp.Forward(head, slug, f) {
		return false
	}
	given := ""
	for i := range head.Fields {
		if n := head.Fields[i].Name; len(n) == len("x-request-id") && strings.EqualFold(n, "x-request-id") {
			given = head.Fields[i].Value
			break
		}
	}
	f.Reply = append(f.Reply, platform.Field{Name: "X-Request-Id", Value: requestID(given)})
	return true
}

// plainSlug reports whether s is a reference that stands in a URL's path, and in memory, as it is.
func plainSlug(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}
