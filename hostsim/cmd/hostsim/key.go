package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

func key(ctx context.Context, s streams, args []string) error {
	return dispatch(ctx, s, "key", []verb{
		{"list", "[--q TEXT] [--role ROLE] [flags]", keyList},
		{"new", "--name NAME [--servers A,B | --all-servers] [flags]", keyNew},
		{"show", "ID [flags]", keyShow},
		{"rotate", "ID [--overlap 1h] [flags]", keyRotate},
		{"rm", "ID [flags]", keyRemove},
	}, args)
}

type keyRecord struct {
	ID         string     `json:"id"`
	Key        string     `json:"key"`
	Prefix     string     `json:"prefix"`
	Name       string     `json:"name"`
	Role       string     `json:"role"`
	Status     string     `json:"status"`
	LastUsedAt *time.Time `json:"last_used_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
}

func when(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format(time.DateTime)
}

func keyList(ctx context.Context, f *flag.FlagSet, a *api, args []string) error {
	q := f.String("q", "", "only keys with this `text`")
	role := f.String("role", "", "only keys of this `role`")
	if _, err := parseAround(f, args, 0); err != nil {
		return err
	}
	t := a.table("ID", "KEY", "NAME", "ROLE", "STATUS", "EXPIRES", "LAST USED")
	err := a.each(ctx, "/v1/keys", url.Values{"limit": {"200"}, "q": {*q}, "role": {*role}}, func(raw json.RawMessage) error {
		var k keyRecord
		if err := json.Unmarshal(raw, &k); err != nil {
			return err
		}
		return t.row(raw, k.ID, k.Prefix+"…", k.Name, k.Role, k.Status, when(k.ExpiresAt), when(k.LastUsedAt))
	})
	if err != nil {
		return err
	}
	return t.done()
}

func keyNew(ctx context.Context, f *flag.FlagSet, a *api, args []string) error {
	name := f.String("name", "", "what the key is for, a `text`")
	owner := f.String("owner", "", "`who` answers for it")
	role := f.String("role", "caller", "`role`: caller, viewer, admin")
	servers := f.String("servers", "", "`servers` that it may call, separated by commas")
	groups := f.String("groups", "", "`groups` of servers that it may call, separated by commas")
	all := f.Bool("all-servers", false, "it may call every server")
	life := f.Duration("expires-in", 0, "how `long` it lasts; for ever by default")
	rpm := f.Int("requests-per-minute", 0, "`limit` of its requests")
	if _, err := parseAround(f, args, 0); err != nil {
		return err
	}
	in := map[string]any{"name": *name, "owner": *owner, "role": *role, "servers": words(*servers), "groups": words(*groups), "all_servers": *all, "requests_per_minute": *rpm}
	if *life > 0 {
		in["expires_at"] = time.Now().Add(*life).UTC().Format(time.RFC3339)
	}
	return a.showSecret(ctx, "/v1/keys", in)
}

func words(s string) []string {
	out := []string{}
	for w := range strings.SplitSeq(s, ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// showSecret prints a key that the gateway shows only now. On standard output
// stands the key alone, so that a script can take it.
func (a *api) showSecret(ctx context.Context, path string, in any) error {
	var k keyRecord
	printed, err := a.get(ctx, http.MethodPost, path, in, &k)
	if err != nil || printed {
		return err
	}
	_, _ = fmt.Fprintf(a.s.err, "Key %s (%s). It is shown only now:\n", k.Name, k.ID)
	_, err = fmt.Fprintln(a.s.out, k.Key)
	return err
}

func keyPath(id string) string { return "/v1/keys/" + url.PathEscape(id) }

func keyShow(ctx context.Context, f *flag.FlagSet, a *api, args []string) error {
	rest, err := parseAround(f, args, 1)
	if err != nil {
		return err
	}
	b, err := a.call(ctx, http.MethodGet, keyPath(rest[0]), "", nil)
	if err != nil {
		return err
	}
	return a.document(b)
}

func keyRotate(ctx context.Context, f *flag.FlagSet, a *api, args []string) error {
	overlap := f.Duration("overlap", time.Hour, "how `long` the old key still works")
	rest, err := parseAround(f, args, 1)
	if err != nil {
		return err
	}
	return a.showSecret(ctx, keyPath(rest[0])+"/rotate", map[string]int{"overlap_seconds": int(overlap.Seconds())})
}

func keyRemove(ctx context.Context, f *flag.FlagSet, a *api, args []string) error {
	rest, err := parseAround(f, args, 1)
	if err != nil {
		return err
	}
	if _, err := a.call(ctx, http.MethodDelete, keyPath(rest[0]), "", nil); err != nil {
		return err
	}
	if !a.json {
		_, err = fmt.Fprintf(a.s.out, "Revoked %s\n", rest[0])
	}
	return err
}
