package registry

import "strings"

// MaxSlug is the longest slug, in bytes.
const MaxSlug = 32

// reservedSlugs are path segments of the gateway itself; a server with such a
// slug could not be reached at /{slug}/mcp, or would hide a page.
var reservedSlugs = map[string]bool{
	"mcp": true, "mcp-rest": true, "v1": true, "ui": true, "healthz": true, "version": true, "metrics": true,
	"openapi.json": true, ".well-known": true, "authorize": true, "token": true, "register": true, "callback": true,
	"assets": true, "health": true, "all": true, "new": true, "bulk": true, "oauth": true,
	"all-team-mcpservers": true, "all-proxy-mcpservers": true, // reserved by LiteLLM
}

// ValidSlug reports whether s is 1 … MaxSlug of [a-z0-9_.-], begins and ends with
// a letter or digit and is not a path of the gateway.
func ValidSlug(s string) bool {
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

// SlugOf makes a slug of a name: lower case, other characters become one '_'.
// It answers "" when nothing usable is left.
func SlugOf(name string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		switch {
		case c < 128 && alnum(byte(c)), c == '-', c == '.':
			b.WriteRune(c)
		default:
			if s := b.String(); s != "" && !strings.HasSuffix(s, "_") {
				b.WriteByte('_')
			}
		}
		if b.Len() == MaxSlug {
			break
		}
	}
	s := strings.Trim(b.String(), "_-.")
	if !ValidSlug(s) {
		return ""
	}
	return s
}
