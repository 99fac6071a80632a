package instance

import (
	"net/http"
	"net/textproto"
	"strings"
)

// InternalPrefix begins the names of headers that never come from outside.
const InternalPrefix = "Grantway-Internal-"

// ParseHeader reads lines "name:value".
func ParseHeader(lines string) http.Header {
	h := make(http.Header, 8)
	for lines != "" {
		name, value, ok := strings.Cut(line(&lines), ":")
		if !ok || name == "" {
			continue
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		h[name] = append(h[name], value)
	}
	return h
}

// JoinHeader writes first, then a line "name:value" per value.
func JoinHeader(first string, h http.Header) string {
	n := len(first)
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + 2
		}
	}
	var b strings.Builder
	b.Grow(n)
	b.WriteString(first)
	for name, values := range h {
		for _, v := range values {
			b.WriteByte('\n')
			b.WriteString(name)
			b.WriteByte(':')
			b.WriteString(v)
		}
	}
	return b.String()
}

// hopByHop are the headers that belong to one connection (RFC 9110 §7.6.1).
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// DropHopByHop removes the headers of the connection, and those that Connection
// names.
func DropHopByHop(h http.Header) {
	for _, v := range h["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			if name = textproto.TrimString(name); name != "" {
				h.Del(name)
			}
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}
