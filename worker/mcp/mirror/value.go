// Package mirror is the headers that repeat parts of a modern request's body
// (SEP-2243): Mcp-Method, Mcp-Name and Mcp-Param-*. They are compared with the body
// and never decide anything by themselves.
package mirror

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"
)

// Names of the headers.
const (
	Method      = "Mcp-Method"
	Name        = "Mcp-Name"
	ParamPrefix = "Mcp-Param-"
)

const (
	sentinelHead = "=?base64?"
	sentinelTail = "?="
)

// ErrEncoding means that a value has the Base64 form but does not decode, or is not UTF-8.
var ErrEncoding = errors.New("mirror: malformed Base64 value")

// Encode answers the header value for s: s itself, or the Base64 form where s
// could not be a header value or would be taken for the Base64 form.
func Encode(s string) string {
	if plain(s) {
		return s
	}
	return sentinelHead + base64.StdEncoding.EncodeToString([]byte(s)) + sentinelTail
}

func plain(s string) bool {
	if s == "" {
		return true
	}
	if isSpace(s[0]) || isSpace(s[len(s)-1]) || strings.HasPrefix(s, sentinelHead) && strings.HasSuffix(s, sentinelTail) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// Decode answers what a header value stands for. Surrounding space is not part of
// it (RFC 9110 §5.5); a value without both ends of the Base64 form is literal.
func Decode(v string) (string, error) {
	v = strings.Trim(v, " \t")
	if len(v) < len(sentinelHead)+len(sentinelTail) || !strings.HasPrefix(v, sentinelHead) || !strings.HasSuffix(v, sentinelTail) {
		if !utf8.ValidString(v) {
			return "", ErrEncoding
		}
		return v, nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(v[len(sentinelHead) : len(v)-len(sentinelTail)])
	if err != nil || !utf8.Valid(b) {
		return "", ErrEncoding
	}
	return string(b), nil
}
