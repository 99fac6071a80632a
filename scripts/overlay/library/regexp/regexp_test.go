package regexp

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAnotherExpressionPanics(t *testing.T) {
	assert.Panics(t, func() { MustCompile(`^a$`) })
}

func FuzzMatchesWhatTheLibraryMatches(f *testing.F) {
	for _, s := range []string{
		"", "0", "10", "1_0", "01", "+1", "-1.5e+10", "1.", ".5", ".", "+.", "1e", "1e+", "1.e5", ".e5", "1.2.3", "\n", "1\n",
		"12:30", "1:2:3", "1:60", "1:5", "1:599", "1:", ":1", "1:5.5_0", "1:5.", "1_0:59", "-1:0", "190:20:30.15", "1:-5", "1:5é",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for expression, match := range known {
			assert.Equal(t, regexp.MustCompile(expression).MatchString(s), match(s), "%s: %q", expression, s)
		}
	})
}
