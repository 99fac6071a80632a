package yaml_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	reference "go.yaml.in/yaml/v3"

	"github.com/grantway/grantway/worker/yaml"
)

// accepted documents are read by this package and by the reference alike.
var accepted = []string{
	"", "# nothing\n", "---\n", "a: 1", "a: 1\n", "\ufeffa: 1\n", "a:\n", "a: ~\n", "a: null\n", "key with spaces: value with spaces\n",
	"a: 1 # one\nb: '# no comment'\n#c: 2\n", "a: x#y\n", "a: http://host:80/path?x=1\n", "\"quoted key\": 1\n'single': 2\n",
	"a:\n  b:\n    c: deep\n  d: e\n", "a:\n- 1\n- 2\nb: 3\n", "a:\n  - 1\n  - 2\n", "- a: 1\n  b: 2\n- a: 3\n", "- - 1\n  - 2\n- - 3\n",
	"-\n  a: 1\n-\n- x\n", "a: [1, two, 'three', \"four\", ]\n", "a: {b: 1, \"c\": 2, d: [x, {e: f}]}\n", "{\"a\":1,\"b\":[true,false,null],\"c\":{\"d\":\"e\"}}",
	"a: [1,\n  2,\n  3]\nb: {c: d,\n  e: f}\n", "[]", "{}", "a: []\nb: {}\n", "a: 1.5\nb: -2\nc: +3\nd: 1e3\ne: 0x1F\nf: 0o17\ng: .5\nh: 5.\n",
	"a: True\nb: FALSE\nc: yes\nd: no\ne: on\n", "a: '1'\nb: \"true\"\n", "a: it's\nb: 'it''s'\n", `a: "x\ty\nz\u00e9\x41\"\\\/"` + "\n",
	"a: |\n  line one\n    more\n\n  line two\nb: 1\n", "a: |-\n  x\n  y\n\n", "a: |+\n  x\n\nb: 1\n", "a: >\n  folded\n  text\n\n  next\n   kept\n  end\n", "a: >-\n  x\n  y\n",
	"a: |2\n   x\n  y\n", "a: |\n\n  x\n", "- |\n  x\n- >\n  y\n", "a: one\n  two\n  three\n", "a: one\n\n  two\n", "a: \"one\n  two\n\n  three\"\nb: 1\n", "a: 'one\n  two'\n",
	"a: -1\n", "a: - b\n"[:3] + "-b\n", "a: :b\n", "a: ?b\n", "plain scalar\n", "\"quoted\"\n", "a: 2001-12-14\n", "a: 12:30:45\n", "a: os.environ/SECRET\n",
	"mcp_servers:\n  github:\n    url: \"https://api.example.com/mcp/\"\n    auth_type: oauth2\n    scopes: [\"read\", 'write']\n    static_headers: {X-A: b}\n",
	"a:   \n  b: 1\n", "a: 1\r\nb: 2\r\n", "a: |\n", "a: >\n\n\nb: 1\n", "a: é\nü: 日本\n", "a: \"\"\nb: ''\n", "a: x:y\n", "a: 'b' # c\n", "a: [] # c\n", "a: | # c\n  x\n",
}

func TestReadsAsTheReferenceDoes(t *testing.T) {
	for _, doc := range accepted {
		t.Run(doc, func(t *testing.T) {
			got, err := yaml.Parse([]byte(doc))
			require.NoError(t, err)
			same(t, doc, got)
		})
	}
}

func TestRefusesByName(t *testing.T) {
	for doc, want := range map[string]string{
		"a: &x 1\nb: *x\n":                  "anchors and aliases",
		"&x a: 1\n":                         "anchors and aliases",
		"a: !!str 1\n":                      "tags",
		"<<: {a: 1}\n":                      "merge keys",
		"? a\n: b\n":                        "complex keys",
		"a: 1\n---\nb: 2\n":                 "only one document",
		"%YAML 1.2\n---\na: 1\n":            "directives",
		"a: 1\na: 2\n":                      "twice",
		"{a: 1, a: 2}":                      "twice",
		"a: 1\n  b: 2\n":                    "': '",
		"a:\n  b: 1\n c: 2\n":               "indented",
		"a:\n\tb: 1\n":                      "tab",
		"a: [1, 2\n":                        "not closed",
		"a: \"x\n":                          "not closed",
		"a: b: c\n":                         "': '",
		"a: @x\n":                           "in quotes",
		"a: 'x' y\n":                        "unexpected text",
		"a: \"\\q\"\n":                      "escape",
		"a: .inf\n":                         "not a number",
		"a: \x01\n":                         "control character",
		"- a\nb: 1\n":                       "unexpected content",
		strings.Repeat("[", 100):            "nested deeper",
		strings.Repeat("- ", 100) + "x":     "nested deeper",
		"[" + strings.Repeat("1,", 250_000): "more than",
		"\xff\xfe":                          "UTF-8",
		"a: 1\n- b\n":                       "list entry",
		"a: x\n  y: z\n":                    "': '",
		"a: |x\n  y\n":                      "block text",
		"a: \"" + strings.Repeat("x\n ", 100_000): "goes over more than",
	} {
		t.Run(doc[:min(len(doc), 20)], func(t *testing.T) {
			_, err := yaml.Parse([]byte(doc))
			var e *yaml.Error
			require.True(t, errors.As(err, &e), "%v", err)
			assert.Contains(t, e.Message, want)
			assert.Positive(t, e.Line)
		})
	}
}

