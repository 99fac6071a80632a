package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

func server(ctx context.Context, s streams, args []string) error {
	return dispatch(ctx, s, "server", []verb{
		{"list", "[--q TEXT] [flags]", serverList},
		{"show", "SERVER [flags]", serverShow},
		{"add", "--name NAME --endpoint URL [flags], or --file RECORD.json", serverAdd},
		{"set", "SERVER --file CHANGES.json [flags]", serverSet},
		{"test", "SERVER [flags]", serverTest},
		{"token", "SERVER [--refresh | --purge] [flags]", serverToken},
		{"rm", "SERVER [flags]", serverRemove},
	}, args)
}

type serverRecord struct {
	ServerID  string `json:"server_id"`
	Name      string `json:"server_name"`
	Slug      string `json:"slug"`
	URL       string `json:"url"`
	AuthType  string `json:"auth_type"`
	Flow      string `json:"oauth2_flow"`
	Disabled  bool   `json:"disabled"`
	ReadOnly  bool   `json:"read_only"`
	HasSecret bool   `json:"has_secret"`
	Version   int64  `json:"version"`
}

func (r serverRecord) auth() string {
	if r.Flow != "" {
		return r.AuthType + "/" + r.Flow
	}
	return r.AuthType
}

func (r serverRecord) state() string {
	switch {
	case r.Disabled:
		return "disabled"
	case r.ReadOnly:
		return "enabled, read-only"
	}
	return "enabled"
}

func serverList(ctx context.Context, f *flag.FlagSet, a *api, args []string) error {
	q := f.String("q", "", "only servers with this `text`")
	if _, err := parseAround(f, args, 0); err != nil {
		return err
	}
	t := a.table("SLUG", "NAME", "URL", "AUTH", "STATE")
	err := a.each(ctx, "/v1/mcp/server", url.Values{"limit": {"200"}, "q": {*q}}, func(raw json.RawMessage) error {
		var r serverRecord
		if err := json.Unmarshal(raw, &r); err != nil {
			return err
		}
		return t.row(raw, r.Slug, r.Name, r.URL, r.auth(), r.state())
	})
	if err != nil {
		return err
	}
	return t.done()
}

func serverPath(ref string) string { return "/v1/mcp/server/" + url.PathEscape(ref) }

func serverShow(ctx context.Context, f *flag.FlagSet, a *api, args []string) error {
	rest, err := parseAround(f, args, 1)
	if err != nil {
		return err
	}
	b, err := a.call(ctx, http.MethodGet, serverPath(rest[0]), "", nil)
	if err != nil {
		return err
	}
	return a.document(b)
}

// document prints one JSON document, indented for people.
func (a *api) document(b []byte) error {
	if !a.json {
		var v any
		if err := json.Unmarshal(b, &v); err != nil {
			return err
		}
		var err error
		if b, err = json.MarshalIndent(v, "", "  "); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(a.s.out, "%s\n", b)
	return err
}

// serverAdd makes a record of flags, or takes a whole one from a file. A secret
// is never a flag: it comes from a file or standard input.
func serverAdd(ctx context.Context, f *flag.FlagSet, a *api, args []string) error {
	file := f.String("file", "", "`file` with the record as JSON; \"-\" for standard input. The other flags then do not apply")
	name := f.String("name", "", "the server's `name`")
	slug := f.String("slug", "", "`slug`: path segment and prefix; made of the name by default")
	endpoint := f.String("endpoint", "", "`URL` of the MCP endpoint")
	auth := f.String("auth", "none", "authentication: none, api_key, bearer_token, basic, authorization, token, client_credentials")
	clientID := f.String("client-id", "", "OAuth client `id`")
	tokenURL := f.String("token-url", "", "token endpoint `URL`; discovered by default")
	method := f.String("client-auth", "", "client authentication `method`: client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt")
	scopes := f.String("scopes", "", "`scopes`, separated by spaces")
	secretFile := f.String("secret-file", "", "`file` with the client secret, private key or authentication value; \"-\" for standard input")
	if _, err := parseAround(f, args, 0); err != nil {
		return err
	}
	var in any
	if *file != "" {
		b, err := a.read(*file)
		if err != nil {
			return err
		}
		in = json.RawMessage(b)
	} else {
		rec, creds := map[string]any{"server_name": *name, "url": *endpoint, "auth_type": *auth}, map[string]any{}
		secretName := "auth_value"
		if *auth == "client_credentials" {
			rec["auth_type"], rec["oauth2_flow"], rec["client_id"] = "oauth2", *auth, *clientID
			secretName = "client_secret"
			if *method == "private_key_jwt" {
				secretName = "client_private_key"
			}
		}
		for field, v := range map[string]string{"slug": *slug, "token_url": *tokenURL, "token_endpoint_auth_method": *method} {
			if v != "" {
				rec[field] = v
			}
		}
		if *scopes != "" {
			rec["scopes"] = strings.Fields(*scopes)
		}
		if *secretFile != "" {
			b, err := a.read(*secretFile)
			if err != nil {
				return err
			}
			creds[secretName] = strings.TrimSpace(string(b))
		}
		rec["credentials"] = creds
		in = rec
	}
	var r serverRecord
	printed, err := a.get(ctx, http.MethodPost, "/v1/mcp/server", in, &r)
	if err != nil || printed {
		return err
	}
	_, err = fmt.Fprintf(a.s.out, "Added %s (%s): callers reach it at %s/mcp/%s\n", r.Name, r.ServerID, strings.TrimSuffix(a.url, "/"), r.Slug)
	return err
}

func (a *api) read(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(a.s.in)
	}
	return os.ReadFile(file)
}

