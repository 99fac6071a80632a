package directory

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
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
	keysIn struct {
		Keys   []*access.Key
		Expect []int64
		Audit  []audit.Entry
	}
	keyDeleteIn struct {
		ID     string
		Expect int64
		Audit  []audit.Entry
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
	in := keysIn{Audit: entries}
	for _, w := range writes {
		in.Keys, in.Expect = append(in.Keys, w.Key), append(in.Expect, w.Expect)
	}
	return call[KeysWritten](ctx, c, "key.write", false, in)
}

// DeleteKey revokes a key; expect is its version, 0 for any. It refuses to take
// away the last admin key while the bootstrap key is disabled.
func (c *Client) DeleteKey(ctx context.Context, id string, expect int64, entries ...audit.Entry) (KeysWritten, error) {
	return call[KeysWritten](ctx, c, "key.delete", false, keyDeleteIn{id, expect, entries})
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

type keySummary struct {
	ID, Name, Owner, Prefix string
	Role                    access.Role
	AllServers              bool
	Servers, Groups         []string
	Created                 time.Time
	usableUntil             *time.Time
	disabled                bool
	restricted              []string // servers with a tool list of their own
}

func summariseKey(k *access.Key) *keySummary {
	return &keySummary{k.ID, k.Name, k.Owner, k.Prefix, k.Role, k.AllServers, k.Servers, k.Groups, k.CreatedAt, k.ExpiresAt, k.Disabled, slices.Collect(maps.Keys(k.Tools))}
}

func (c *catalog) listKeys(ctx context.Context, st platform.Storage) ([]*keySummary, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys.list(ctx, st, keyKey, func(value []byte) (string, *keySummary, error) {
		k := &access.Key{}
		err := json.Unmarshal(value, k)
		return k.ID, summariseKey(k), err
	})
}

func (k *keySummary) matches(q KeyQuery) bool {
	if q.Role != "" && k.Role != q.Role {
		return false
	}
	if q.ServerID != "" && !k.AllServers && k.Role != access.RoleAdmin && !slices.Contains(k.Servers, q.ServerID) &&
		!slices.ContainsFunc(k.Groups, func(g string) bool { return slices.Contains(q.Groups, g) }) {
		return false
	}
	if q.Text == "" {
		return true
	}
	text := strings.ToLower(q.Text)
	for _, f := range [...]string{k.Name, k.Owner, k.ID, k.Prefix} {
		if strings.Contains(strings.ToLower(f), text) {
			return true
		}
	}
	return false
}

func compareKeys(sort string) func(a, b *keySummary) int {
	sign := 1
	if strings.HasPrefix(sort, "-") {
		sign = -1
	}
	switch strings.TrimPrefix(sort, "-") {
	case "name":
		return func(a, b *keySummary) int {
			if n := strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)); n != 0 {
				return sign * n
			}
			return strings.Compare(a.ID, b.ID)
		}
	case "created_at":
		return func(a, b *keySummary) int {
			if n := a.Created.Compare(b.Created); n != 0 {
				return sign * n
			}
			return strings.Compare(a.ID, b.ID)
		}
	}
	return nil
}

func (o *Object) listKeys(ctx context.Context, st platform.Storage, q KeyQuery) (KeyPage, error) {
	order := compareKeys(q.Sort)
	if order == nil || q.Limit < 1 || q.Limit > MaxPage {
		return KeyPage{}, problem.New(http.StatusBadRequest, "invalid_query", "The list's sort or limit is not valid.")
	}
	all, err := o.catalog.listKeys(ctx, st)
	if err != nil {
		return KeyPage{}, err
	}
	all = slices.DeleteFunc(all, func(k *keySummary) bool { return !k.matches(q) })
	slices.SortFunc(all, order)
	page := KeyPage{Total: len(all), Keys: []*access.Key{}, LastUsed: []*time.Time{}}
	if q.Cursor != "" {
		last := &keySummary{}
		b, err := base64.RawURLEncoding.DecodeString(q.Cursor)
		if err != nil || json.Unmarshal(b, last) != nil {
			return KeyPage{}, problem.New(http.StatusBadRequest, "invalid_cursor", "The cursor is not one that a list answered.")
		}
		i, found := slices.BinarySearchFunc(all, last, order)
		if found {
			i++
		}
		all = all[i:]
	}
	for i, s := range all {
		if i == q.Limit {
			b, err := json.Marshal(keySummary{ID: all[i-1].ID, Name: all[i-1].Name, Created: all[i-1].Created})
			if err != nil {
				return KeyPage{}, err
			}
			page.Next = base64.RawURLEncoding.EncodeToString(b)
			break
		}
		k, err := readKey(ctx, st.Get, s.ID)
		if err != nil {
			return KeyPage{}, err
		}
		if k == nil {
			continue // revoked meanwhile
		}
		used, err := lastUsed(ctx, st, s.ID)
		if err != nil {
			return KeyPage{}, err
		}
		page.Keys, page.LastUsed = append(page.Keys, k), append(page.LastUsed, used)
	}
	return page, nil
}