// same compares with what the reference reads.
func same(t *testing.T, doc string, got any) {
	t.Helper()
	if strings.Contains(doc, `\/`) {
		return // YAML 1.2 has this escape; the reference reads YAML 1.1
	}
	var root reference.Node
	require.NoError(t, reference.Unmarshal([]byte(doc), &root), "the reference refuses %q", doc)
	if root.Kind == 0 {
		assert.Nil(t, got)
		return
	}
	assert.Equal(t, plain(t, root.Content[0]), got, "%q", doc)
}

// plain turns the reference's node into what Parse answers.
func plain(t *testing.T, n *reference.Node) any {
	t.Helper()
	switch n.Kind {
	case reference.MappingNode:
		out := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			out[n.Content[i].Value] = plain(t, n.Content[i+1])
		}
		return out
	case reference.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			out = append(out, plain(t, c))
		}
		return out
	}
	if n.Style&(reference.SingleQuotedStyle|reference.DoubleQuotedStyle|reference.LiteralStyle|reference.FoldedStyle) != 0 {
		return n.Value
	}
	var v any
	require.NoError(t, n.Decode(&v))
	switch v := v.(type) {
	case nil, bool:
		return v
	case int:
		return number(n.Value, json.Number(strconv.Itoa(v)))
	case int64:
		return number(n.Value, json.Number(strconv.FormatInt(v, 10)))
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return n.Value
		}
		return number(n.Value, json.Number(strconv.FormatFloat(v, 'g', -1, 64)))
	}
	return n.Value
}

// number allows for YAML 1.1's numbers that YAML 1.2, and so this package, reads
// as text: 1_000, 0b1, 007, 0xFFFFFFFFFFFFFFFF.
func number(text string, n json.Number) any {
	unsigned := strings.TrimLeft(text, "+-")
	if strings.Contains(text, "_") || strings.HasPrefix(unsigned, "0b") || strings.HasPrefix(unsigned, "0B") || strings.HasPrefix(unsigned, "0X") || strings.HasPrefix(unsigned, "0O") ||
		unsigned != text && strings.HasPrefix(unsigned, "0") && len(unsigned) > 1 && unsigned[1] != '.' && unsigned[1] != 'e' && unsigned[1] != 'E' ||
		len(unsigned) > 1 && unsigned[0] == '0' && unsigned[1] >= '0' && unsigned[1] <= '9' && !strings.ContainsAny(unsigned, ".eE") {
		return text
	}
	if v, err := strconv.ParseInt(string(n), 10, 64); err == nil && !strings.ContainsAny(text, ".eE") || err == nil && strings.HasPrefix(text, "0x") {
		return json.Number(strconv.FormatInt(v, 10))
	}
	if !strings.ContainsAny(text, ".eE") {
		return text // too large for 64 bits
	}
	return n
}

// controls are what JSON may hold as it is and YAML only escaped (YAML 1.2 §5.1).
var controls = func() *strings.Replacer {
	var pairs []string
	for r := rune(0x7f); r <= 0x9f; r++ {
		pairs = append(pairs, string(r), fmt.Sprintf(`\u%04x`, r))
	}
	for _, r := range []rune{0xfeff, 0xfffe, 0xffff} {
		pairs = append(pairs, string(r), fmt.Sprintf(`\u%04x`, r))
	}
	return strings.NewReplacer(pairs...)
}()

// FuzzParse: whatever the bytes, an error is an *Error, and what is read is JSON, which is
// YAML and is read as the same again. The reference is not asked here: it reads YAML 1.1
// and differs from YAML 1.2 in odd corners that a fuzzer finds.
func FuzzParse(f *testing.F) {
	for _, doc := range accepted {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := yaml.Parse(doc)
		if err != nil {
			var e *yaml.Error
			require.True(t, errors.As(err, &e))
			return
		}
		written, err := json.Marshal(got)
		require.NoError(t, err)
		again, err := yaml.Parse([]byte(controls.Replace(string(written))))
		if err != nil && (len(doc) > yaml.MaxKey || len(written) > yaml.MaxKey) {
			return // escapes may carry a key over its limit
		}
		require.NoError(t, err, "%s", written)
		rewritten, err := json.Marshal(again)
		require.NoError(t, err)
		assert.JSONEq(t, string(written), string(rewritten))
	})
}
