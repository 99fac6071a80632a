package upstream

import (
	"net/http"

	"github.com/grantway/grantway/worker/mcp/mirror"
)

// Values of headers that every request has; shared, never changed.
var (
	acceptBoth   = []string{"application/json, text/event-stream"}
	acceptStream = []string{"text/event-stream"}
	jsonType     = []string{"application/json"}
	identity     = []string{"identity"}
)

// modernHeader makes the headers of a request of the stateless era.
func modernHeader(version, method, target string, hasTarget bool) http.Header {
	h := http.Header{
		"Accept":               acceptBoth,
		"Content-Type":         jsonType,
		"Accept-Encoding":      identity,
		"Mcp-Protocol-Version": {version},
		mirror.Method:          {method},
	}
	if hasTarget {
		h[mirror.Name] = []string{mirror.Encode(target)}
	}
	return h
}

// legacyHeader makes the headers of a request of the session era; version is ""
// before the handshake has ended.
func legacyHeader(version, session string) http.Header {
	h := http.Header{"Accept": acceptBoth, "Content-Type": jsonType, "Accept-Encoding": identity}
	if version != "" {
		h["Mcp-Protocol-Version"] = []string{version}
	}
	if session != "" {
		h["Mcp-Session-Id"] = []string{session}
	}
	return h
}
