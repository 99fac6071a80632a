package assets

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// rule is one block of a _headers file: a path pattern, and the headers for it.
type rule struct {
	pattern string // "*" matches any run of characters
	set     []field
	remove  []string
}

type field struct{ name, value string }

// ErrHeaders reports a malformed _headers file.
var ErrHeaders = errors.New("assets: malformed _headers")

// parseHeaders reads the format of Cloudflare's static assets: a line with a path, then
// indented lines "Name: value" to set or "! Name" to remove; "#" begins a comment.
func parseHeaders(text string) ([]rule, error) {
	var rules []rule
	number := 0
	for line := range strings.Lines(text) {
		number++
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
			continue
		case line[0] != ' ' && line[0] != '\t':
			if !strings.HasPrefix(trimmed, "/") {
				return nil, fmt.Errorf("%w: line %d: a path begins with /", ErrHeaders, number)
			}
			rules = append(rules, rule{pattern: trimmed})
			continue
		case len(rules) == 0:
			return nil, fmt.Errorf("%w: line %d: a header before the first path", ErrHeaders, number)
		}
		last := &rules[len(rules)-1]
		if name, ok := strings.CutPrefix(trimmed, "!"); ok {
			last.remove = append(last.remove, strings.TrimSpace(name))
			continue
		}
		name, value, ok := strings.Cut(trimmed, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("%w: line %d: no colon", ErrHeaders, number)
		}
		last.set = append(last.set, field{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	return rules, nil
}

func (r rule) apply(h http.Header, path string) {
	if !match(r.pattern, path) {
		return
	}
	for _, name := range r.remove {
		h.Del(name)
	}
	for _, f := range r.set {
		h.Set(f.name, f.value)
	}
}

// match reports whether path fits the pattern.
func match(pattern, path string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == path
	}
	rest, ok := strings.CutPrefix(path, before)
	if !ok {
		return false
	}
	for i := range len(rest) + 1 {
		if match(after, rest[i:]) {
			return true
		}
		if after == "" {
			return true
		}
	}
	return false
}
