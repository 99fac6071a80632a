package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/openapi"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/schema"
	"github.com/grantway/grantway/worker/transfer"
	"github.com/grantway/grantway/worker/uuid"
)

type importAnswer struct {
	Format   transfer.Format `json:"format"`
	DryRun   bool            `json:"dry_run"`
	Applied  bool            `json:"applied"`
	Changes  []importChange  `json:"changes"`
	Warnings []problem.Field `json:"warnings"`
	Problems []problem.Field `json:"problems"`
}

type importChange struct {
	Kind     string       `json:"kind"`
	Action   string       `json:"action"`
	Name     string       `json:"name"`
	Slug     string       `json:"slug,omitempty"`
	ServerID string       `json:"server_id,omitempty"`
	Fields   []fieldValue `json:"fields,omitempty"`
}

type fieldValue struct {
	Path   string          `json:"path"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// importPlan is what an import will do.
type importPlan struct {
	api        *API
	r          *http.Request
	file       *transfer.File
	onConflict string
	managed    bool // the file is the file of record

	changes []importChange
	batch   directory.Batch
	byRef   map[string]string // folded reference → id, of the file's servers
	kept    map[string]bool   // ids of the file's servers and keys; of keys that are new, the hashes
}

// importFile carries a file over, or says what that would do: everything or nothing.
func (a *API) importFile(w http.ResponseWriter, r *http.Request) error {
	q := query{r: r}
	dryRun, managed := q.flag("dry_run"), q.flag("managed")
	format := q.oneOf("format", "auto", "auto", "grantway", "litellm", "mcpservers")
	onConflict := q.oneOf("on_conflict", "update", "update", "skip", "fail")
	if err := q.done(); err != nil {
		return err
	}
	doc, env, err := readImport(r)
	if err != nil {
		return err
	}
	dry := dryRun != nil && *dryRun
	for try := 1; ; try++ {
		p := &importPlan{
			api: a, r: r, onConflict: onConflict, managed: managed != nil && *managed, changes: []importChange{}, byRef: map[string]string{}, kept: map[string]bool{},
			file: transfer.Read(doc, transfer.Format(format), func(name string) (string, bool) { v, ok := env[name]; return v, ok }),
		}
		if err := p.make(r.Context()); err != nil {
			return err
		}
		out := importAnswer{Format: p.file.Format, DryRun: dry, Changes: p.changes, Warnings: append([]problem.Field{}, p.file.Warnings...), Problems: append([]problem.Field{}, p.file.Problems...)}
		if dry {
			return answer(w, http.StatusOK, out)
		}
		if len(p.file.Problems) > 0 {
			pr := problem.New(http.StatusUnprocessableEntity, "invalid_import", "The file cannot be imported; nothing was changed.")
			pr.Fields = p.file.Problems
			return pr
		}
		err := p.apply(r.Context())
		if code := problem.From(err).Code; err != nil && (code == "version_conflict" || code == "server_not_found") && try < editTries {
			continue
		}
		if err != nil {
			return err
		}
		out.Applied = true
		return answer(w, http.StatusOK, out)
	}
}

// readImport answers the file and the environment that came with it.
func readImport(r *http.Request) ([]byte, map[string]string, error) {
	body, err := readBody(r, transfer.MaxDocument)
	if err != nil {
		return nil, nil, err
	}
	var envelope struct {
		Document    string            `json:"document"`
		Environment map[string]string `json:"environment"`
	}
	var top map[string]json.RawMessage
	if json.Unmarshal(body, &top) != nil || top["document"] == nil {
		return body, nil, nil
	}
	if problems := openapi.Schemas().Check("ImportEnvelope", body, schema.Whole); len(problems) > 0 {
		return nil, nil, invalid(problems)
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return nil, nil, err
	}
	return []byte(envelope.Document), envelope.Environment, nil
}

func (p *importPlan) problem(path, code, message string) {
	p.file.Problems = append(p.file.Problems, problem.Field{Path: path, Code: code, Message: message})
}

func (p *importPlan) make(ctx context.Context) error {
	if n := len(p.file.Servers) + len(p.file.Keys); n > directory.MaxWrites {
		p.problem("", "too_many", fmt.Sprintf("The file has %d servers and keys; one import takes %d.", n, directory.MaxWrites))
		return nil
	}
	for _, item := range p.file.Servers {
		if err := p.server(ctx, item); err != nil {
			return err
		}
	}
	for _, item := range p.file.Keys {
		if err := p.key(ctx, item); err != nil {
			return err
		}
	}
	if !p.managed {
		return nil
	}
	if err := p.prune(ctx); err != nil {
		return err
	}
	b := p.batch
	if n := len(b.Servers) + len(b.Delete) + len(b.Keys) + len(b.DeleteKeys); n > directory.MaxWrites {
		p.problem("", "too_many", fmt.Sprintf("The file changes and takes away %d servers and keys; one import takes %d. Take some away first.", n, directory.MaxWrites))
	}
	return nil
}

func (p *importPlan) server(ctx context.Context, item transfer.Item) error {
	name, _ := item.Fields["server_name"].(string)
	slug, _ := item.Fields["slug"].(string)
	if slug == "" {
		slug = registry.SlugOf(name)
	}
	old, err := p.existing(ctx, slug, name)
	if err != nil {
		return err
	}
	ch := importChange{Kind: "server", Name: name, Slug: slug}
	if old != nil {
		if p.kept[old.ServerID] {
			p.problem(item.Path, "duplicate", "Another entry of the file is the same server.")
			return nil
		}
		ch.ServerID = old.ServerID
		p.kept[old.ServerID] = true
		switch {
		case old.ReadOnly && !p.managed:
			p.problem(item.Path, "read_only", "This server comes from the configuration file of record.")
			return nil
		case p.onConflict == "skip":
			ch.Action = "skip"
			p.changes = append(p.changes, ch)
			p.name(old)
			return nil
		case p.onConflict == "fail":
			p.problem(item.Path, "exists", fmt.Sprintf("A server %q exists already.", slug))
			return nil
		}
		p.keepSecrets(item, old)
	}
	fields := maps.Clone(item.Fields)
	if p.managed && old != nil {
		resetOthers(fields, old)
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	rec, err := p.api.compose(p.r.Context(), actorOf(p.r), old, body)
	if err != nil {
		return p.invalid(item.Path, err)
	}
	rec.ReadOnly = p.managed
	for _, ref := range rec.Refs() {
		if other := p.byRef[ref]; other != "" && other != rec.ServerID {
			p.problem(item.Path, "duplicate", fmt.Sprintf("Another server of the file has the slug, name or alias %q.", ref))
			return nil
		}
	}
	p.name(rec)
	p.kept[rec.ServerID] = true
	ch.Slug = rec.Slug
	var before any
	expect := int64(0)
	action := "create"
	if old != nil {
		before, expect, action = shown(old), old.Version, "update"
	}
	e, err := changed(entry(p.r, "server."+action, serverTarget(rec)), before, shown(rec))
	if err != nil {
		return err
	}
	if ch.Action, ch.Fields, err = differences(e, action); err != nil {
		return err
	}
	p.changes = append(p.changes, ch)
	if ch.Action != "unchanged" {
		p.batch.Servers = append(p.batch.Servers, directory.ServerWrite{Record: rec, Expect: expect})
		p.batch.Audit = append(p.batch.Audit, e)
	}
	return nil
}

func (p *importPlan) name(rec *registry.Record) {
	for _, ref := range rec.Refs() {
		p.byRef[ref] = rec.ServerID
	}
}

func (p *importPlan) existing(ctx context.Context, refs ...string) (*registry.Record, error) {
	for _, ref := range refs {
		if ref == "" {
			continue
		}
		rec, err := p.api.Directory.FindServer(ctx, ref)
		if err == nil || !errors.Is(err, registry.ErrNotFound) {
			return rec, err
		}
	}
	return nil, nil
}

// invalid places the problems of one record in the file.
func (p *importPlan) invalid(path string, err error) error {
	var pr *problem.Problem
	if !errors.As(err, &pr) || len(pr.Fields) == 0 {
		return err
	}
	for _, f := range pr.Fields {
		at := path
		if f.Path != "" {
			at += "." + f.Path
		}
		// A value that could not be resolved is the cause; that it is missing says nothing new.
		unresolved := slices.ContainsFunc(p.file.Problems, func(q problem.Field) bool {
			return q.Code == "unresolved_environment" && strings.HasPrefix(q.Path, path+".") && last(q.Path) == last(at)
		})
		if !unresolved {
			p.problem(at, f.Code, f.Message)
		}
	}
	return nil
}

func last(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// keepSecrets lets values of the environment that are not known here stand for
// what is stored, so that an export can be imported again where it came from.
func (p *importPlan) keepSecrets(item transfer.Item, old *registry.Record) {
	headers, _ := item.Fields["static_headers"].(map[string]any)
	p.file.Problems = slices.DeleteFunc(p.file.Problems, func(f problem.Field) bool {
		if f.Code != "unresolved_environment" || !strings.HasPrefix(f.Path, item.Path+".") {
			return false
		}
		name := last(f.Path)
		if strings.Contains(f.Path, ".static_headers.") && old.StaticHeaders[name] == registry.Masked {
			headers[name] = registry.Masked
			return true
		}
		_, stored := old.Secrets[name]
		return stored
	})
}

// resetOthers resets the fields that a file of record does not name, so that the
// record is what the file says.
func resetOthers(fields map[string]any, old *registry.Record) {
	doc, err := json.Marshal(old)
	var stored map[string]any
	if err == nil {
		err = json.Unmarshal(doc, &stored)
	}
	if err != nil {
		panic("admin: record: " + err.Error()) // a Record holds only values that JSON can hold
	}
	creds, _ := fields["credentials"].(map[string]any)
	for name := range stored {
		_, top := fields[name]
		_, inside := creds[name]
		if !top && !inside {
			fields[name] = nil
		}
	}
}

// differences answers what an audit entry's before and after say, field by field.
func differences(e audit.Entry, action string) (string, []fieldValue, error) {
	var before, after map[string]json.RawMessage
	for _, side := range []struct {
		raw json.RawMessage
		to  *map[string]json.RawMessage
	}{{e.Before, &before}, {e.After, &after}} {
		if len(side.raw) > 0 {
			if err := json.Unmarshal(side.raw, side.to); err != nil {
				return "", nil, err
			}
		}
	}
	names := map[string]bool{}
	for _, m := range []map[string]json.RawMessage{before, after} {
		for name := range m {
			names[name] = true
		}
	}
	for _, hidden := range []string{"server_id", "id", "created_at", "created_by", "credentials", "has_secret", "secret_last_rotated", "prefix", "status"} {
		delete(names, hidden)
	}
	if len(names) == 0 && action == "update" {
		return "unchanged", nil, nil
	}
	var fields []fieldValue
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fields = append(fields, fieldValue{name, before[name], after[name]})
	}
	return action, fields, nil
}

// key plans an access key. A file names the key itself (key, such as
// os.environ/NAME) or its SHA-256 (hash); a key of which it has neither cannot be made.
func (p *importPlan) key(ctx context.Context, item transfer.Item) error {
	fields := maps.Clone(item.Fields)
	secret, _ := fields["key"].(string)
	hash, _ := fields["hash"].(string)
	prefix, _ := fields["prefix"].(string)
	for _, name := range []string{"key", "hash", "prefix"} {
		delete(fields, name)
	}
	name, _ := fields["name"].(string)
	if secret != "" {
		if !access.WellFormed(secret) {
			p.problem(item.Path+".key", "invalid_key", "This is not an access key: hostsim key new prints one.")
			return nil
		}
		hash, prefix = access.HashOf(secret), access.PrefixOf(secret)
	}
	if hash == "" {
		p.file.Warnings = append(p.file.Warnings, problem.Field{Path: item.Path, Code: "key_without_secret", Message: "The file has neither the key nor its hash: left out."})
		p.changes = append(p.changes, importChange{Kind: "key", Action: "skip", Name: name})
		return nil
	}
	if !access.ValidHash(hash) || len(prefix) > 16 {
		p.problem(item.Path+".hash", "invalid_hash", "Must be a SHA-256 in hexadecimal, with the key's first characters as prefix.")
		return nil
	}
	old, err := p.api.Directory.FindKey(ctx, hash)
	if errors.Is(err, access.ErrNoKey) {
		old, err = nil, nil
	}
	if err != nil {
		return err
	}
	same := hash
	if old != nil {
		same = old.ID
	}
	if p.kept[same] {
		p.problem(item.Path, "duplicate", "Another entry of the file is the same key.")
		return nil
	}
	p.kept[same] = true
	if old != nil && old.ReadOnly && !p.managed {
		p.problem(item.Path, "read_only", "This key comes from the configuration file of record.")
		return nil
	}
	if old != nil && p.onConflict != "update" {
		p.changes = append(p.changes, importChange{Kind: "key", Action: "skip", Name: name})
		return nil
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	base := old
	if p.managed {
		base = nil // what the file does not say has its usual value
	}
	k, err := composeKey(base, body, func(ref string) (string, error) {
		if id := p.byRef[registry.Fold(ref)]; id != "" {
			return id, nil
		}
		return p.api.serverID(ctx, ref)
	})
	if err != nil {
		return p.invalid(item.Path, err)
	}
	now := time.Now().UTC()
	action, expect := "create", int64(0)
	var before any
	if old == nil {
		k.ID, k.CreatedAt, k.CreatedBy, k.Hash, k.Prefix = uuid.New(), now, actorOf(p.r), hash, prefix
	} else {
		action, expect, before = "update", old.Version, shownKey(old, nil)
		k.ID, k.Version, k.CreatedAt, k.CreatedBy, k.SignedInSince = old.ID, old.Version, old.CreatedAt, old.CreatedBy, old.SignedInSince
		k.Hash, k.Prefix, k.PreviousHash, k.PreviousExpiresAt = old.Hash, old.Prefix, old.PreviousHash, old.PreviousExpiresAt
	}
	k.UpdatedAt, k.ReadOnly = now, p.managed
	e, err := changed(entry(p.r, "key."+action, keyTarget(k)), before, shownKey(k, nil))
	if err != nil {
		return err
	}
	ch := importChange{Kind: "key", Name: name}
	if ch.Action, ch.Fields, err = differences(e, action); err != nil {
		return err
	}
	p.changes = append(p.changes, ch)
	if ch.Action != "unchanged" {
		p.batch.Keys = append(p.batch.Keys, directory.KeyWrite{Key: k, Expect: expect})
		p.batch.Audit = append(p.batch.Audit, e)
	}
	return nil
}

// prune deletes the servers and keys of an earlier file of record that this one no
// longer has.
func (p *importPlan) prune(ctx context.Context) error {
	recs, _, err := p.api.Directory.AllServers(ctx)
	if err != nil {
		return err
	}
	for _, rec := range recs {
		if !rec.ReadOnly || p.kept[rec.ServerID] {
			continue
		}
		e, err := changed(entry(p.r, "server.delete", serverTarget(rec)), shown(rec), nil)
		if err != nil {
			return err
		}
		p.batch.Delete, p.batch.Audit = append(p.batch.Delete, directory.Deletion{ID: rec.ServerID, Expect: rec.Version}), append(p.batch.Audit, e)
		p.changes = append(p.changes, importChange{Kind: "server", Action: "delete", Name: rec.ServerName, Slug: rec.Slug, ServerID: rec.ServerID})
	}
	return p.api.eachKey(ctx, func(k *access.Key) error {
		if !k.ReadOnly || p.kept[k.ID] {
			return nil
		}
		e, err := changed(entry(p.r, "key.revoke", keyTarget(k)), shownKey(k, nil), nil)
		p.batch.DeleteKeys, p.batch.Audit = append(p.batch.DeleteKeys, directory.Deletion{ID: k.ID, Expect: k.Version}), append(p.batch.Audit, e)
		p.changes = append(p.changes, importChange{Kind: "key", Action: "delete", Name: k.Name})
		return err
	})
}

func (p *importPlan) apply(ctx context.Context) error {
	if len(p.batch.Servers)+len(p.batch.Delete)+len(p.batch.Keys)+len(p.batch.DeleteKeys) == 0 {
		return nil
	}
	e, err := detailed(entry(p.r, "import.apply", audit.Target{Type: "import", Name: string(p.file.Format)}), map[string]int{
		"servers": len(p.batch.Servers), "deleted": len(p.batch.Delete), "keys": len(p.batch.Keys), "revoked": len(p.batch.DeleteKeys),
	})
	if err != nil {
		return err
	}
	p.batch.Audit = append(p.batch.Audit, e)
	written, err := p.api.Directory.Write(ctx, p.batch)
	if err != nil {
		return err
	}
	for _, c := range written.Changes {
		if c.After == nil {
			p.api.forget(ctx, c.Before, written.Seq)
		} else {
			p.api.Source.Edited(c.Before, c.After, written.Seq)
		}
	}
	for i, k := range written.KeysAfter {
		p.api.Keys.Edited(written.KeysBefore[i], k, written.Seq)
	}
	return nil
}