func serverSet(ctx context.Context, f *flag.FlagSet, a *api, args []string) error {
	file := f.String("file", "-", "`file` with the fields to change as JSON; null resets a field; \"-\" for standard input")
	rest, err := parseAround(f, args, 1)
	if err != nil {
		return err
	}
	b, err := a.read(*file)
	if err != nil {
		return err
	}
	var r serverRecord
	printed, err := a.get(ctx, http.MethodPut, serverPath(rest[0]), json.RawMessage(b), &r)
	if err != nil || printed {
		return err
	}
	_, err = fmt.Fprintf(a.s.out, "Changed %s to version %d\n", r.Name, r.Version)
	return err
}

// serverTest tests the token first and then the connection, and says which failed.
func serverTest(ctx context.Context, f *flag.FlagSet, a *api, args []string) error {
	rest, err := parseAround(f, args, 1)
	if err != nil {
		return err
	}
	var r serverRecord
	b, err := a.call(ctx, http.MethodGet, serverPath(rest[0]), "", nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	in, err := json.Marshal(map[string]string{"server_id": r.ServerID})
	if err != nil {
		return err
	}
	steps := []struct{ name, path string }{{"connection", "/mcp-rest/test/connection"}}
	if r.Flow == "client_credentials" {
		steps = append([]struct{ name, path string }{{"token", "/mcp-rest/test/token"}}, steps...)
	}
	for _, step := range steps {
		b, err := a.call(ctx, http.MethodPost, step.path, "application/json", in)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if a.json {
			_, _ = fmt.Fprintf(a.s.out, "%s\n", b)
			continue
		}
		_, _ = fmt.Fprintf(a.s.out, "%s: ok\n", step.name)
		if err := a.document(b); err != nil {
			return err
		}
	}
	return nil
}

func serverToken(ctx context.Context, f *flag.FlagSet, a *api, args []string) error {
	refresh := f.Bool("refresh", false, "get a new token now")
	purge := f.Bool("purge", false, "forget the token everywhere")
	caller := f.String("caller", "", "`id` of the caller, as in the audit log, at a server whose callers have tokens of their own")
	rest, err := parseAround(f, args, 1)
	if err != nil {
		return err
	}
	method := http.MethodGet
	switch {
	case *refresh && *purge:
		return fmt.Errorf("%w: --refresh or --purge", errUsage)
	case *refresh:
		method = http.MethodPost
	case *purge:
		method = http.MethodDelete
	}
	path := serverPath(rest[0]) + "/token"
	if *caller != "" {
		path += "?caller=" + url.QueryEscape(*caller)
	}
	b, err := a.call(ctx, method, path, "application/json", nil)
	if err != nil || len(b) == 0 {
		return err
	}
	return a.document(b)
}

func serverRemove(ctx context.Context, f *flag.FlagSet, a *api, args []string) error {
	rest, err := parseAround(f, args, 1)
	if err != nil {
		return err
	}
	if _, err := a.call(ctx, http.MethodDelete, serverPath(rest[0]), "", nil); err != nil {
		return err
	}
	if !a.json {
		_, err = fmt.Fprintf(a.s.out, "Removed %s with its tokens and grants\n", rest[0])
	}
	return err
}