func (o *Object) writeKeys(ctx context.Context, st platform.Storage, in keysIn) (KeysWritten, error) {
	if len(in.Keys) == 0 || len(in.Keys) > MaxWrites || len(in.Keys) != len(in.Expect) {
		return KeysWritten{}, problem.New(http.StatusBadRequest, "too_many_writes", fmt.Sprintf("One transaction writes 1 to %d keys.", MaxWrites))
	}
	var out KeysWritten
	seq, err := o.mutate(ctx, st, func(t *transaction, seq int64) error {
		out = KeysWritten{Seq: seq}
		for i, k := range in.Keys {
			old, err := t.writeKey(ctx, seq, k, in.Expect[i])
			if err != nil {
				return err
			}
			out.Before, out.After = append(out.Before, old), append(out.After, k)
			if err := o.keepOneAdmin(ctx, t, old, k); err != nil {
				return err
			}
		}
		return t.audit(ctx, in.Audit)
	})
	if err != nil {
		return KeysWritten{}, err
	}
	o.catalog.applied(seq, change{keysWritten: in.Keys})
	o.publishNow(ctx, st)
	return out, nil
}

func (o *Object) deleteKey(ctx context.Context, st platform.Storage, in keyDeleteIn) (KeysWritten, error) {
	var out KeysWritten
	seq, err := o.mutate(ctx, st, func(t *transaction, seq int64) error {
		old, err := readKey(ctx, t.get, in.ID)
		if err != nil {
			return err
		}
		if old == nil {
			return keyNotFound()
		}
		if in.Expect != 0 && in.Expect != old.Version {
			return conflict(old.Version)
		}
		out = KeysWritten{seq, []*access.Key{old}, []*access.Key{nil}}
		if err := o.keepOneAdmin(ctx, t, old, nil); err != nil {
			return err
		}
		t.delete(keyKey + in.ID)
		t.delete(keyLastUsed + in.ID)
		for _, h := range old.Hashes() {
			t.delete(keyKeyHash + h)
		}
		if err := t.announceKey(ctx, seq, in.ID, old); err != nil {
			return err
		}
		return t.audit(ctx, in.Audit)
	})
	if err != nil {
		return KeysWritten{}, err
	}
	o.catalog.applied(seq, change{keysDeleted: []string{in.ID}})
	o.publishNow(ctx, st)
	return out, nil
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

// keepOneAdmin refuses to take the last admin key away while the bootstrap key is
// disabled: nobody could administer the gateway any more.
func (o *Object) keepOneAdmin(ctx context.Context, t *transaction, old, next *access.Key) error {
	now := time.Now()
	admin := func(k *access.Key) bool { return k != nil && k.Role == access.RoleAdmin && k.Status(now) == "active" }
	if !admin(old) || admin(next) {
		return nil
	}
	s, err := t.settings(ctx)
	if err != nil || !s.BootstrapKeyDisabled {
		return err
	}
	others, err := o.otherAdmins(ctx, t.st, old.ID, now)
	if err != nil || others > 0 {
		return err
	}
	return problem.New(http.StatusConflict, "last_admin", "This is the last active admin key and the bootstrap key is disabled: enable that, or make another admin key first.")
}

// otherAdmins counts the active admin keys that do not expire, except one.
func (o *Object) otherAdmins(ctx context.Context, st platform.Storage, except string, now time.Time) (int, error) {
	all, err := o.catalog.listKeys(ctx, st)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, k := range all {
		if k.ID != except && k.Role == access.RoleAdmin && !k.disabled && (k.usableUntil == nil || now.Before(*k.usableUntil)) {
			n++
		}
	}
	return n, nil
}

// dropGrants takes a deleted server out of every key that names it. An id is
// never used again, so until then a grant of it grants nothing.
func (o *Object) dropGrants(ctx context.Context, st platform.Storage, serverID string) error {
	all, err := o.catalog.listKeys(ctx, st)
	if err != nil {
		return err
	}
	for _, s := range all {
		if !slices.Contains(s.Servers, serverID) && !slices.Contains(s.restricted, serverID) {
			continue
		}
		var written []*access.Key
		seq, err := o.mutate(ctx, st, func(t *transaction, seq int64) error {
			written = nil
			k, err := readKey(ctx, t.get, s.ID)
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
			written = []*access.Key{k}
			_, err = t.writeKey(ctx, seq, k, k.Version)
			return err
		})
		if err != nil {
			return err
		}
		if written != nil {
			o.catalog.applied(seq, change{keysWritten: written})
		}
	}
	return nil
}
