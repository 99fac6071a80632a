package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// Storage keys of servers.
const (
	keyServer = "server/" // + server_id: the stored record
	keyRef    = "ref/"    // + folded reference: the server_id that owns it

	keyEmptyPrefix = "empty-prefix" // the server_id that has empty_prefix
)

// Limits of the Directory.
const (
	// MaxRecord is the largest stored server record, in bytes.
	MaxRecord = 128 << 10
	// MaxWrites is how many servers and keys one transaction may write.
	MaxWrites = 300
	// MaxPage is the longest page of a list.
	MaxPage = 200
)

// ServerWrite is one server of a transaction.
type ServerWrite struct {
	Record *registry.Record
	// Expect is the version that the stored record must have; 0: there must be none.
	Expect int64
}

// ServerChange is what a transaction did to one server; Before is nil for a new
// one, After for a deleted one.
type ServerChange struct {
	Before, After *registry.Record
}

// Written is the outcome of a transaction on servers.
type Written struct {
	Seq                   int64
	Changes               []ServerChange
	KeysBefore, KeysAfter []*access.Key // of Batch.Keys; Before is nil for a new key
}

// ServerQuery selects a page of servers.
type ServerQuery struct {
	Text, AuthType, Flow, Group string
	Disabled                    *bool
	Sort                        string // slug, server_name, created_at, updated_at; "-" before it: descending
	Limit                       int    // 1 … MaxPage
	Cursor                      string // Next of the page before
}

// ServerPage is a page of servers.
type ServerPage struct {
	Records []*registry.Record
	Next    string // "" after the last page
	Total   int    // servers that match, on all pages
}

type (
	serverRef     struct{ Ref string }
	serverDoc     struct{ Doc json.RawMessage }
	serversAll    struct{ After string }
	serversAllOut struct {
		Docs []json.RawMessage
		Seq  int64
		Next string
	}
	serverPageOut struct {
		Docs  []json.RawMessage
		Next  string
		Total int
	}
	writeIn struct {
		Docs               []json.RawMessage
		Expect             []int64
		Delete, DeleteKeys []Deletion
		Keys               []KeyWrite
		Audit              []audit.Entry
	}
	changesOut struct {
		Seq                   int64
		Before, After         []json.RawMessage
		KeysBefore, KeysAfter []*access.Key
	}
)

// FindServer answers the record with this server_id, slug, server_name or alias,
// or registry.ErrNotFound.
func (c *Client) FindServer(ctx context.Context, ref string) (*registry.Record, error) {
	out, err := call[serverDoc](ctx, c, "server.find", true, serverRef{registry.Fold(ref)})
	if err != nil {
		if p := problem.From(err); p.Code == "server_not_found" {
			return nil, registry.ErrNotFound
		}
		return nil, err
	}
	return registry.Decode(out.Doc)
}

// AllServers answers every record, in no particular order, and the sequence number.
func (c *Client) AllServers(ctx context.Context) ([]*registry.Record, int64, error) {
	var recs []*registry.Record
	var seq int64
	for after := ""; ; {
		out, err := call[serversAllOut](ctx, c, "server.all", true, serversAll{after})
		if err != nil {
			return nil, 0, err
		}
		if after == "" {
			seq = out.Seq
		}
		for _, d := range out.Docs {
			r, err := registry.Decode(d)
			if err != nil {
				return nil, 0, unavailable().Because(err)
			}
			recs = append(recs, r)
		}
		if out.Next == "" {
			return recs, seq, nil
		}
		after = out.Next
	}
}

// ListServers answers a page of servers.
func (c *Client) ListServers(ctx context.Context, q ServerQuery) (ServerPage, error) {
	out, err := call[serverPageOut](ctx, c, "server.list", true, q)
	if err != nil {
		return ServerPage{}, err
	}
	page := ServerPage{Next: out.Next, Total: out.Total}
	for _, d := range out.Docs {
		r, err := registry.Decode(d)
		if err != nil {
			return ServerPage{}, unavailable().Because(err)
		}
		page.Records = append(page.Records, r)
	}
	return page, nil
}

