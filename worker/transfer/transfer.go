// Package transfer reads configuration files of several formats into the shape of
// the management API, and writes Grantway's own. It decides nothing about a record:
// what it reads goes through the same checks as any request.
package transfer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/yaml"
)

// MaxDocument is the largest file that is read, in bytes.
const MaxDocument = 4 << 20

// Format is the kind of a file.
type Format string

// Formats. Auto tells them apart by their top-level keys.
const (
	Auto       Format = "auto"
	Grantway   Format = "grantway"   // this program's export
	LiteLLM    Format = "litellm"    // config.yaml with mcp_servers
	MCPServers Format = "mcpservers" // mcpServers (Claude Desktop, Cursor) or servers (VS Code)
)

// File is what a file holds.
type File struct {
	Format   Format
	Servers  []Item
	Keys     []Item
	Warnings []problem.Field // what was left out or assumed
	Problems []problem.Field // why the file cannot be imported as it is
}

// Item is one server or key: a request body of the management API and where in
// the file it stands.
type Item struct {
	Path   string
	Fields map[string]any
}

// Read reads a file. env resolves os.environ/NAME and the like; it answers false
// for a name that it does not know.
func Read(doc []byte, format Format, env func(name string) (string, bool)) *File {
	f := &File{Format: format}
	var v any
	var err error
	trimmed := strings.TrimLeft(string(doc), " \t\r\n\ufeff")
	if strings.HasPrefix(trimmed, "{") && json.Valid([]byte(trimmed)) {
		dec := json.NewDecoder(strings.NewReader(trimmed))
		dec.UseNumber()
		err = dec.Decode(&v)
	} else {
		v, err = yaml.Parse(doc)
	}
	top, isMapping := v.(map[string]any)
	switch {
	case err != nil:
		f.problem("", "unreadable", "The file is neither JSON nor YAML: "+err.Error()+".")
		return f
	case !isMapping:
		f.problem("", "unreadable", "The file holds no mapping at its top.")
		return f
	}
	if format == Auto {
		f.Format = detect(top)
	}
	r := &reader{File: f, env: env}
	switch f.Format {
	case Grantway:
		r.grantway(top)
	case LiteLLM:
		r.litellm(top)
	case MCPServers:
		r.clients(top)
	default:
		f.problem("", "unknown_format", "The file has neither grantway, nor mcp_servers, nor mcpServers at its top.")
	}
	return f
}

func detect(top map[string]any) Format {
	switch {
	case top["grantway"] != nil:
		return Grantway
	case top["mcp_servers"] != nil:
		return LiteLLM
	case top["mcpServers"] != nil, top["servers"] != nil, top["mcp"] != nil:
		return MCPServers
	}
	return Auto
}

func (f *File) problem(path, code, message string) {
	f.Problems = append(f.Problems, problem.Field{Path: path, Code: code, Message: message})
}

func (f *File) warn(path, code, message string) {
	f.Warnings = append(f.Warnings, problem.Field{Path: path, Code: code, Message: message})
}

type reader struct {
	*File
	env func(string) (string, bool)
}

// mapping answers v as a mapping; anything else is a problem.
func (r *reader) mapping(path string, v any) map[string]any {
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		r.problem(path, "invalid_type", "Must be a mapping.")
	}
	return m
}

// resolve replaces references to the environment in every text below v.
func (r *reader) resolve(path string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			v[k] = r.resolve(path+"."+k, v[k])
		}
	case []any:
		for i := range v {
			v[i] = r.resolve(fmt.Sprintf("%s[%d]", path, i), v[i])
		}
	case string:
		return r.text(path, v)
	}
	return v
}

// text replaces os.environ/NAME (LiteLLM), ${NAME}, ${env:NAME} and ${input:NAME}
// (clients).
func (r *reader) text(path, s string) string {
	if name, ok := strings.CutPrefix(s, "os.environ/"); ok {
		return r.variable(path, name)
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			out.WriteString("${" + rest)
			return out.String()
		}
		for _, prefix := range []string{"env:", "input:"} {
			name = strings.TrimPrefix(name, prefix)
		}
		out.WriteString(r.variable(path, name))
		s = after
	}
}

func (r *reader) variable(path, name string) string {
	value, ok := r.env(name)
	if !ok {
		r.problem(path, "unresolved_environment", fmt.Sprintf("The file names the variable %s, which has no value: set it where hostsim runs, or send it in environment.", name))
	}
	return value
}
