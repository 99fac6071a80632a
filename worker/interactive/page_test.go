package interactive

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestIsPage(t *testing.T) {
	for _, s := range []string{"/connect", "/connect/files", "/authorize?client_id=x", "/files/authorize", "/files/authorize?client_id=https%3A%2F%2Fa.example%2Fc&state=a%26b", "/files/authorize?" + strings.Repeat("s", maxPage-17)} {
		assert.True(t, IsPage(s), s)
	}
	for _, s := range []string{
		"", "/", "connect", "/ui/", "/v1/keys", "/connect?x=1", "/connect/..", "/connect/a/b", "/connect/%2e%2e", "/../authorize", "/./authorize", "/a/b/authorize", "/authorize/x",
		"//authorize", "//evil.example/authorize", "///authorize", "/\\evil.example/authorize", "https://evil.example/authorize", "javascript:/authorize", "/files/authorize#x",
		"/files/authorize?x= ", "/files/authorize?x=\r\nA: b", "/files/authorize?x=\"", "/files/authorize?x=<", "/files/authorize?x=é", "/%66iles/authorize", "/files/authorize?" + strings.Repeat("s", maxPage-16),
	} {
		assert.False(t, IsPage(s), s)
	}
}
