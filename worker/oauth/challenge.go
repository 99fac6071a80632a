package oauth

import "strings"

// Challenge is what the WWW-Authenticate headers of an answer say about a bearer
// token (RFC 6750 §3, RFC 9728 §5.1).
type Challenge struct {
	Bearer           bool
	Error            string
	Scope            string
	ResourceMetadata string
}

// maxChallenge bounds what is read of one header, in bytes.
const maxChallenge = 8 << 10

// ParseChallenge finds the first Bearer or DPoP challenge in the headers (RFC 9110
// §11.6.1). It is lenient: what it cannot read is skipped.
func ParseChallenge(headers []string) Challenge {
	for _, h := range headers {
		if len(h) > maxChallenge {
			continue
		}
		if c := parseChallenges(h); c.Bearer {
			return c
		}
	}
	return Challenge{}
}

// parseChallenges reads one header: challenges separated by commas, each a scheme and
// parameters separated by commas too.
func parseChallenges(s string) Challenge {
	var c Challenge
	inBearer := false
	for s != "" {
		s = strings.TrimLeft(s, " \t,")
		word := s[:tokenLength(s)]
		if word == "" {
			if s == "" {
				break
			}
			s = s[1:] // not a token: skip
			continue
		}
		rest := strings.TrimLeft(s[len(word):], " \t")
		if !strings.HasPrefix(rest, "=") { // a scheme
			if c.Bearer {
				return c
			}
			inBearer = strings.EqualFold(word, "Bearer")
			c.Bearer = inBearer
			s = rest
			continue
		}
		var value string
		value, s = parameterValue(strings.TrimLeft(rest[1:], " \t"))
		if inBearer {
			c.set(strings.ToLower(word), value)
		}
	}
	return c
}

func (c *Challenge) set(name, value string) {
	switch {
	case name == "error" && c.Error == "":
		c.Error = value
	case name == "scope" && c.Scope == "":
		c.Scope = value
	case name == "resource_metadata" && c.ResourceMetadata == "":
		c.ResourceMetadata = value
	}
}

// parameterValue reads a token or quoted string from the front of s.
func parameterValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		n := strings.IndexAny(s, ", \t")
		if n < 0 {
			n = len(s)
		}
		return s[:n], s[n:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			if i+1 < len(s) {
				i++
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "" // it never ends
}

func tokenLength(s string) int {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return i
		}
	}
	return len(s)
}

// ScopeList splits a scope value (RFC 6749 §3.3); words that are not scope tokens
// are left out, and at most max are kept.
func ScopeList(s string, max int) []string {
	var out []string
	for word := range strings.FieldsSeq(s) {
		if len(out) < max && validScope(word) {
			out = append(out, word)
		}
	}
	return out
}

func validScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return len(s) <= 256
}
