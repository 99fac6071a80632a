package yaml_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/yaml"
)

// read are documents and what they are in JSON.
var read = map[string]string{
	"":            `null`,
	"# nothing\n": `null`,
	"---\n":       `null`,
	"plain":       `"plain"`,
	"{}":          `{}`,
	"\ufeffa: 1":  `{"a":1}`,
	"mcp_servers:\n  github:\n    url: \"https://api.example.com/mcp/\" # why\n    scopes: [\"read\", 'write']\n    static_headers: {X-A: b}\n": `{"mcp_servers":{"github":{"url":"https://api.example.com/mcp/","scopes":["read","write"],"static_headers":{"X-A":"b"}}}}`,
	"a: os.environ/SECRET\nb: '1'\nc: ~\nd: True\ne: yes\n":                             `{"a":"os.environ/SECRET","b":"1","c":null,"d":true,"e":"yes"}`,
	"a: |\n  one\n  two\nb: >-\n  folded\n  text\n":                                     `{"a":"one\ntwo\n","b":"folded text"}`,
	"a: 12345678901234567890\nb: 1.50\nc: 0x1F\nd: 1e3\ne: -2\nf: 0o17\ng: +3\nh: .5\n": `{"a":12345678901234567890,"b":1.50,"c":31,"d":1e3,"e":-2,"f":15,"g":3,"h":0.5}`,
	"a: 1_000\nb: 007\nc: 2026-01-02\nd: 12:30:45\ne: 0b1\n":                            `{"a":"1_000","b":"007","c":"2026-01-02","d":"12:30:45","e":"0b1"}`,
	"x: &x {a: 1, b: 2}\ny: *x\nz:\n  <<: *x\n  b: 3\n":                                 `{"x":{"a":1,"b":2},"y":{"a":1,"b":2},"z":{"a":1,"b":3}}`,
	"x: &x {a: 1}\ny: &y {a: 2, b: 2}\nz: {<<: [*x, *y]}\n":                             `{"x":{"a":1},"y":{"a":2,"b":2},"z":{"a":1,"b":2}}`,
	"k: &k name\nm: {*k : 1}\n":                                                         `{"k":"name","m":{"name":1}}`,
	"1: one\ntrue: two\n":                                                               `{"1":"one","true":"two"}`,
	"a: !!str 1\n":                                                                      `{"a":"1"}`,
}

func TestRead(t *testing.T) {
	for doc, want := range read {
		t.Run(doc, func(t *testing.T) {
			v, err := yaml.Parse([]byte(doc))
			require.NoError(t, err)
			got, err := json.Marshal(v)
			require.NoError(t, err)
			if strings.Contains(want, "1.50") { // digits are kept
				assert.Equal(t, want, string(got))
			}
			assert.JSONEq(t, want, string(got))
		})
	}
}

func TestRefused(t *testing.T) {
	for doc, want := range map[string]struct {
		line int
		text string
	}{
		"a: 1\n---\nb: 2\n":                       {2, "one document"},
		"a: 1\na: 2\n":                            {2, "twice"},
		"{a: 1, a: 2}":                            {1, "twice"},
		"? [a]\n: b\n":                            {1, "key"},
		"a:\n  b: 1\n c: 2\n":                     {3, "did not find expected key"},
		"a:\n\tb: 1\n":                            {2, "cannot start any token"},
		"a: [1, 2\n":                              {1, "did not find expected"},
		"a: .inf\n":                               {1, "not a number"},
		"b: 1\na: !!binary aGk=\n":                {2, "!!binary"},
		"a: !go/struct {}\nb: !x y\n":             {2, "!x"},
		"a: !!int x\n":                            {1, "!!int"},
		"<<: 1\n":                                 {1, "mappings only"},
		"a: *nowhere\n":                           {1, "unknown anchor"},
		"a: &a [*a]\n":                            {1, "deeper"},
		strings.Repeat("[", 100):                  {1, "did not find"},
		strings.Repeat("- ", 100) + "x":           {1, "deeper"},
		"[" + strings.Repeat("1,", 250_000) + "]": {1, "more than"},
		"a: \xff\n":                               {1, "UTF-8"},
		bomb():                                    {1, "more than"},
	} {
		t.Run(doc[:min(len(doc), 20)], func(t *testing.T) {
			_, err := yaml.Parse([]byte(doc))
			var e *yaml.Error
			require.True(t, errors.As(err, &e), "%v", err)
			assert.Contains(t, e.Message, want.text)
			assert.Positive(t, e.Line)
			assert.LessOrEqual(t, e.Line, want.line+1)
		})
	}
}

// bomb is a small text that stands for a thousand million values.
func bomb() string {
	var b strings.Builder
	b.WriteString("- &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := range byte(9) {
		at, next := string('0'+i), string('1'+i)
		b.WriteString("- &a" + next + " [" + strings.TrimSuffix(strings.Repeat("*a"+at+",", 10), ",") + "]\n")
	}
	return b.String()
}

// FuzzParse: whatever the bytes, an error is an *Error, and what is read is JSON.
func FuzzParse(f *testing.F) {
	for doc := range read {
		f.Add([]byte(doc))
	}
	f.Add([]byte(bomb()))
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := yaml.Parse(doc)
		if err != nil {
			var e *yaml.Error
			require.True(t, errors.As(err, &e), "%v", err)
			return
		}
		_, err = json.Marshal(got)
		require.NoError(t, err)
	})
}
