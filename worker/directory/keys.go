package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

// Storage keys of access keys.
const (
	keyKey      = "key/"      // + id: the stored key
	keyKeyHash  = "keyhash/"  // + SHA-256 of a secret, hexadecimal: the id
	keyLastUsed = "lastused/" // + id: time of the last use, RFC 3339
)

// maxKey is the largest stored key, in bytes.
const maxKey = 128 << 10

// KeyQuery selects a page of keys.
type KeyQuery struct {
	Text, ServerID string
	Groups         []string // with ServerID: the groups of that server
	Role           access.Role
	Sort           string // name, created_at; "-" before it: descending
	Limit          int
	Cursor         string
}

// KeyPage is a page of keys.
type KeyPage struct {
	Keys     []*access.Key
	LastUsed []*time.Time // of each key; nil: never
	Next     string
	Total    int
}

// KeyWrite is one key of a transaction; Expect as in ServerWrite.
type KeyWrite struct {
	Key    *access.Key
	Expect int64
}

// KeysWritten is the outcome of a transaction on keys. Before is nil for a new
// key, After for a revoked one.
type KeysWritten struct {
	Seq           int64
	Before, After []*access.Key
}

type (
	keyRefIn struct{ ID, Hash string }
	keyOut   struct {
		Key      *access.Key
		LastUsed *time.Time
	}
)

// FindKey answers the key with this hash, or access.ErrNoKey.
func (c *Client) FindKey(ctx context.Context, hash string) (*access.Key, error) {
	out, err := c.findKey(ctx, keyRefIn{Hash: hash})
	return out.Key, err
}

// GetKey answers the key with this id and its last use, or access.ErrNoKey.
func (c *Client) GetKey(ctx context.Context, id string) (*access.Key, *time.Time, error) {
	out, err := c.findKey(ctx, keyRefIn{ID: id})
	return out.Key, out.LastUsed, err
}

func (c *Client) findKey(ctx context.Context, in keyRefIn) (keyOut, error) {
	out, err := call[keyOut](ctx, c, "key.find", true, in)
	if err != nil && problem.From(err).Code == "key_not_found" {
		err = access.ErrNoKey
	}
	return out, err
}

// ListKeys answers a page of keys.
func (c *Client) ListKeys(ctx context.Context, q KeyQuery) (KeyPage, error) {
	return call[KeyPage](ctx, c, "key.list", true, q)
}

// WriteKeys creates and changes keys in one transaction.
func (c *Client) WriteKeys(ctx context.Context, writes []KeyWrite, entries ...audit.Entry) (KeysWritten, error) {
	w, err := c.Write(ctx, Batch{Keys: writes, Audit: entries})
	return KeysWritten{w.Seq, w.KeysBefore, w.KeysAfter}, err
}

// DeleteKey revokes a key; expect is its version, 0 for any. It refuses to take
// away the last admin key while the bootstrap key is disabled.
func (c *Client) DeleteKey(ctx context.Context, id string, expect int64, entries ...audit.Entry) (KeysWritten, error) {
	w, err := c.Write(ctx, Batch{DeleteKeys: []Deletion{{id, expect}}, Audit: entries})
	return KeysWritten{w.Seq, w.KeysBefore, w.KeysAfter}, err
}

func keyNotFound() *problem.Problem {
	return problem.New(http.StatusNotFound, "key_not_found", "There is no such access key.")
}

func (o *Object) findKey(ctx context.Context, st platform.Storage, in keyRefIn) (keyOut, error) {
	id := in.ID
	if in.Hash != "" {
		b, err := get(ctx, st, keyKeyHash+in.Hash)
		if err != nil {
			return keyOut{}, err
		}
		id = string(b)
	}
	if id == "" {
		return keyOut{}, keyNotFound()
	}
	k, err := readKey(ctx, st.Get, id)
	if err != nil {
		return keyOut{}, err
	}
	if k == nil {
		return keyOut{}, keyNotFound()
	}
	used, err := lastUsed(ctx, st, id)
	return keyOut{k, used}, err
}

func readKey(ctx context.Context, read func(context.Context, string) ([]byte, error), id string) (*access.Key, error) {
	b, err := read(ctx, keyKey+id)
	if err != nil {
		if b == nil && isNotFound(err) {
			return nil, nil
		}
		return nil, storageProblem(err)
	}
	if b == nil {
		return nil, nil
	}
	k := &access.Key{}
	if err := json.Unmarshal(b, k); err != nil {
		return nil, fmt.Errorf("directory: key %s: %w", id, err)
	}
	return k, nil
}

func lastUsed(ctx context.Context, st platform.Storage, id string) (*time.Time, error) {
	b, err := get(ctx, st, keyLastUsed+id)
	if err != nil || b == nil {
		return nil, err
	}
	t, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return nil, nil // a damaged note of a last use hides nothing that matters
	}
	return &t, nil
}

