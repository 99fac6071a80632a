// Package schema checks JSON against the part of JSON Schema (draft 2020-12) that
// /openapi.json uses, so that what is published is what is enforced. It knows:
// $ref inside the document, type, enum, properties, required, additionalProperties,
// propertyNames, items, minItems, maxItems, maxProperties, minLength, maxLength,
// minimum, maximum, readOnly and the formats listed in formats.go. A keyword that it
// does not know (description, default, example, pattern) checks nothing.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/grantway/grantway/worker/problem"
)

// maxProblems bounds the problems that one check answers.
const maxProblems = 100

// Set is the schemas of a document by name.
type Set struct {
	schemas map[string]*node
}

type node struct {
	Ref                  string           `json:"$ref"`
	Type                 types            `json:"type"`
	Enum                 []any            `json:"enum"`
	Properties           map[string]*node `json:"properties"`
	Required             []string         `json:"required"`
	AdditionalProperties *additional      `json:"additionalProperties"`
	PropertyNames        *node            `json:"propertyNames"`
	MaxProperties        *int             `json:"maxProperties"`
	Items                *node            `json:"items"`
	MinItems             int              `json:"minItems"`
	MaxItems             *int             `json:"maxItems"`
	MinLength            int              `json:"minLength"`
	MaxLength            *int             `json:"maxLength"`
	Minimum              *float64         `json:"minimum"`
	Maximum              *float64         `json:"maximum"`
	Format               string           `json:"format"`
	ReadOnly             bool             `json:"readOnly"`
}

// types is the keyword type: one name or several.
type types []string

func (t *types) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = types{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// additional is the keyword additionalProperties: false, true or a schema.
type additional struct {
	forbidden bool
	schema    *node
}

func (a *additional) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "false":
		a.forbidden = true
		return nil
	case "true":
		return nil
	}
	return json.Unmarshal(b, &a.schema)
}

// Parse reads the schemas under components.schemas of an OpenAPI document.
func Parse(openapi []byte) (*Set, error) {
	var doc struct {
		Components struct {
			Schemas map[string]*node `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(openapi, &doc); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return &Set{doc.Components.Schemas}, nil
}

// Mode says what a document is checked as.
type Mode uint8

const (
	// Whole: required fields must be there.
	Whole Mode = iota
	// Change: fields may be missing, and a null at the top level resets its field.
	Change
)

// Check answers what is wrong with a document, every problem with its path, such
// as credentials.scopes[2]. Fields that are readOnly in the schema may be present
// and are not looked at.
func (s *Set) Check(name string, document []byte, mode Mode) []problem.Field {
	root := s.schemas[name]
	if root == nil {
		panic("schema: no component " + name)
	}
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return []problem.Field{{Code: "invalid_json", Message: "The document is not valid JSON."}}
	}
	c := &check{set: s, mode: mode}
	c.value(root, v, "")
	return c.problems
}

type check struct {
	set      *Set
	mode     Mode
	problems []problem.Field
}

func (c *check) add(path, code, message string) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, problem.Field{Path: path, Code: code, Message: message})
	}
}

func (c *check) resolve(n *node) *node {
	for n != nil && n.Ref != "" {
		name, property, _ := strings.Cut(strings.TrimPrefix(n.Ref, "#/components/schemas/"), "/properties/")
		if n = c.set.schemas[name]; n != nil && property != "" {
			n = n.Properties[property]
		}
	}
	if n == nil {
		panic("schema: dangling $ref")
	}
	return n
}

func (c *check) value(n *node, v any, path string) {
	n = c.resolve(n)
	if n.ReadOnly {
		return
	}
	if len(n.Type) > 0 && !slices.ContainsFunc(n.Type, func(t string) bool { return is(t, v) }) {
		c.add(path, "invalid_type", "Must be "+strings.Join(n.Type, " or ")+".")
		return
	}
	if v == nil {
		return
	}
	if len(n.Enum) > 0 && !slices.Contains(n.Enum, v) {
		c.add(path, "invalid_value", "Must be one of "+list(n.Enum)+".")
		return
	}
	switch v := v.(type) {
	case string:
		c.text(n, v, path)
	case json.Number:
		f, err := v.Float64()
		if err != nil || n.Minimum != nil && f < *n.Minimum || n.Maximum != nil && f > *n.Maximum {
			c.add(path, "out_of_range", "Must be "+between(n.Minimum, n.Maximum)+".")
		}
	case []any:
		if len(v) < n.MinItems || n.MaxItems != nil && len(v) > *n.MaxItems {
			c.add(path, "invalid_length", "Must have "+bounds(n.MinItems, n.MaxItems)+" entries.")
		}
		if n.Items != nil {
			for i, e := range v {
				c.value(n.Items, e, path+"["+strconv.Itoa(i)+"]")
			}
		}
	case map[string]any:
		c.object(n, v, path)
	}
}

func (c *check) text(n *node, s, path string) {
	if l := utf8.RuneCountInString(s); l < n.MinLength || n.MaxLength != nil && l > *n.MaxLength {
		c.add(path, "invalid_length", "Must have "+bounds(n.MinLength, n.MaxLength)+" characters.")
		return
	}
	if n.Format != "" {
		if f, ok := formats[n.Format]; ok && !f.valid(s) {
			c.add(path, f.code, f.message)
		}
	}
}

func (c *check) object(n *node, v map[string]any, path string) {
	if n.MaxProperties != nil && len(v) > *n.MaxProperties {
		c.add(path, "invalid_length", "Must have at most "+strconv.Itoa(*n.MaxProperties)+" entries.")
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		p := name
		if path != "" {
			p = path + "." + name
		}
		prop := n.Properties[name]
		switch {
		case prop != nil:
			if v[name] == nil && path == "" && c.mode == Change {
				continue
			}
			c.value(prop, v[name], p)
		case n.AdditionalProperties == nil:
		case n.AdditionalProperties.forbidden:
			c.add(p, "unknown_field", "There is no such field.")
		default:
			if n.PropertyNames != nil {
				c.value(n.PropertyNames, name, p)
			}
			if n.AdditionalProperties.schema != nil {
				c.value(n.AdditionalProperties.schema, v[name], p)
			}
		}
	}
	if c.mode == Change && path == "" {
		return
	}
	for _, name := range n.Required {
		if _, ok := v[name]; ok {
			continue
		}
		if prop := n.Properties[name]; prop != nil && c.resolve(prop).ReadOnly {
			continue
		}
		p := name
		if path != "" {
			p = path + "." + name
		}
		c.add(p, "required", "This field is required.")
	}
}

func is(t string, v any) bool {
	switch v := v.(type) {
	case nil:
		return t == "null"
	case bool:
		return t == "boolean"
	case string:
		return t == "string"
	case json.Number:
		if t == "integer" {
			_, err := strconv.ParseInt(v.String(), 10, 64)
			return err == nil
		}
		return t == "number"
	case []any:
		return t == "array"
	case map[string]any:
		return t == "object"
	}
	return false
}

func list(values []any) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = fmt.Sprint(v)
	}
	return strings.Join(parts, ", ")
}

func between(low, high *float64) string {
	f := func(v *float64) string { return strconv.FormatFloat(*v, 'f', -1, 64) }
	switch {
	case low != nil && high != nil:
		return f(low) + " to " + f(high)
	case high != nil:
		return "at most " + f(high)
	case low != nil:
		return "at least " + f(low)
	}
	return "a number"
}

func bounds(low int, high *int) string {
	l := float64(low)
	if high == nil {
		return between(&l, nil)
	}
	h := float64(*high)
	return between(&l, &h)
}
