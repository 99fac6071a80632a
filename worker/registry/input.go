package registry

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/grantway/grantway/worker/problem"
)

// Input is a request to create or change a server, taken apart: plain fields,
// wherever they were written, and secrets.
type Input struct {
	// Fields holds the plain fields that were sent, by JSON name; null resets a field.
	Fields map[string]json.RawMessage
	// Secrets holds the secrets that were sent, by name; nil deletes one. A blank one
	// is not here: it keeps what is stored.
	Secrets map[string]*string
	// GenerateKey is the algorithm of a private key that the gateway shall make, or "".
	GenerateKey string

	paths map[string]string // where a field was written
}

// Path answers where in the request a field is written, for problems.
func (in *Input) Path(field string) string {
	if p := in.paths[field]; p != "" {
		return p
	}
	return field
}

// secretNames are the secrets of a record as they are written in credentials.
var secretNames = []string{SecretAuthValue, SecretClientPrivateKey, SecretClientSecret, SecretClientSecretNext}

// answerOnly are fields of an answer that a client may send back; they are ignored.
var answerOnly = []string{
	"created_at", "created_by", "has_secret", "public_jwk", "read_only", "secret_last_rotated", "secrets", "server_id",
	"updated_at", "updated_by", "version",
}

// keyFields describe the private key and are written beside it.
var keyFields = []string{"client_private_key_id", "client_private_key_alg"}

// ParseInput takes a request body apart. Fields may stand at the top level or,
// as in LiteLLM, inside credentials; secrets only there.
func ParseInput(body []byte) (*Input, []problem.Field) {
	in := &Input{Fields: map[string]json.RawMessage{}, Secrets: map[string]*string{}, paths: map[string]string{}}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(body, &top); err != nil || top == nil {
		return nil, []problem.Field{{Path: "", Code: "invalid_type", Message: "The body must be a JSON object."}}
	}
	var problems []problem.Field
	var creds map[string]json.RawMessage
	if raw, ok := top["credentials"]; ok {
		delete(top, "credentials")
		if err := json.Unmarshal(raw, &creds); err != nil {
			problems = append(problems, problem.Field{Path: "credentials", Code: "invalid_type", Message: "Must be an object."})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(top)) {
		problems = append(problems, in.add(name, name, top[name])...)
	}
	for _, name := range slices.Sorted(maps.Keys(creds)) {
		path := "credentials." + name
		switch {
		case slices.Contains(secretNames, name):
			problems = append(problems, in.addSecret(name, path, creds[name])...)
		case name == "client_private_key_generate":
			if err := json.Unmarshal(creds[name], &in.GenerateKey); err != nil {
				problems = append(problems, problem.Field{Path: path, Code: "invalid_type", Message: "Must be text."})
			}
		default:
			problems = append(problems, in.add(name, path, creds[name])...)
		}
	}
	return in, problems
}

func (in *Input) add(name, path string, raw json.RawMessage) []problem.Field {
	if name == "extra_headers" { // LiteLLM's name of it
		name = "forward_headers"
	}
	switch {
	case slices.Contains(answerOnly, name):
		return nil
	case slices.Contains(secretNames, name):
		return []problem.Field{{Path: path, Code: "misplaced_secret", Message: "A secret belongs inside credentials."}}
	}
	if earlier, twice := in.Fields[name]; twice && !bytes.Equal(earlier, raw) {
		return []problem.Field{{Path: path, Code: "duplicate_field", Message: "Given twice with different values."}}
	}
	in.Fields[name], in.paths[name] = raw, path
	return nil
}

func (in *Input) addSecret(name, path string, raw json.RawMessage) []problem.Field {
	if string(raw) == "null" {
		in.Secrets[name] = nil
		return nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return []problem.Field{{Path: path, Code: "invalid_type", Message: "Must be text."}}
	}
	if s != "" {
		in.Secrets[name] = &s
	}
	in.paths[name] = path
	return nil
}

// Merge answers old with the plain fields of in laid over it; old is not changed
// and may be nil.
func Merge(old *Record, in *Input) (*Record, []problem.Field) {
	rec := &Record{Transport: "http"}
	if old != nil {
		rec = old.Clone()
	}
	doc, err := json.Marshal(rec)
	if err != nil {
		return nil, []problem.Field{{Code: "invalid_type", Message: err.Error()}}
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(doc, &fields); err != nil {
		return nil, []problem.Field{{Code: "invalid_type", Message: err.Error()}}
	}
	for name, raw := range in.Fields {
		if string(raw) == "null" {
			delete(fields, name)
		} else {
			fields[name] = raw
		}
	}
	var problems []problem.Field
	for _, name := range slices.Sorted(maps.Keys(in.Fields)) {
		one, _ := json.Marshal(map[string]json.RawMessage{name: in.Fields[name]})
		dec := json.NewDecoder(bytes.NewReader(one))
		dec.DisallowUnknownFields()
		var probe Record
		if err := dec.Decode(&probe); err != nil {
			code, message := "invalid_type", "The value has the wrong type."
			if !known(name) {
				code, message = "unknown_field", "There is no such field."
			}
			problems = append(problems, problem.Field{Path: in.Path(name), Code: code, Message: message})
			delete(fields, name)
		}
	}
	merged, err := json.Marshal(fields)
	if err != nil {
		return nil, append(problems, problem.Field{Code: "invalid_type", Message: "The record is not readable."})
	}
	out := &Record{}
	if err := json.Unmarshal(merged, out); err != nil {
		return nil, append(problems, problem.Field{Code: "invalid_type", Message: "The record is not readable."})
	}
	out.CreatedAt, out.UpdatedAt, out.CreatedBy, out.UpdatedBy = rec.CreatedAt, rec.UpdatedAt, rec.CreatedBy, rec.UpdatedBy
	out.Secrets, out.ClientKey = rec.Secrets, rec.ClientKey
	return out, problems
}

func known(name string) bool {
	one, _ := json.Marshal(map[string]any{name: nil})
	dec := json.NewDecoder(bytes.NewReader(one))
	dec.DisallowUnknownFields()
	return dec.Decode(&Record{}) == nil
}
