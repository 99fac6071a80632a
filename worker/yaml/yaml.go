// Package yaml reads a configuration file in YAML as JSON values, within bounds. The
// parser is go.yaml.in/yaml/v3.
package yaml

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of a document.
const (
	// MaxDepth is the deepest nesting.
	MaxDepth = 64
	// MaxNodes is the most scalars, sequences and mappings together. An alias counts
	// as all that it stands for, so that a small file cannot stand for a huge one.
	MaxNodes = 200_000
)

// Error is what is wrong with a document, and where.
type Error struct {
	Line    int // from 1
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// Parse answers the one document of a text as JSON values: map[string]any, []any,
// string, json.Number, bool, nil. Numbers keep their digits; what is a number in YAML
// 1.1 only (1_000, 007) and what is a date stays text. Its errors are *Error.
func Parse(text []byte) (any, error) {
	d := yaml.NewDecoder(strings.NewReader(string(text)))
	var doc, more yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntax(err)
	}
	if err := d.Decode(&more); err == nil {
		return nil, &Error{more.Line, "only one document is read"}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntax(err)
	}
	c := &converter{}
	return c.value(doc.Content[0], 0)
}

// syntax takes the line out of the library's "yaml: line 3: message".
func syntax(err error) *Error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	e := &Error{1, message}
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		if line, text, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(line); err == nil {
				e.Line, e.Message = max(1, n), text
			}
		}
	}
	return e
}

type converter struct {
	nodes int
}

func (c *converter) value(n *yaml.Node, depth int) (any, error) {
	if c.nodes++; c.nodes > MaxNodes {
		return nil, &Error{n.Line, fmt.Sprintf("the document has more than %d values", MaxNodes)}
	}
	if depth > MaxDepth {
		return nil, &Error{n.Line, fmt.Sprintf("nested deeper than %d", MaxDepth)}
	}
	switch n.Kind {
	case yaml.AliasNode:
		// One that contains itself ends at MaxDepth.
		return c.value(n.Alias, depth+1)
	case yaml.MappingNode:
		return c.mapping(n, depth)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			v, err := c.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	return scalar(n)
}

func (c *converter) mapping(n *yaml.Node, depth int) (any, error) {
	m, merged := map[string]any{}, map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		v, err := c.value(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		switch {
		case key.Kind == yaml.AliasNode && key.Alias.Kind == yaml.ScalarNode:
			key = key.Alias
		case key.Kind != yaml.ScalarNode:
			return nil, &Error{key.Line, "a key must be a single value"}
		case key.ShortTag() == "!!merge":
			if err := merge(merged, v, key.Line); err != nil {
				return nil, err
			}
			continue
		}
		if _, twice := m[key.Value]; twice {
			return nil, &Error{key.Line, fmt.Sprintf("the key %q is here twice", key.Value)}
		}
		m[key.Value] = v
	}
	for k, v := range merged {
		if _, own := m[k]; !own {
			m[k] = v
		}
	}
	return m, nil
}

// merge adds what a merge key (<<) brings in: a mapping, or a list of them of which
// the first that has a key counts.
func merge(into map[string]any, v any, line int) error {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			return &Error{line, "a merge key brings in mappings only"}
		}
		for k, v := range m {
			if _, there := into[k]; !there {
				into[k] = v
			}
		}
	}
	return nil
}

func scalar(n *yaml.Node) (any, error) {
	var v any
	switch tag := n.ShortTag(); tag {
	case "!!str", "!!timestamp":
		return n.Value, nil
	case "!!null", "!!bool", "!!int", "!!float":
		if err := n.Decode(&v); err != nil {
			return nil, &Error{n.Line, fmt.Sprintf("%q is no value of type %s", n.Value, tag)}
		}
	default:
		return nil, &Error{n.Line, "values of type " + tag + " are not read"}
	}
	switch v := v.(type) {
	case nil, bool:
		return v, nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, &Error{n.Line, fmt.Sprintf("%s is not a number in JSON", n.Value)}
		}
	}
	if json.Valid([]byte(n.Value)) {
		return json.Number(n.Value), nil
	}
	unsigned := strings.TrimLeft(n.Value, "+-")
	switch {
	case strings.Contains(unsigned, "_"), len(unsigned) > 1 && unsigned[0] == '0' && unsigned[1] >= '0' && unsigned[1] <= '9', strings.HasPrefix(unsigned, "0b"):
		return n.Value, nil
	}
	number, err := json.Marshal(v)
	return json.Number(number), err
}
