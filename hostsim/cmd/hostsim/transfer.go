package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"filippo.io/age"
)

// importAnswer is what the gateway says of an import.
type importAnswer struct {
	Format  string `json:"format"`
	Applied bool   `json:"applied"`
	Changes []struct {
		Kind   string `json:"kind"`
		Action string `json:"action"`
		Name   string `json:"name"`
		Fields []struct {
			Path          string
			Before, After json.RawMessage
		} `json:"fields"`
	} `json:"changes"`
	Warnings []fieldProblem `json:"warnings"`
	Problems []fieldProblem `json:"problems"`
}

type fieldProblem struct {
	Path    string `json:"path"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// importFile takes Grantway's, LiteLLM's and the clients' configuration files, also
// those that `hostsim export --recipient` has encrypted. Variables that the file names
// are taken from this program's environment.
func importFile(ctx context.Context, s streams, args []string) error {
	f := newFlags(s, "import", "FILE [--dry-run] [flags]")
	a := apiFlags(f, s)
	dry := f.Bool("dry-run", false, "only show what would change")
	format := f.String("format", "auto", "`format` of the file: auto, grantway, litellm, mcpservers")
	conflict := f.String("on-conflict", "update", "what to do with servers that exist: update, skip, fail")
	identity := f.String("identity", "", "age identity `file` with which an encrypted export is opened")
	rest, err := parseAround(f, args, 1)
	if err != nil {
		return err
	}
	doc, err := a.read(rest[0])
	if err != nil {
		return err
	}
	if bytes.HasPrefix(doc, []byte("age-encryption.org/")) {
		if doc, err = decrypt(doc, *identity); err != nil {
			return err
		}
	}
	body, err := json.Marshal(map[string]any{"document": string(doc), "environment": namedIn(doc, os.LookupEnv)})
	if err != nil {
		return err
	}
	query := url.Values{"format": {*format}, "on_conflict": {*conflict}, "dry_run": {fmt.Sprint(*dry)}}
	var out importAnswer
	b, err := a.call(ctx, http.MethodPost, "/v1/import?"+query.Encode(), "application/json", body)
	if err != nil {
		return err
	}
	if a.json {
		_, err = fmt.Fprintf(a.s.out, "%s\n", b)
		return err
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return err
	}
	out.print(a.s.out)
	if *dry && len(out.Problems) > 0 {
		return &apiError{Status: http.StatusUnprocessableEntity, Code: "invalid_import", Message: "The file cannot be imported as it is."}
	}
	return nil
}

func (out *importAnswer) print(w io.Writer) {
	for _, c := range out.Changes {
		_, _ = fmt.Fprintf(w, "%-9s %s %s\n", c.Action, c.Kind, c.Name)
		if c.Action != "update" {
			continue
		}
		for _, d := range c.Fields {
			_, _ = fmt.Fprintf(w, "            %s: %s → %s\n", d.Path, orNone(d.Before), orNone(d.After))
		}
	}
	for _, p := range out.Warnings {
		_, _ = fmt.Fprintf(w, "warning   %s: %s\n", p.Path, p.Message)
	}
	for _, p := range out.Problems {
		_, _ = fmt.Fprintf(w, "problem   %s: %s\n", p.Path, p.Message)
	}
	if out.Applied {
		_, _ = fmt.Fprintln(w, "Imported.")
	} else {
		_, _ = fmt.Fprintln(w, "Nothing was changed.")
	}
}

func orNone(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "(none)"
	}
	return string(raw)
}

// namedIn answers the variables that a document names and that are set. Others
// are not sent: the gateway has no business with them.
func namedIn(doc []byte, lookup func(string) (string, bool)) map[string]string {
	env := map[string]string{}
	for _, mark := range []string{"os.environ/", "${env:", "${input:", "${"} {
		for _, part := range strings.Split(string(doc), mark)[1:] {
			end := strings.IndexFunc(part, func(r rune) bool {
				return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
			})
			if end < 0 {
				end = len(part)
			}
			if v, ok := lookup(part[:end]); ok {
				env[part[:end]] = v
			}
		}
	}
	return env
}

func decrypt(sealed []byte, identityFile string) ([]byte, error) {
	if identityFile == "" {
		return nil, fmt.Errorf("%w: the file is encrypted: give --identity", errUsage)
	}
	f, err := os.Open(identityFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	ids, err := age.ParseIdentities(f)
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), ids...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func exportFile(ctx context.Context, s streams, args []string) error {
	f := newFlags(s, "export", "[--out FILE] [--recipient age1…] [flags]")
	a := apiFlags(f, s)
	out := f.String("out", "-", "`file` to write, readable by this user only; \"-\" for standard output")
	format := f.String("format", "yaml", "`format`: yaml, json")
	recipient := f.String("recipient", "", "include every secret, encrypted to this age public `key`")
	if _, err := parseAround(f, args, 0); err != nil {
		return err
	}
	var b []byte
	var err error
	if *recipient == "" {
		b, err = a.call(ctx, http.MethodGet, "/v1/export?format="+url.QueryEscape(*format), "", nil)
	} else {
		var body []byte
		if body, err = json.Marshal(map[string]string{"recipient": *recipient, "format": *format}); err != nil {
			return err
		}
		b, err = a.call(ctx, http.MethodPost, "/v1/export", "application/json", body)
	}
	if err != nil {
		return err
	}
	if *out == "-" {
		_, err = a.s.out.Write(b)
		return err
	}
	return os.WriteFile(*out, b, 0o600)
}
