package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/schema"
	"github.com/grantway/grantway/worker/transfer"
)

// exportFile answers all servers and keys without any secret. In place of each secret
// stands the name of a variable from which an import takes it.
func (a *API) exportFile(w http.ResponseWriter, r *http.Request) error {
	q := query{r: r}
	format := q.oneOf("format", "yaml", "yaml", "json")
	if err := q.done(); err != nil {
		return err
	}
	b, err := a.export(r.Context(), format == "yaml", false)
	if err != nil {
		return err
	}
	a.Audit.Record(r.Context(), entry(r, "export.read", audit.Target{Type: "export"}))
	w.Header().Set("Content-Type", "application/"+format)
	w.Header().Set("Content-Disposition", `attachment; filename="grantway.`+format+`"`)
	_, _ = w.Write(b)
	return nil
}

// exportSealed answers the same with every secret, encrypted to a recipient.
func (a *API) exportSealed(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Recipient string `json:"recipient"`
		Format    string `json:"format"`
	}
	if err := readAs(r, "SealedExportRequest", schema.Whole, &in); err != nil {
		return err
	}
	recipient, err := age.ParseX25519Recipient(in.Recipient)
	if err != nil {
		return invalid([]problem.Field{{Path: "recipient", Code: "invalid_recipient", Message: "Must be an age X25519 recipient: age1…"}})
	}
	b, err := a.export(r.Context(), in.Format != "json", true)
	if err != nil {
		return err
	}
	var sealed bytes.Buffer
	encrypted, err := age.Encrypt(&sealed, recipient)
	if err == nil {
		_, err = encrypted.Write(b)
	}
	if err == nil {
		err = encrypted.Close()
	}
	if err != nil {
		return err
	}
	// A file with every secret leaves the gateway only if that is on record.
	e, err := detailed(entry(r, "export.sealed", audit.Target{Type: "export"}), map[string]string{"recipient": in.Recipient})
	if err != nil {
		return err
	}
	if err := a.Directory.AppendAudit(r.Context(), []audit.Entry{e}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="grantway.age"`)
	_, _ = w.Write(sealed.Bytes())
	return nil
}

func (a *API) export(ctx context.Context, asYAML, secrets bool) ([]byte, error) {
	recs, _, err := a.Directory.AllServers(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(recs, func(a, b *registry.Record) int { return strings.Compare(a.Slug, b.Slug) })
	slugs := map[string]string{}
	servers, keys := []any{}, []any{}
	for _, rec := range recs {
		slugs[rec.ServerID] = rec.Slug
		m, err := a.exportServer(rec, secrets)
		if err != nil {
			return nil, err
		}
		servers = append(servers, m)
	}
	err = a.eachKey(ctx, func(k *access.Key) error {
		keys = append(keys, exportKey(k, slugs, secrets))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return transfer.Write(servers, keys, asYAML)
}

// eachKey calls f with every access key, in the order of their making.
func (a *API) eachKey(ctx context.Context, f func(*access.Key) error) error {
	q := directory.KeyQuery{Sort: "created_at", Limit: directory.MaxPage}
	for {
		page, err := a.Directory.ListKeys(ctx, q)
		if err != nil {
			return err
		}
		for _, k := range page.Keys {
			if err := f(k); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
}

func (a *API) exportServer(rec *registry.Record, secrets bool) (map[string]any, error) {
	doc, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := json.Unmarshal(doc, &m); err != nil {
		return nil, err
	}
	for _, name := range []string{"server_id", "version", "read_only"} {
		delete(m, name)
	}
	creds := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(rec.Secrets)) {
		switch {
		case name == registry.SecretStaticHeaders:
			values := map[string]string{}
			if secrets {
				plain, err := oauth.SecretOf(a.Keyring, rec, name)
				if err == nil {
					err = json.Unmarshal([]byte(plain), &values)
				}
				if err != nil {
					return nil, err
				}
			}
			headers, _ := m["static_headers"].(map[string]any)
			for header, v := range headers {
				if v != registry.Masked {
					continue
				}
				headers[header] = placeholder(rec.Slug, header)
				if secrets {
					headers[header] = values[header]
				}
			}
		case secrets:
			plain, err := oauth.SecretOf(a.Keyring, rec, name)
			if err != nil {
				return nil, err
			}
			if name == registry.SecretClientPrivateKey {
				plain = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte(plain)}))
			}
			creds[name] = plain
		default:
			creds[name] = placeholder(rec.Slug, name)
		}
	}
	if k := rec.ClientKey; k != nil {
		creds["client_private_key_id"], creds["client_private_key_alg"] = k.ID, k.Algorithm
	}
	if len(creds) > 0 {
		m["credentials"] = creds
	}
	return m, nil
}

// placeholder names the variable from which an import takes a secret.
func placeholder(slug, name string) string {
	return "os.environ/" + strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			return c
		}
		return '_'
	}, slug+"_"+name)
}

func exportKey(k *access.Key, slugs map[string]string, secrets bool) map[string]any {
	slugOf := func(id string) string {
		if s := slugs[id]; s != "" {
			return s
		}
		return id
	}
	servers := []string{}
	for _, id := range k.Servers {
		servers = append(servers, slugOf(id))
	}
	tools := map[string][]string{}
	for id, list := range k.Tools {
		tools[slugOf(id)] = list
	}
	m := map[string]any{"name": k.Name, "role": k.Role}
	for name, v := range map[string]any{
		"owner": k.Owner, "disabled": k.Disabled, "all_servers": k.AllServers, "servers": servers, "groups": k.Groups, "tools": tools,
		"requests_per_minute": k.RequestsPerMinute,
	} {
		if b, err := json.Marshal(v); err == nil && !slices.Contains([]string{`""`, "false", "[]", "null", "{}", "0"}, string(b)) {
			m[name] = v
		}
	}
	if k.ExpiresAt != nil {
		m["expires_at"] = k.ExpiresAt
	}
	if secrets {
		m["hash"], m["prefix"] = k.Hash, k.Prefix
	}
	return m
}