// WriteServers creates and changes servers in one transaction, together with
// their entries in the audit log: all or none. Version of each written record becomes
// the transaction's sequence number.
func (c *Client) WriteServers(ctx context.Context, writes []ServerWrite, entries ...audit.Entry) (Written, error) {
	return c.Write(ctx, Batch{Servers: writes, Audit: entries})
}

// Batch is one transaction on servers and keys, at most MaxWrites together.
type Batch struct {
	Servers    []ServerWrite
	Delete     []Deletion
	Keys       []KeyWrite
	DeleteKeys []Deletion
	Audit      []audit.Entry
}

// Deletion takes a server or key away; Expect is the version that it must have, 0 for any.
type Deletion struct {
	ID     string
	Expect int64
}

// Write carries out a batch: all or nothing. Changes of Written are first those of
// Servers, then those of Delete; so with the keys.
func (c *Client) Write(ctx context.Context, b Batch) (Written, error) {
	in := writeIn{Audit: b.Audit, Keys: b.Keys, Delete: b.Delete, DeleteKeys: b.DeleteKeys}
	for _, w := range b.Servers {
		b, err := registry.Encode(w.Record)
		if err != nil {
			return Written{}, err
		}
		in.Docs, in.Expect = append(in.Docs, b), append(in.Expect, w.Expect)
	}
	out, err := call[changesOut](ctx, c, "write", false, in)
	if err != nil {
		return Written{}, err
	}
	w := Written{Seq: out.Seq, Changes: make([]ServerChange, len(out.Before)), KeysBefore: out.KeysBefore, KeysAfter: out.KeysAfter}
	for i := range out.Before {
		if w.Changes[i].Before, err = decodeMaybe(out.Before[i]); err != nil {
			return Written{}, err
		}
		if w.Changes[i].After, err = decodeMaybe(out.After[i]); err != nil {
			return Written{}, err
		}
	}
	return w, nil
}

// DeleteServers deletes servers in one transaction.
func (c *Client) DeleteServers(ctx context.Context, servers []Deletion, entries ...audit.Entry) (Written, error) {
	return c.Write(ctx, Batch{Delete: servers, Audit: entries})
}

func decodeMaybe(b []byte) (*registry.Record, error) {
	if len(b) == 0 || string(b) == "null" {
		return nil, nil
	}
	return registry.Decode(b)
}

func (o *Object) findServer(ctx context.Context, st platform.Storage, in serverRef) (serverDoc, error) {
	id, err := get(ctx, st, keyRef+in.Ref)
	if err != nil {
		return serverDoc{}, err
	}
	if id != nil {
		doc, err := get(ctx, st, keyServer+string(id))
		if err != nil || doc != nil {
			return serverDoc{doc}, err
		}
	}
	return serverDoc{}, notFound(in.Ref)
}

func notFound(ref string) *problem.Problem {
	return problem.New(http.StatusNotFound, "server_not_found", fmt.Sprintf("There is no server %q.", ref))
}

func (o *Object) allServers(ctx context.Context, st platform.Storage, in serversAll) (serversAllOut, error) {
	const page = 200
	seq, err := readSeq(ctx, st)
	if err != nil {
		return serversAllOut{}, err
	}
	out := serversAllOut{Seq: seq, Docs: []json.RawMessage{}}
	start := ""
	if in.After != "" {
		start = after(keyServer + in.After)
	}
	entries, err := st.List(ctx, platform.ListOptions{Prefix: keyServer, Start: start, Limit: page})
	if err != nil {
		return serversAllOut{}, storageProblem(err)
	}
	for _, e := range entries {
		out.Docs = append(out.Docs, e.Value)
	}
	if len(entries) == page {
		out.Next = strings.TrimPrefix(entries[page-1].Key, keyServer)
	}
	return out, nil
}

