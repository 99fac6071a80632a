package mirror

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/grantway/grantway/worker/mcp/rawjson"
)

// maxSchemaDepth bounds the nesting of properties that is looked through.
const maxSchemaDepth = 32

// ErrSchema means that a tool's x-mcp-header annotations break the rules: a client
// must not use the tool.
var ErrSchema = errors.New("mirror: invalid x-mcp-header")

// Param is one argument that a request repeats in a header.
type Param struct {
	Header string   // Mcp-Param-X, canonical
	Path   []string // property names from the root of the arguments
	Type   string   // string, integer or boolean
}

var annotation = []byte(`"x-mcp-header"`)

// Annotated reports cheaply whether a tool may have annotations. (An escaped spelling of the name
// is caught by its backslash.)
func Annotated(tool []byte) bool {
	return bytes.Contains(tool, annotation) || bytes.Contains(tool, []byte(`\u`))
}

// Params answers the annotated arguments of an inputSchema, or ErrSchema.
func Params(inputSchema json.RawMessage) ([]Param, error) {
	o, err := rawjson.ParseObject(inputSchema)
	if err != nil {
		return nil, nil // not for this package to judge
	}
	w := walk{}
	if err := w.schema(o, nil, true, 0); err != nil {
		return nil, err
	}
	return w.params, nil
}

type walk struct{ params []Param }

// schema looks through one schema. reachable says that only properties led to it.
func (w *walk) schema(o rawjson.Object, path []string, reachable bool, depth int) error {
	if depth > maxSchemaDepth {
		return ErrSchema
	}
	if v := o.Get("x-mcp-header"); v != nil {
		if err := w.annotation(o, v, path, reachable); err != nil {
			return err
		}
	}
	for _, m := range o {
		switch m.Name {
		case "properties":
			props, err := rawjson.ParseObject(m.Value)
			if err != nil {
				continue
			}
			for _, p := range props {
				if err := w.sub(p.Value, append(path[:len(path):len(path)], p.Name), reachable, depth+1); err != nil {
					return err
				}
			}
		case "x-mcp-header", "default", "const", "enum", "examples":
		case "patternProperties", "$defs", "definitions", "dependentSchemas":
			props, err := rawjson.ParseObject(m.Value)
			if err != nil {
				continue
			}
			for _, p := range props {
				if err := w.sub(p.Value, nil, false, depth+1); err != nil {
					return err
				}
			}
		default:
			if err := w.sub(m.Value, nil, false, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// sub looks through a value that is a schema or an array of schemas, if it is one.
func (w *walk) sub(v json.RawMessage, path []string, reachable bool, depth int) error {
	if len(v) == 0 || !Annotated(v) {
		return nil
	}
	switch v[0] {
	case '{':
		o, err := rawjson.ParseObject(v)
		if err != nil {
			return nil
		}
		return w.schema(o, path, reachable, depth)
	case '[':
		a, err := rawjson.ParseArray(v)
		if err != nil {
			return nil
		}
		for _, e := range a {
			if err := w.sub(e, nil, false, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walk) annotation(o rawjson.Object, v json.RawMessage, path []string, reachable bool) error {
	var name string
	if json.Unmarshal(v, &name) != nil || !Token(name) || !reachable || len(path) == 0 {
		return ErrSchema
	}
	kind, _ := o.Text("type")
	if kind != "string" && kind != "integer" && kind != "boolean" {
		return ErrSchema
	}
	header := canonical(ParamPrefix + name)
	for _, p := range w.params {
		if strings.EqualFold(p.Header, header) {
			return ErrSchema
		}
	}
	w.params = append(w.params, Param{header, path, kind})
	return nil
}

// Value answers the header value for the argument, false if the header is left out:
// the argument is absent, null, or not of the type.
func (p *Param) Value(arguments json.RawMessage) (string, bool) {
	v := arguments
	for _, name := range p.Path {
		o, err := rawjson.ParseObject(v)
		if err != nil {
			return "", false
		}
		if v = o.Get(name); v == nil {
			return "", false
		}
	}
	switch p.Type {
	case "string":
		var s string
		if len(v) == 0 || v[0] != '"' || json.Unmarshal(v, &s) != nil {
			return "", false
		}
		return Encode(s), true
	case "boolean":
		if s := string(v); s == "true" || s == "false" {
			return s, true
		}
	case "integer":
		if n, ok := integer(string(v)); ok {
			return strconv.FormatInt(n, 10), true
		}
	}
	return "", false
}

// Matches reports whether a header value stands for the argument.
func (p *Param) Matches(header string, arguments json.RawMessage) bool {
	want, ok := p.Value(arguments)
	if !ok {
		return false
	}
	got, err := Decode(header)
	if err != nil {
		return false
	}
	if p.Type == "integer" {
		n, ok := integer(got)
		return ok && strconv.FormatInt(n, 10) == want
	}
	plain, err := Decode(want)
	return err == nil && got == plain
}

// integer reads a number without a fraction within ±(2^53−1); 42.0 is one.
func integer(s string) (int64, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, n >= -1<<53+1 && n <= 1<<53-1
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53-1 {
		return 0, false
	}
	return int64(f), true
}

// Token reports whether s is a token of RFC 9110 §5.6.2.
func Token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// canonical is http.CanonicalHeaderKey for a token.
func canonical(s string) string {
	b := []byte(s)
	upper := true
	for i, c := range b {
		if upper && c >= 'a' && c <= 'z' {
			b[i] = c - 0x20
		} else if !upper && c >= 'A' && c <= 'Z' {
			b[i] = c + 0x20
		}
		upper = c == '-'
	}
	return string(b)
}
