// Package rawjson edits JSON objects and arrays without touching what it does not
// edit: members keep their order and every value its bytes, so that members which
// the gateway does not know pass through it.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
)

// Errors of the parsers.
var (
	ErrNotObject = errors.New("rawjson: not an object")
	ErrNotArray  = errors.New("rawjson: not an array")
)

// Member is one member of an object.
type Member struct {
	Name  string
	Value json.RawMessage
}

// Object is a JSON object, in the order of its text.
type Object []Member

// ParseObject takes an object apart. raw must be valid JSON; the values are views into it.
func ParseObject(raw []byte) (Object, error) {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 || raw[0] != '{' {
		return nil, ErrNotObject
	}
	var o Object
	i := space(raw, 1)
	for i < len(raw) && raw[i] != '}' {
		if raw[i] == ',' {
			i = space(raw, i+1)
			continue
		}
		end := skip(raw, i)
		name, ok := jsonrpc.Unquote(raw[i:end])
		if !ok {
			return nil, ErrNotObject
		}
		i = space(raw, end)
		if i == len(raw) || raw[i] != ':' {
			return nil, ErrNotObject
		}
		i = space(raw, i+1)
		end = skip(raw, i)
		o = append(o, Member{name, raw[i:end:end]})
		i = space(raw, end)
	}
	if i >= len(raw) {
		return nil, ErrNotObject
	}
	return o, nil
}

// ParseArray takes an array apart, like ParseObject.
func ParseArray(raw []byte) ([]json.RawMessage, error) {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 || raw[0] != '[' {
		return nil, ErrNotArray
	}
	var a []json.RawMessage
	i := space(raw, 1)
	for i < len(raw) && raw[i] != ']' {
		if raw[i] == ',' {
			i = space(raw, i+1)
			continue
		}
		end := skip(raw, i)
		if end == i {
			return nil, ErrNotArray
		}
		a = append(a, raw[i:end:end])
		i = space(raw, end)
	}
	if i >= len(raw) {
		return nil, ErrNotArray
	}
	return a, nil
}

// The methods are called from so many places that inlining them would cost the module
// 17 kB.

// Get answers the value of a member, nil if there is none.
//
//go:noinline
func (o Object) Get(name string) json.RawMessage {
	for i := range o {
		if o[i].Name == name {
			return o[i].Value
		}
	}
	return nil
}

// Text answers a member that is a string.
//
//go:noinline
func (o Object) Text(name string) (string, bool) { return jsonrpc.Unquote(o.Get(name)) }

// Set replaces or appends a member.
//
//go:noinline
func (o *Object) Set(name string, value []byte) {
	for i := range *o {
		if (*o)[i].Name == name {
			(*o)[i].Value = value
			return
		}
	}
	*o = append(*o, Member{name, value})
}

// SetText is Set with a string.
//
//go:noinline
func (o *Object) SetText(name, value string) { o.Set(name, jsonrpc.AppendString(nil, value)) }

// Delete removes a member.
//
//go:noinline
func (o *Object) Delete(name string) {
	for i := range *o {
		if (*o)[i].Name == name {
			*o = append((*o)[:i:i], (*o)[i+1:]...)
			return
		}
	}
}

// Encode answers the text of the object.
func (o Object) Encode() json.RawMessage {
	n := 2
	for i := range o {
		n += len(o[i].Name) + len(o[i].Value) + 4
	}
	b := append(make([]byte, 0, n), '{')
	for i := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonrpc.AppendString(b, o[i].Name)
		b = append(b, ':')
		b = append(b, o[i].Value...)
	}
	return append(b, '}')
}

// EncodeArray answers the text of an array.
func EncodeArray(a []json.RawMessage) json.RawMessage {
	n := 2
	for i := range a {
		n += len(a[i]) + 1
	}
	b := append(make([]byte, 0, n), '[')
	for i := range a {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, a[i]...)
	}
	return append(b, ']')
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skip answers the index after the value at i of valid JSON.
func skip(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			i = min(i+1, len(b))
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ':', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}
