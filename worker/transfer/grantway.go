package transfer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// fileVersion is the version of Grantway's own format, in its key grantway.
const fileVersion = "1"

// grantway reads servers and keys: lists of request bodies of the management API.
func (r *reader) grantway(top map[string]any) {
	if v := fmt.Sprint(top["grantway"]); v != fileVersion {
		r.problem("grantway", "unknown_version", "This gateway reads version "+fileVersion+" of the format.")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(top)) {
		switch name {
		case "grantway":
		case "servers":
			r.Servers = r.items(name, top[name])
		case "keys":
			r.Keys = r.items(name, top[name])
		default:
			r.problem(name, "unknown_field", "There is no such field.")
		}
	}
}

func (r *reader) items(name string, v any) []Item {
	list, ok := v.([]any)
	if !ok && v != nil {
		r.problem(name, "invalid_type", "Must be a list.")
	}
	var out []Item
	for i, v := range list {
		path := name + "[" + strconv.Itoa(i) + "]"
		if m := r.mapping(path, r.resolve(path, v)); m != nil {
			out = append(out, Item{path, m})
		}
	}
	return out
}

// Write answers a file in Grantway's own format; yaml false means JSON. The items
// are anything that JSON can hold.
func Write(servers, keys []any, asYAML bool) ([]byte, error) {
	doc := struct {
		Grantway int   `json:"grantway"`
		Servers  []any `json:"servers"`
		Keys     []any `json:"keys"`
	}{1, servers, keys}
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil || !asYAML {
		return append(b, '\n'), err
	}
	var out strings.Builder
	out.WriteString("# Grantway configuration. Import it with `hostsim import FILE`.\ngrantway: 1\n")
	for _, part := range []struct {
		name  string
		items []any
	}{{"servers", servers}, {"keys", keys}} {
		b, err := json.Marshal(part.items)
		if err != nil {
			return nil, err
		}
		dec := json.NewDecoder(strings.NewReader(string(b)))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			return nil, err
		}
		out.WriteString(part.name + ":")
		writeYAML(&out, v, "")
	}
	return []byte(out.String()), nil
}

// first are the fields that lead a record, for people who read the file.
var first = []string{"server_name", "name", "slug", "alias", "description", "url", "transport", "auth_type", "oauth2_flow", "client_id"}

// writeYAML writes a value behind its key or dash. Scalars are JSON, which YAML reads too.
func writeYAML(out *strings.Builder, v any, indent string) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			out.WriteString(" {}\n")
			return
		}
		out.WriteString("\n")
		names := slices.Sorted(maps.Keys(v))
		slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
		for _, name := range names {
			out.WriteString(indent + yamlKey(name) + ":")
			writeYAML(out, v[name], indent+"  ")
		}
	case []any:
		if len(v) == 0 {
			out.WriteString(" []\n")
			return
		}
		out.WriteString("\n")
		for _, e := range v {
			var item strings.Builder
			writeYAML(&item, e, indent+"  ")
			out.WriteString(indent + "-" + strings.Replace(item.String(), "\n"+indent+"  ", " ", btoi(isCollection(e))))
		}
	default:
		b, err := json.Marshal(v)
		if err != nil {
			panic("transfer: " + err.Error()) // it came out of a JSON decoder
		}
		out.WriteString(" " + string(b) + "\n")
	}
}

func isCollection(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) > 0
	case []any:
		return len(v) > 0
	}
	return false
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func rank(name string) int {
	if i := slices.Index(first, name); i >= 0 {
		return i
	}
	return len(first)
}

// yamlKey leaves a simple key as it is and quotes any other.
func yamlKey(name string) string {
	simple := name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.'
	}) && name[0] != '-' && name[0] != '.' && (name[0] < '0' || name[0] > '9')
	switch strings.ToLower(name) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		simple = false
	}
	if simple {
		return name
	}
	b, err := json.Marshal(name)
	if err != nil {
		panic("transfer: " + err.Error()) // text is always JSON
	}
	return string(b)
}
