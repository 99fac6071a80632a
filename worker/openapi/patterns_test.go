package openapi_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/openapi"
	"github.com/grantway/grantway/worker/schema"
)

// TestPatternsSayWhatTheFormatsEnforce: the gateway enforces its own formats; clients that
// know nothing of them, the UI among them, go by the pattern beside. Both accept the same.
func TestPatternsSayWhatTheFormatsEnforce(t *testing.T) {
	type property struct {
		Format, Pattern string
		Not             struct{ Enum []string }
		Items           *property
	}
	var doc struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]property }
		}
	}
	require.NoError(t, json.Unmarshal(openapi.Document, &doc))
	texts := []string{
		"", "a", "A", "auto", "a b", "a\tb", "a\x7f", "ä", "mcp", "ui", "all-team-mcpservers", "x-y_z.1", "-a", "a-", "a:b", `a"b`, `a\b`, "[a]", "!#", "~", "*'`|",
		"https://h", "HTTP://h", "http://h/", "https://h:8443/p?q=1", "https://h?q", "https://h/#f", "https://u@h", "https://u:p@h/", "https://", "https:///p", "ftp://h", "h/p", "//h", "https://h/a b", "https://h/a@b", "https://[::1]/",
	}
	for field, kind := range map[string]string{"url": "http-url", "slug": "slug", "upstream_resource": "resource", "alias": "line", "forward_headers": "header-name", "scopes": "scope-token"} {
		p := doc.Components.Schemas["Server"].Properties[field]
		list := p.Items != nil
		if list {
			p = *p.Items
		}
		require.Equal(t, kind, p.Format, field)
		pattern := regexp.MustCompile(p.Pattern)
		for _, s := range texts {
			var v any = s
			if list {
				v = []string{s}
			}
			body, err := json.Marshal(map[string]any{field: v})
			require.NoError(t, err)
			accepted := true
			for _, f := range openapi.Schemas().Check("Server", body, schema.Change) {
				accepted = accepted && f.Code == "invalid_length"
			}
			if s == "" {
				continue // a matter of minLength
			}
			assert.Equal(t, accepted, pattern.MatchString(s) && !slices.Contains(p.Not.Enum, s), "%s: %q", kind, s)
		}
	}
	// A format of the gateway's own never stands without its pattern.
	for _, f := range []string{"http-url", "slug", "resource", "line", "header-name", "scope-token"} {
		assert.Equal(t, strings.Count(string(openapi.Document), `"format":"`+f+`"`), strings.Count(string(openapi.Document), `"format":"`+f+`","pattern":`), f)
	}
}