func (o *Object) listServers(ctx context.Context, st platform.Storage, q ServerQuery) (serverPageOut, error) {
	ids, next, total, err := o.index.page(ctx, st, &o.index.servers, q.Sort, q.Cursor, q.Limit, q.matcher())
	out := serverPageOut{Total: total, Next: next, Docs: []json.RawMessage{}}
	if err != nil {
		return out, err
	}
	for _, id := range ids {
		doc, err := get(ctx, st, keyServer+id)
		if err != nil {
			return out, err
		}
		if doc != nil { // else deleted meanwhile
			out.Docs = append(out.Docs, doc)
		}
	}
	return out, nil
}

// write carries out a batch.
func (o *Object) write(ctx context.Context, st platform.Storage, in writeIn) (changesOut, error) {
	if n := len(in.Docs) + len(in.Delete) + len(in.Keys) + len(in.DeleteKeys); n == 0 || n > MaxWrites || len(in.Docs) != len(in.Expect) {
		return changesOut{}, problem.New(http.StatusRequestEntityTooLarge, "too_many_writes", fmt.Sprintf("One transaction writes 1 to %d servers and keys.", MaxWrites))
	}
	var out changesOut
	err := o.alter(ctx, st, in.Audit, func(t *transaction, seq int64, ch *change) error {
		out = changesOut{Seq: seq}
		// What goes is taken away first, so that its names are free for what comes.
		var gone []json.RawMessage
		for _, d := range in.Delete {
			before, err := t.deleteServer(ctx, seq, d.ID, d.Expect)
			if err != nil {
				return err
			}
			gone, ch.deleted = append(gone, before), append(ch.deleted, d.ID)
		}
		for i, doc := range in.Docs {
			rec, err := registry.Decode(doc)
			if err != nil {
				return problem.New(http.StatusBadRequest, "invalid_record", "The record is not readable.").Because(err)
			}
			before, after, err := t.writeServer(ctx, seq, rec, in.Expect[i])
			if err != nil {
				return err
			}
			out.Before, out.After = append(out.Before, before), append(out.After, after)
			ch.written = append(ch.written, rec)
		}
		for _, before := range gone {
			out.Before, out.After = append(out.Before, before), append(out.After, nil)
		}
		for _, w := range in.Keys {
			old, err := t.writeKey(ctx, seq, w.Key, w.Expect)
			if err != nil {
				return err
			}
			out.KeysBefore, out.KeysAfter = append(out.KeysBefore, old), append(out.KeysAfter, w.Key)
			ch.keysWritten = append(ch.keysWritten, w.Key)
		}
		for _, d := range in.DeleteKeys {
			old, err := t.deleteKey(ctx, seq, d.ID, d.Expect)
			if err != nil {
				return err
			}
			out.KeysBefore, out.KeysAfter = append(out.KeysBefore, old), append(out.KeysAfter, nil)
			ch.keysDeleted = append(ch.keysDeleted, d.ID)
		}
		return o.keepOneAdmin(ctx, t, out.KeysBefore, out.KeysAfter)
	})
	return out, err
}

