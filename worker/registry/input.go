package registry

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/grantway/grantway/worker/openapi"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/schema"
)

// Input is a request to create or change a server, taken apart: plain fields,
// wherever they were written, and secrets.
type Input struct {
	// Fields holds the plain fields that were sent, by JSON name; null resets a field.
	Fields map[string]json.RawMessage
	// Secrets holds the secrets that were sent, by name; nil deletes one. A blank one
	// is not here: it keeps what is stored.
	Secrets map[string]*string
	// KeyID and KeyAlgorithm describe a private key among the secrets; GenerateKey is
	// the algorithm of one that the gateway shall make itself. Blank: not sent.
	KeyID, KeyAlgorithm, GenerateKey string

	paths map[string]string // where a field or secret was written
}

// Path answers where in the request a field or secret is written, for problems.
func (in *Input) Path(name string) string {
	if p := in.paths[name]; p != "" {
		return p
	}
	if isSecret(name) {
		return "credentials." + name
	}
	return name
}

func isSecret(name string) bool {
	switch name {
	case SecretAuthValue, SecretIdentityClient, SecretClientPrivateKey, SecretClientSecret, SecretClientSecretNext:
		return true
	}
	return false
}

// answerOnly are fields of an answer that a client may send back; they are ignored.
var answerOnly = []string{
	"client_private_key_alg", "client_private_key_id", "created_at", "created_by", "has_secret", "public_jwk", "read_only",
	"secret_last_rotated", "secrets", "server_id", "updated_at", "updated_by", "version",
}

// ParseInput takes a request body apart and checks each value against the schema
// Server of /openapi.json. Fields may stand at the top level or, as in LiteLLM, inside
// credentials; secrets only there. Input is nil if the body is not an object; else it
// holds the fields that are valid by themselves, beside the problems of the others.
func ParseInput(body []byte) (*Input, []problem.Field) {
	in := &Input{Fields: map[string]json.RawMessage{}, Secrets: map[string]*string{}, paths: map[string]string{}}
	var top, creds map[string]json.RawMessage
	if err := json.Unmarshal(body, &top); err != nil || top == nil {
		return nil, []problem.Field{{Code: "invalid_type", Message: "The body must be a JSON object."}}
	}
	problems := openapi.Schemas().Check("Server", body, schema.Change)
	for i, p := range problems {
		if isSecret(p.Path) {
			problems[i] = problem.Field{Path: p.Path, Code: "misplaced_secret", Message: "A secret belongs inside credentials."}
		}
	}
	bad := func(path string) bool {
		return slices.ContainsFunc(problems, func(p problem.Field) bool {
			return p.Path == path || strings.HasPrefix(p.Path, path+".") || strings.HasPrefix(p.Path, path+"[")
		})
	}
	if raw := top["credentials"]; raw != nil && !slices.ContainsFunc(problems, func(p problem.Field) bool { return p.Path == "credentials" }) {
		_ = json.Unmarshal(raw, &creds) // the schema has checked that it is an object or null
	}
	delete(top, "credentials")
	for _, name := range slices.Sorted(maps.Keys(top)) {
		if !bad(name) && !slices.Contains(answerOnly, name) {
			problems = append(problems, in.add(name, name, top[name])...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(creds)) {
		path := "credentials." + name
		if bad(path) {
			continue
		}
		var text string // of the fields that are text
		_ = json.Unmarshal(creds[name], &text)
		switch {
		case isSecret(name):
			in.paths[name] = path
			if string(creds[name]) == "null" {
				in.Secrets[name] = nil
			} else if text != "" {
				in.Secrets[name] = &text
			}
		case name == "client_private_key_generate":
			in.GenerateKey = text
		case name == "client_private_key_id":
			in.KeyID = text
		case name == "client_private_key_alg":
			in.KeyAlgorithm = text
		default:
			problems = append(problems, in.add(name, path, creds[name])...)
		}
	}
	if in.GenerateKey != "" {
		if in.Secrets[SecretClientPrivateKey] != nil {
			problems = append(problems, problem.Field{Path: "credentials.client_private_key_generate", Code: "conflict", Message: "Either give a private key or let the gateway make one."})
		}
		in.paths[SecretClientPrivateKey] = "credentials.client_private_key_generate"
	}
	return in, problems
}

func (in *Input) add(name, path string, raw json.RawMessage) []problem.Field {
	if name == "extra_headers" { // LiteLLM's name of it
		name = "forward_headers"
	}
	if earlier, twice := in.Fields[name]; twice && !bytes.Equal(earlier, raw) {
		return []problem.Field{{Path: path, Code: "duplicate_field", Message: "Given twice with different values."}}
	}
	in.Fields[name], in.paths[name] = raw, path
	return nil
}

// sends reports whether the request gives the field a value other than its zero value.
func (in *Input) sends(name string) bool {
	switch string(in.Fields[name]) {
	case "", "null", `""`, "false", "0", "[]", "{}":
		return false
	}
	return true
}

// provides reports whether the secret is there once the request is carried out.
func (in *Input) provides(rec *Record, name string) bool {
	if s, sent := in.Secrets[name]; sent {
		return s != nil
	}
	if name == SecretClientPrivateKey && in.GenerateKey != "" {
		return true
	}
	_, stored := rec.Secrets[name]
	return stored
}
