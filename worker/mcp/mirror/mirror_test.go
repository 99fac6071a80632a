package mirror

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEncode(t *testing.T) {
	for plain, want := range map[string]string{
		"":                "",
		"us west":         "us west",
		" lead":           "=?base64?IGxlYWQ=?=",
		"tail\t":          "=?base64?dGFpbAk=?=",
		"a\nb":            "=?base64?YQpi?=",
		"ü":               "=?base64?w7w=?=",
		"=?base64?eA==?=": "=?base64?PT9iYXNlNjQ/ZUE9PT89?=",
		"=?BASE64?eA==?=": "=?BASE64?eA==?=",
		"=?base64?no end": "=?base64?no end",
		"del\x7f":         "=?base64?ZGVsfw==?=",
	} {
		assert.Equal(t, want, Encode(plain), "%q", plain)
		got, err := Decode(want)
		require.NoError(t, err)
		assert.Equal(t, plain, got)
	}
}

func TestDecode(t *testing.T) {
	got, err := Decode("  padded\t ")
	require.NoError(t, err)
	assert.Equal(t, "padded", got)
	for _, v := range []string{"=?base64?eA?=", "=?base64?e===?=", "=?base64?!?=", "=?base64?eB==?=", "=?base64?/w==?="} {
		_, err := Decode(v)
		assert.ErrorIs(t, err, ErrEncoding, v)
	}
}

func TestParams(t *testing.T) {
	params, err := Params(json.RawMessage(`{"type":"object","properties":{
		"region":{"type":"string","x-mcp-header":"region"},
		"deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"Deep-N"}}},
		"x-mcp-header":{"type":"string"},
		"plain":{"type":"string","default":{"x-mcp-header":"no schema"}}}}`))
	require.NoError(t, err)
	assert.Equal(t, []Param{{"Mcp-Param-Region", []string{"region"}, "string"}, {"Mcp-Param-Deep-N", []string{"deep", "n"}, "integer"}}, params)
	for name, schema := range map[string]string{
		"empty":        `{"properties":{"a":{"type":"string","x-mcp-header":""}}}`,
		"not a token":  `{"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}`,
		"line break":   `{"properties":{"a":{"type":"string","x-mcp-header":"a\r\nb"}}}`,
		"not a string": `{"properties":{"a":{"type":"string","x-mcp-header":1}}}`,
		"number":       `{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}`,
		"object":       `{"properties":{"a":{"type":"object","x-mcp-header":"A"}}}`,
		"types":        `{"properties":{"a":{"type":["string","null"],"x-mcp-header":"A"}}}`,
		"no type":      `{"properties":{"a":{"x-mcp-header":"A"}}}`,
		"twice":        `{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}`,
		"root":         `{"type":"string","x-mcp-header":"A"}`,
		"items":        `{"properties":{"l":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}`,
		"anyOf":        `{"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}`,
		"not":          `{"not":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}`,
		"definitions":  `{"$defs":{"d":{"type":"string","x-mcp-header":"A"}},"properties":{"a":{"$ref":"#/$defs/d"}}}`,
		"escaped":      `{"properties":{"a":{"type":"number","x-\u006dcp-header":"A"}}}`,
	} {
		_, err := Params(json.RawMessage(schema))
		assert.ErrorIs(t, err, ErrSchema, name)
	}
}

func TestValueAndMatches(t *testing.T) {
	text, number, flag := Param{"H", []string{"a"}, "string"}, Param{"H", []string{"a"}, "integer"}, Param{"H", []string{"a"}, "boolean"}
	for _, c := range []struct {
		p         Param
		arguments string
		value     string
		sent      bool
		same      string // another header value that means the same
		other     string
	}{
		{text, `{"a":"x"}`, "x", true, " x ", "X"},
		{text, `{"a":""}`, "", true, "", "x"},
		{text, `{"a":"ü"}`, "=?base64?w7w=?=", true, "=?base64?w7w=?=", "u"},
		{text, `{"a":null}`, "", false, "", ""},
		{text, `{}`, "", false, "", ""},
		{text, `{"a":1}`, "", false, "", ""},
		{number, `{"a":42}`, "42", true, "42.0", "43"},
		{number, `{"a":4.2e1}`, "42", true, "42", "x"},
		{number, `{"a":9007199254740992}`, "", false, "", ""},
		{number, `{"a":1.5}`, "", false, "", ""},
		{flag, `{"a":true}`, "true", true, "true", "TRUE"},
	} {
		v, sent := c.p.Value(json.RawMessage(c.arguments))
		assert.Equal(t, c.sent, sent, c.arguments)
		assert.Equal(t, c.value, v, c.arguments)
		if sent {
			assert.True(t, c.p.Matches(c.same, json.RawMessage(c.arguments)), c.arguments)
			assert.False(t, c.p.Matches(c.other, json.RawMessage(c.arguments)), c.arguments)
		}
	}
}

// FuzzDecode holds decoding and encoding to each other.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "x", "=?base64?eA==?=", " =?base64?eA==?=", "=?base64??=", "ü", "=?base64?="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := Decode(s); err == nil {
			again, err := Decode(Encode(got))
			require.NoError(t, err)
			require.Equal(t, got, again)
		}
		e := Encode(s)
		for _, c := range []byte(e) {
			require.True(t, c >= ' ' && c < 0x7f || c == '\t', "a header value")
		}
		require.Equal(t, strings.Trim(e, " \t"), e)
	})
}
