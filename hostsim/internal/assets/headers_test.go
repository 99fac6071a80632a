package assets

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern, path string
		want          bool
	}{
		{"/ui/", "/ui/", true}, {"/ui/", "/ui/x", false}, {"/*", "/anything/at/all", true}, {"/ui/*", "/ui/", true},
		{"/ui/*", "/other", false}, {"/*.js", "/ui/a.js", true}, {"/*.js", "/ui/a.css", false}, {"/a*b*c", "/axxbyyc", true}, {"/a*b*c", "/axxc", false},
	} {
		require.Equal(t, tc.want, match(tc.pattern, tc.path), "%s %s", tc.pattern, tc.path)
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add("/*\n  X-A: 1\n", "/ui/")
	f.Add("/a\n\t! X-A\n# c\n", "/a")
	f.Fuzz(func(t *testing.T, text, path string) {
		rules, err := parseHeaders(text)
		if err != nil {
			require.ErrorIs(t, err, ErrHeaders)
			return
		}
		if len(text) > 200 || len(path) > 200 {
			return // patterns are written by the UI's build, not by callers
		}
		for _, r := range rules {
			r.apply(http.Header{}, path)
		}
	})
}
