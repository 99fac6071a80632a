package registry

import (
	"strings"

	"github.com/grantway/grantway/worker/schema"
)

// SlugOf makes a slug of a name: lower case, other characters become one '_'.
// It answers "" when nothing usable is left.
func SlugOf(name string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '.':
			b.WriteRune(c)
		default:
			if s := b.String(); s != "" && !strings.HasSuffix(s, "_") {
				b.WriteByte('_')
			}
		}
		if b.Len() == schema.MaxSlug {
			break
		}
	}
	s := strings.Trim(b.String(), "_-.")
	if !schema.ValidSlug(s) {
		return ""
	}
	return s
}