func (o *Object) listKeys(ctx context.Context, st platform.Storage, q KeyQuery) (KeyPage, error) {
	ids, next, total, err := o.index.page(ctx, st, &o.index.keys, q.Sort, q.Cursor, q.Limit, q.matcher())
	page := KeyPage{Total: total, Next: next, Keys: []*access.Key{}, LastUsed: []*time.Time{}}
	if err != nil {
		return page, err
	}
	for _, id := range ids {
		k, err := readKey(ctx, st.Get, id)
		if err != nil {
			return page, err
		}
		if k == nil {
			continue // revoked meanwhile
		}
		used, err := lastUsed(ctx, st, id)
		if err != nil {
			return page, err
		}
		page.Keys, page.LastUsed = append(page.Keys, k), append(page.LastUsed, used)
	}
	return page, nil
}

func (t *transaction) writeKey(ctx context.Context, seq int64, k *access.Key, expect int64) (*access.Key, error) {
	old, err := readKey(ctx, t.get, k.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case old == nil && expect != 0:
		return nil, keyNotFound()
	case old != nil && old.Version != expect:
		return nil, conflict(old.Version)
	}
	if old != nil {
		for _, h := range old.Hashes() {
			t.delete(keyKeyHash + h)
		}
	}
	for _, h := range k.Hashes() {
		owner, err := t.get(ctx, keyKeyHash+h)
		if err != nil {
			return nil, err
		}
		if owner != nil && string(owner) != k.ID {
			return nil, conflict(0) // somebody else has imported the same key meanwhile
		}
		t.put(keyKeyHash+h, []byte(k.ID))
	}
	k.Version = seq
	b, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	if len(b) > maxKey {
		return nil, problem.New(http.StatusRequestEntityTooLarge, "record_too_large", fmt.Sprintf("The key %q is larger than %d bytes.", k.Name, maxKey))
	}
	t.put(keyKey+k.ID, b)
	return old, t.announceKey(ctx, seq, k.ID, old)
}

// deleteKey answers the key that was revoked; expect is its version, 0 for any.
func (t *transaction) deleteKey(ctx context.Context, seq int64, id string, expect int64) (*access.Key, error) {
	old, err := readKey(ctx, t.get, id)
	if err != nil {
		return nil, err
	}
	if old == nil {
		return nil, keyNotFound()
	}
	if expect != 0 && expect != old.Version {
		return nil, conflict(old.Version)
	}
	t.delete(keyKey + id)
	t.delete(keyLastUsed + id)
	for _, h := range old.Hashes() {
		t.delete(keyKeyHash + h)
	}
	return old, t.announceKey(ctx, seq, id, old)
}

// keepOneAdmin refuses to take the last admin key away while the bootstrap key is
// disabled: nobody could administer the gateway any more.
func (o *Object) keepOneAdmin(ctx context.Context, t *transaction, before, after []*access.Key) error {
	now := time.Now()
	admin := func(k *access.Key) bool { return k != nil && k.Role == access.RoleAdmin && k.Status(now) == "active" }
	if !slices.ContainsFunc(before, admin) || slices.ContainsFunc(after, admin) {
		return nil
	}
	s, err := t.settings(ctx)
	if err != nil || !s.BootstrapKeyDisabled {
		return err
	}
	others, err := o.otherAdmins(ctx, t.st, before, now)
	if err != nil || others > 0 {
		return err
	}
	return problem.New(http.StatusConflict, "last_admin", "This is the last active admin key and the bootstrap key is disabled: enable that, or make another admin key first.")
}

// otherAdmins counts the active admin keys, except these.
func (o *Object) otherAdmins(ctx context.Context, st platform.Storage, except []*access.Key, now time.Time) (n int, err error) {
	err = o.index.each(ctx, st, &o.index.keys, func(k *summary) {
		if k.role == access.RoleAdmin && !k.disabled && (k.expires == nil || now.Before(*k.expires)) &&
			!slices.ContainsFunc(except, func(e *access.Key) bool { return e != nil && e.ID == k.ID }) {
			n++
		}
	})
	return n, err
}

// dropGrants takes a deleted server out of every key that names it. An id is
// never used again, so until then a grant of it grants nothing.
func (o *Object) dropGrants(ctx context.Context, st platform.Storage, serverID string) error {
	var ids []string
	err := o.index.each(ctx, st, &o.index.keys, func(k *summary) {
		if slices.Contains(k.servers, serverID) || slices.Contains(k.restricted, serverID) {
			ids = append(ids, k.ID)
		}
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		_, err := o.mutate(ctx, st, func(t *transaction, seq int64, ch *change) error {
			k, err := readKey(ctx, t.get, id)
			if err != nil {
				return err
			}
			if k == nil {
				return errNothing
			}
			_, restricted := k.Tools[serverID]
			if !restricted && !slices.Contains(k.Servers, serverID) {
				return errNothing
			}
			k.Servers = slices.DeleteFunc(k.Servers, func(id string) bool { return id == serverID })
			delete(k.Tools, serverID)
			ch.keysWritten = []*access.Key{k}
			_, err = t.writeKey(ctx, seq, k, k.Version)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