// writeServer answers the stored form before (nil: it is new) and after.
func (t *transaction) writeServer(ctx context.Context, seq int64, rec *registry.Record, expect int64) (before, after []byte, err error) {
	before, err = t.get(ctx, keyServer+rec.ServerID)
	if err != nil {
		return nil, nil, err
	}
	var old *registry.Record
	if before != nil {
		if old, err = registry.Decode(before); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case old == nil && expect != 0:
		return nil, nil, notFound(rec.ServerID)
	case old != nil && old.Version != expect:
		return nil, nil, conflict(old.Version)
	}
	if old != nil {
		if err := t.release(ctx, old); err != nil {
			return nil, nil, err
		}
	}
	for _, ref := range rec.Refs() {
		owner, err := t.get(ctx, keyRef+ref)
		if err != nil {
			return nil, nil, err
		}
		if owner != nil && string(owner) != rec.ServerID {
			return nil, nil, duplicate(rec, ref)
		}
		t.put(keyRef+ref, []byte(rec.ServerID))
	}
	if err := t.claimEmptyPrefix(ctx, old, rec); err != nil {
		return nil, nil, err
	}
	rec.Version = seq
	if after, err = registry.Encode(rec); err != nil {
		return nil, nil, err
	}
	if len(after) > MaxRecord {
		return nil, nil, problem.New(http.StatusRequestEntityTooLarge, "record_too_large", fmt.Sprintf("The record of %q is larger than %d bytes.", rec.ServerName, MaxRecord))
	}
	t.put(keyServer+rec.ServerID, after)
	return before, after, t.announceServer(ctx, seq, rec.ServerID, old)
}

// release gives the references of a record up, as far as they are still its own.
func (t *transaction) release(ctx context.Context, old *registry.Record) error {
	for _, ref := range old.Refs() {
		owner, err := t.get(ctx, keyRef+ref)
		if err != nil {
			return err
		}
		if string(owner) == old.ServerID {
			t.delete(keyRef + ref)
		}
	}
	return nil
}

// claimEmptyPrefix sees to it that at most one server has no prefix before its
// tools' names in the aggregate.
func (t *transaction) claimEmptyPrefix(ctx context.Context, old, rec *registry.Record) error {
	if !rec.EmptyPrefix {
		if old != nil && old.EmptyPrefix {
			t.delete(keyEmptyPrefix)
		}
		return nil
	}
	owner, err := t.get(ctx, keyEmptyPrefix)
	if err != nil {
		return err
	}
	if owner != nil && string(owner) != rec.ServerID {
		p := problem.New(http.StatusConflict, "duplicate_empty_prefix", "Another server already has empty_prefix.")
		p.Fields = []problem.Field{{Path: "empty_prefix", Code: "duplicate", Message: "At most one server may have it."}}
		return p
	}
	t.put(keyEmptyPrefix, []byte(rec.ServerID))
	return nil
}

func (t *transaction) deleteServer(ctx context.Context, seq int64, id string, expect int64) ([]byte, error) {
	before, err := t.get(ctx, keyServer+id)
	if err != nil {
		return nil, err
	}
	if before == nil {
		return nil, notFound(id)
	}
	old, err := registry.Decode(before)
	if err != nil {
		return nil, err
	}
	if expect != 0 && old.Version != expect {
		return nil, conflict(old.Version)
	}
	if err := t.release(ctx, old); err != nil {
		return nil, err
	}
	if old.EmptyPrefix {
		t.delete(keyEmptyPrefix)
	}
	t.delete(keyServer + id)
	t.put(keyOutboxGrants+id, formatSeq(seq))
	return before, t.announceServer(ctx, seq, id, old)
}

func conflict(current int64) *problem.Problem {
	p := problem.New(http.StatusPreconditionFailed, "version_conflict", "Somebody else changed it meanwhile; read it again and repeat your change.")
	p.Header = http.Header{"Etag": {ETag(current)}}
	return p
}

// ETag is the entity tag of a version (RFC 9110 §8.8.3).
func ETag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

func duplicate(rec *registry.Record, ref string) *problem.Problem {
	p := problem.New(http.StatusConflict, "duplicate_name", "Another server has this slug, name or alias.")
	path := "server_id"
	switch ref {
	case registry.Fold(rec.Slug):
		p.Code, path = "duplicate_slug", "slug"
	case registry.Fold(rec.ServerName):
		path = "server_name"
	case registry.Fold(rec.Alias):
		path = "alias"
	}
	p.Fields = []problem.Field{{Path: path, Code: "duplicate", Message: fmt.Sprintf("%q is taken.", ref)}}
	return p
}
