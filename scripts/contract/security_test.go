package contract

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAttacksAreTested: docs/security.md names a test for each attack, of Go or of ui/browser/attacks.test.mjs, and there is a
// test of each name.
func TestAttacksAreTested(t *testing.T) {
	if hostName != "memory" {
		return // nothing of it is the host's
	}
	text, err := os.ReadFile("../../docs/security.md")
	require.NoError(t, err)
	there := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range declaration.FindAllSubmatch(b, -1) {
			there[string(m[1])] = true
		}
		return nil
	}))
	_, attacks, found := strings.Cut(string(text), "## Attacks on callers' tokens")
	require.True(t, found)
	inBrowser, err := os.ReadFile("../../ui/browser/attacks.test.mjs")
	require.NoError(t, err)
	browserTest := regexp.MustCompile(`attacks\.test\.mjs \(([^)]+)\)`)
	rows, named := 0, ""
	for line := range strings.SplitSeq(attacks, "\n") {
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || strings.HasPrefix(line, "| attack") {
			continue
		}
		rows++
		tests := regexp.MustCompile(`Test\w+`).FindAllString(cells[2], -1)
		if strings.HasPrefix(cells[2], "the same") {
			tests = append(tests, named)
		}
		browserTests := browserTest.FindAllStringSubmatch(cells[2], -1)
		require.NotZero(t, len(tests)+len(browserTests), line)
		for _, m := range browserTests {
			assert.Contains(t, string(inBrowser), "\ntest(\""+m[1]+"\",", "no test of this name: %s", line)
		}
		for _, name := range tests {
			assert.True(t, there[name], "no test %s: %s", name, line)
		}
		if len(tests) > 0 {
			named = tests[0]
		}
	}
	assert.Greater(t, rows, 45)
}
