package mcp

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/mirror"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/registry"
)

// receive reads the message of a POST and checks it: media type, size, syntax, and the rules of
// the era that it names. On an error m holds the id for the answer, if it is known.
func (h *Handler) receive(r *http.Request, m *jsonrpc.Message) (body []byte, stateless bool, err error) {
	if err := checkPost(r.Header); err != nil {
		return nil, false, err
	}
	if body, err = readBody(r, h.Limits.MaxBody); err != nil {
		return nil, false, err
	}
	if err := jsonrpc.Scan(body, m); err != nil {
		return nil, false, err
	}
	if modern(r.Header, m) {
		return body, true, checkModern(r.Header, m)
	}
	return body, false, checkLegacy(r.Header, m)
}

// readBody takes the request's body, which is at most limit bytes.
func readBody(r *http.Request, limit int) ([]byte, error) {
	if r.ContentLength > int64(limit) {
		return nil, errBodySize
	}
	if n := r.ContentLength; n >= 0 {
		b := make([]byte, n)
		if _, err := io.ReadFull(r.Body, b); err != nil {
			return nil, errBodyBroken.Because(err)
		}
		return b, nil
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, int64(limit)+1))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, errBodySize
		}
		return nil, errBodyBroken.Because(err)
	}
	if len(b) > limit {
		return nil, errBodySize
	}
	return b, nil
}

// tooLong reports whether the headers' names and values together pass the limit.
func tooLong(h http.Header, limit int) bool {
	for name, values := range h {
		for _, v := range values {
			limit -= len(name) + len(v)
		}
	}
	return limit < 0
}

// checkPost checks what comes before the body: media type and Accept.
func checkPost(h http.Header) error {
	ct := first(h, "Content-Type")
	if ct != "application/json" {
		ct, _, _ = strings.Cut(ct, ";")
		if !strings.EqualFold(strings.TrimSpace(ct), "application/json") {
			return errMediaType
		}
	}
	if !accepts(h["Accept"], true, true) {
		return errAccept
	}
	return nil
}

// accepts reports whether the values of Accept list the media types.
func accepts(values []string, json, stream bool) bool {
	for _, v := range values {
		if v == "application/json, text/event-stream" {
			return true
		}
		for part := range strings.SplitSeq(v, ",") {
			part, _, _ = strings.Cut(part, ";")
			switch strings.ToLower(strings.TrimSpace(part)) {
			case "*/*":
				return true
			case "application/json", "application/*":
				json = false
			case "text/event-stream", "text/*":
				stream = false
			}
		}
	}
	return !json && !stream
}

// first answers the first value of a header whose name is canonical.
func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// modern decides the era of a request: by the version that it names, in the
// header or in its body.
func modern(h http.Header, m *jsonrpc.Message) bool {
	return upstream.IsModern(first(h, "Mcp-Protocol-Version")) || m.ProtocolVersion != ""
}

// checkModern is the ladder for a stateless request (MCP 2026-07-28, basic/transports;
// SEP-2243), after era and syntax.
func checkModern(h http.Header, m *jsonrpc.Message) error {
	for _, name := range [...]string{"Mcp-Protocol-Version", mirror.Method, mirror.Name} {
		if len(h[name]) > 1 {
			return errHeadDoubled
		}
	}
	if m.Kind == jsonrpc.Batch || m.Kind == jsonrpc.Response {
		return errResponse
	}
	version := first(h, "Mcp-Protocol-Version")
	if version == "" {
		return errNoVersion
	}
	if m.Kind == jsonrpc.Notification {
		return nil // the core defines none over HTTP, and no rules for their headers
	}
	if m.ProtocolVersion == "" || m.ClientCapabilities == nil {
		return errNoMeta
	}
	if version != m.ProtocolVersion {
		return errOtherMeta
	}
	return checkMirror(h, m)
}

func checkMirror(h http.Header, m *jsonrpc.Message) error {
	method := first(h, mirror.Method)
	if method == "" || strings.Trim(method, " \t") != m.Method {
		return errMethodHead
	}
	target, has := m.Target()
	if !has {
		return nil
	}
	name, err := mirror.Decode(first(h, mirror.Name))
	if err != nil || name != target || target == "" {
		return errNameHead
	}
	return nil
}

// checkLegacy checks a request of the session era.
func checkLegacy(h http.Header, m *jsonrpc.Message) error {
	version := first(h, "Mcp-Protocol-Version")
	if version != "" && !knownLegacy(version) {
		return errBadVersion
	}
	if m.Kind == jsonrpc.Batch && version != "" && version != upstream.AssumedLegacy {
		return errBatch
	}
	return nil
}

func knownLegacy(version string) bool {
	for _, v := range upstream.LegacyVersions {
		if v == version {
			return true
		}
	}
	return false
}

// checkParams compares the headers Mcp-Param-* with the arguments, as far as the
// tool's schema is known.
func (h *Handler) checkParams(head http.Header, rec *registry.Record, tool string, arguments []byte) error {
	params := h.Lists.Mirrored(rec, tool)
	for i := range params {
		p := &params[i]
		_, has := p.Value(arguments)
		v, sent := head[p.Header]
		if has != sent || sent && (len(v) != 1 || !p.Matches(v[0], arguments)) {
			return &jsonrpc.Error{Code: jsonrpc.CodeHeaderMismatch, Message: p.Header + " is missing or differs from the body."}
		}
	}
	return nil
}
