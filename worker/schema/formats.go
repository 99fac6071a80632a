package schema

import (
	"net/url"
	"strings"
	"time"
)

type format struct {
	valid         func(string) bool
	code, message string
}

// formats are the values of the keyword format that are enforced.
var formats = map[string]format{
	"http-url":    {httpURL, "invalid_url", "Must be an absolute http or https URL without user, password and fragment."},
	"resource":    {func(s string) bool { return s == "auto" || httpURL(s) }, "invalid_url", `Must be "auto" or an absolute http or https URL without a fragment (RFC 8707).`},
	"slug":        {slug, "invalid_slug", "Must be a-z, 0-9, '_', '-', '.', beginning and ending with a letter or digit, and not a path of the gateway."},
	"line":        {func(s string) bool { return !strings.ContainsFunc(s, control) }, "invalid_characters", "Must not hold control characters."},
	"header-name": {token, "invalid_header_name", "Must be the name of a header (RFC 9110 §5.1)."},
	"scope-token": {scopeToken, "invalid_scope", "Must be one scope: visible ASCII without space, '\"' and '\\' (RFC 6749 §3.3)."},
	"date-time":   {func(s string) bool { _, err := time.Parse(time.RFC3339, s); return err == nil }, "invalid_time", "Must be a time as in RFC 3339, such as 2027-01-31T12:00:00Z."},
}

func httpURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.Fragment == "" &&
		!strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == 0x7f })
}

func control(c rune) bool { return c < ' ' || c == 0x7f }

// token is RFC 9110 §5.6.2.
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", c)
	})
}

func scopeToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' })
}

// MaxSlug is the longest slug, in bytes.
const MaxSlug = 32

// reservedSlugs are path segments of the gateway itself, and names that LiteLLM
// reserves; a server with such a slug could not be reached, or would hide a page.
var reservedSlugs = map[string]bool{
	"mcp": true, "mcp-rest": true, "v1": true, "ui": true, "healthz": true, "version": true, "metrics": true,
	"openapi.json": true, "authorize": true, "token": true, "register": true, "callback": true,
	"assets": true, "health": true, "bulk": true, "oauth": true,
	"all-team-mcpservers": true, "all-proxy-mcpservers": true,
}

func slug(s string) bool {
	if s == "" || len(s) > MaxSlug || reservedSlugs[s] || !alnum(s[0]) || !alnum(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !alnum(c) && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func alnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// ValidSlug reports whether s may be the slug of a server.
func ValidSlug(s string) bool { return slug(s) }
