package directory

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
)

// Publishing brings KV CONFIG into line with the storage. Each transaction
// leaves notes under outbox/; the publisher writes what the storage holds now, which
// makes it safe to run twice, and then removes the notes, each only if it is still
// the one it has read.
const (
	keyOutboxBootstrap = "outbox/bootstrap"
	keyOutboxCatalog   = "outbox/catalog" // + "/" + server_id: note that its part of the catalogue is old; alone: every part is
	keyOutboxGrants    = "outbox/grants/" // + server_id of a deleted server
	keyOutboxKey       = "outbox/key/"    // + id: note with the hashes to take back
	keyOutboxServer    = "outbox/server/" // + server_id: note with the references to take back
)

// publishWithin is how long a change waits for its own publication before it is
// answered; the rest then happens in the background.
const publishWithin = 3 * time.Second

// publishRetry is the pause before a failed publication is tried again by the
// same instance; later ones are the cron trigger's.
const publishRetry = 1500 * time.Millisecond

type note struct {
	Seq  int64    `json:"seq"`
	Refs []string `json:"refs,omitempty"` // references, or hashes, that may be in KV and need not be valid any more
}

// announce leaves a note under key that takes over the references of a note that
// is still there.
func (t *transaction) announce(ctx context.Context, seq int64, key string, refs []string) error {
	n := note{Seq: seq}
	pending, err := t.get(ctx, key)
	if err != nil {
		return err
	}
	if pending != nil {
		var earlier note
		if json.Unmarshal(pending, &earlier) == nil {
			n.Refs = earlier.Refs
		}
	}
	for _, ref := range refs {
		if !slices.Contains(n.Refs, ref) {
			n.Refs = append(n.Refs, ref)
		}
	}
	return t.putJSON(key, n)
}

// announceKey leaves the note that this key must be published.
func (t *transaction) announceKey(ctx context.Context, seq int64, id string, old *access.Key) error {
	var hashes []string
	if old != nil {
		hashes = old.Hashes()
	}
	return t.announce(ctx, seq, keyOutboxKey+id, hashes)
}

// announceServer leaves the note that this server must be published.
func (t *transaction) announceServer(ctx context.Context, seq int64, id string, old *registry.Record) error {
	var refs []string
	if old != nil {
		refs = old.Refs()
	}
	if err := t.announce(ctx, seq, keyOutboxServer+id, refs); err != nil {
		return err
	}
	return t.putJSON(keyOutboxCatalog+"/"+id, note{Seq: seq})
}

// turn is had by one at a time; who waits for it waits no longer than its context.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) leave() { <-t }

type publishing struct {
	records turn // one publisher of records at a time: a slow one must not overwrite a newer copy
	catalog turn // and one of the catalogue

	mu      sync.Mutex
	running bool
	again   bool
}

// publishNow publishes what was just changed before the change is answered, as far
// as that does not take long, and starts the rest in the background.
func (o *Object) publishNow(ctx context.Context, st platform.Storage) {
	own, cancel := context.WithTimeout(ctx, publishWithin)
	err := o.publishRecords(own, st)
	cancel()
	if err != nil {
		o.log.WarnContext(ctx, "publishing to CONFIG is late", slog.String("error", err.Error()))
	}
	o.startPublishing(ctx, st)
}

// startPublishing publishes in the background everything that the outbox names. A
// run under way takes along what comes meanwhile.
func (o *Object) startPublishing(ctx context.Context, st platform.Storage) {
	p := &o.publishing
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running {
		p.again = true
		return
	}
	p.running = true
	o.platform.Background(ctx, func(ctx context.Context) {
		for {
			err := o.drain(ctx, st)
			if err != nil {
				o.log.WarnContext(ctx, "publishing to CONFIG failed; it will be tried again", slog.String("error", err.Error()))
				time.Sleep(publishRetry)
				if err = o.drain(ctx, st); err != nil {
					o.log.ErrorContext(ctx, "publishing to CONFIG failed; left to the cron trigger", slog.String("error", err.Error()))
				}
			}
			p.mu.Lock()
			if !p.again || err != nil {
				p.running, p.again = false, false
				p.mu.Unlock()
				return
			}
			p.again = false
			p.mu.Unlock()
		}
	})
}

// drain publishes everything that the outbox names: the records before the
// catalogue, so that a reader of the new catalogue finds the new records.
func (o *Object) drain(ctx context.Context, st platform.Storage) error {
	if err := o.publishRecords(ctx, st); err != nil {
		return err
	}
	if err := o.publishUnder(ctx, st, keyOutboxGrants); err != nil {
		return err
	}
	if err := o.publishCatalog(ctx, st); err != nil {
		return err
	}
	return o.publishRecords(ctx, st) // dropping grants has changed keys
}

// publishRecords publishes servers, keys and the state of the bootstrap key.
func (o *Object) publishRecords(ctx context.Context, st platform.Storage) error {
	if err := o.publishing.records.take(ctx); err != nil {
		return err
	}
	defer o.publishing.records.leave()
	for _, prefix := range [...]string{keyOutboxServer, keyOutboxKey, keyOutboxBootstrap} {
		if err := o.publishUnder(ctx, st, prefix); err != nil {
			return err
		}
	}
	return nil
}

// publishUnder publishes what the notes under a prefix name and takes each away, if
// it is still the one that was read.
func (o *Object) publishUnder(ctx context.Context, st platform.Storage, prefix string) error {
	kv := o.platform.KV(platform.Config)
	for {
		entries, err := st.List(ctx, platform.ListOptions{Prefix: prefix, Limit: 200})
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return nil
		}
		for _, e := range entries {
			if err := o.publishOne(ctx, st, kv, e); err != nil {
				return err
			}
			if _, err := st.Transact(ctx, platform.Expect(e.Key, e.Value), platform.Delete(e.Key)); err != nil {
				return err
			}
		}
	}
}

func (o *Object) publishOne(ctx context.Context, st platform.Storage, kv platform.KV, e platform.Entry) error {
	switch {
	case e.Key == keyOutboxBootstrap:
		s, err := o.getSettings(ctx, st, nothing{})
		if err != nil {
			return err
		}
		b, err := json.Marshal(s.Bootstrap())
		if err != nil {
			return err
		}
		return kv.Put(ctx, access.KVBootstrap, b, 0)
	case strings.HasPrefix(e.Key, keyOutboxServer):
		return publishServer(ctx, st, kv, strings.TrimPrefix(e.Key, keyOutboxServer), e.Value)
	case strings.HasPrefix(e.Key, keyOutboxKey):
		return publishKey(ctx, st, kv, strings.TrimPrefix(e.Key, keyOutboxKey), e.Value)
	case strings.HasPrefix(e.Key, keyOutboxGrants):
		return o.dropGrants(ctx, st, strings.TrimPrefix(e.Key, keyOutboxGrants))
	}
	return nil // a note of a later version of the gateway
}

// publishKey writes the stored key under its hashes. The entry of a hash that has
// been rotated away ends by itself in KV as well.
func publishKey(ctx context.Context, st platform.Storage, kv platform.KV, id string, value []byte) error {
	var n note
	if err := json.Unmarshal(value, &n); err != nil {
		return err
	}
	k, err := readKey(ctx, st.Get, id)
	if err != nil {
		return err
	}
	gone := n.Refs
	if k != nil {
		b, err := json.Marshal(k)
		if err != nil {
			return err
		}
		if err := kv.Put(ctx, access.KVKey+k.Hash, b, 0); err != nil {
			return err
		}
		gone = slices.DeleteFunc(gone, func(h string) bool { return h == k.Hash })
		if k.PreviousHash != "" && k.PreviousExpiresAt != nil && time.Now().Before(*k.PreviousExpiresAt) {
			ttl := max(time.Minute, time.Until(*k.PreviousExpiresAt).Round(time.Second))
			if err := kv.Put(ctx, access.KVKey+k.PreviousHash, b, ttl); err != nil {
				return err
			}
			gone = slices.DeleteFunc(gone, func(h string) bool { return h == k.PreviousHash })
		}
	}
	for _, h := range gone {
		if err := kv.Delete(ctx, access.KVKey+h); err != nil {
			return err
		}
	}
	return nil
}

func publishServer(ctx context.Context, st platform.Storage, kv platform.KV, id string, value []byte) error {
	var n note
	if err := json.Unmarshal(value, &n); err != nil {
		return err
	}
	doc, err := get(ctx, st, keyServer+id)
	if err != nil {
		return err
	}
	gone := n.Refs
	if doc != nil {
		rec, err := registry.Decode(doc)
		if err != nil {
			return err
		}
		if err := registry.Publish(ctx, kv, rec); err != nil {
			return err
		}
		keep := rec.Refs()
		gone = slices.DeleteFunc(gone, func(ref string) bool { return slices.Contains(keep, ref) })
	}
	// A reference may belong to another server by now; then that one's copy stays.
	mine := gone[:0]
	for _, ref := range gone {
		owner, err := get(ctx, st, keyRef+ref)
		if err != nil {
			return err
		}
		if owner == nil {
			mine = append(mine, ref)
		}
	}
	return registry.Unpublish(ctx, kv, mine)
}

// keyForm holds the publishedForm in which KV CONFIG was last written as a whole.
const keyForm = "published-form"

// publishedForm changes with the form of what is published (docs/storage.md, KV CONFIG):
// housekeeping then writes KV CONFIG anew. 2: the catalogue in parts.
const publishedForm = "2"

type publishOut struct{ Servers, Keys int }

// republish takes out of KV CONFIG what is not in the storage, and leaves a note
// for everything that is; the publisher does the rest in the background.
func (o *Object) republish(ctx context.Context, st platform.Storage, _ nothing) (publishOut, error) {
	var out publishOut
	for _, kind := range [...]struct {
		stored, outbox string
		n              *int
	}{{keyServer, keyOutboxServer, &out.Servers}, {keyKey, keyOutboxKey, &out.Keys}} {
		start := ""
		for {
			entries, err := st.List(ctx, platform.ListOptions{Prefix: kind.stored, Start: start, Limit: 500})
			if err != nil {
				return out, storageProblem(err)
			}
			err = o.transact(ctx, st, func(t *transaction) error {
				for _, e := range entries {
					if err := t.announce(ctx, 0, kind.outbox+strings.TrimPrefix(e.Key, kind.stored), nil); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return out, err
			}
			*kind.n += len(entries)
			if len(entries) < 500 {
				break
			}
			start = after(entries[len(entries)-1].Key)
		}
	}
	err := o.transact(ctx, st, func(t *transaction) error {
		t.put(keyOutboxBootstrap, []byte("{}"))
		t.put(keyOutboxCatalog, []byte("{}"))
		t.put(keyForm, []byte(publishedForm))
		return nil
	})
	if err != nil {
		return out, err
	}
	// A record that is published while this deletes what is not stored could lose its copy.
	if err := o.publishing.records.take(ctx); err != nil {
		return out, unavailable().Because(err)
	}
	err = o.sweepKV(ctx, st)
	o.publishing.records.leave()
	if err != nil {
		return out, unavailable().Because(err)
	}
	o.startPublishing(ctx, st)
	return out, nil
}

// sweepKV deletes published copies that the storage knows nothing of.
func (o *Object) sweepKV(ctx context.Context, st platform.Storage) error {
	kv := o.platform.KV(platform.Config)
	parts, err := readParts(ctx, st.Get)
	if err != nil {
		return err
	}
	stored := func(prefix string) func(string) (bool, error) {
		return func(name string) (bool, error) {
			b, err := get(ctx, st, prefix+name)
			return b != nil, err
		}
	}
	for published, known := range map[string]func(name string) (bool, error){
		registry.KVServer: stored(keyRef),
		access.KVKey:      stored(keyKeyHash),
		registry.KVPart: func(name string) (bool, error) {
			return len(parts) > 1 && slices.ContainsFunc(parts, func(p extent) bool { return registry.PartName(p.Start) == name }), nil
		},
	} {
		for cursor := ""; ; {
			keys, next, err := kv.List(ctx, published, 1000, cursor)
			if err != nil {
				return err
			}
			for _, k := range keys {
				ok, err := known(strings.TrimPrefix(k, published))
				if err == nil && !ok {
					err = kv.Delete(ctx, k)
				}
				if err != nil {
					return err
				}
			}
			if next == "" {
				break
			}
			cursor = next
		}
	}
	return nil
}

// Republish writes KV CONFIG anew from the Directory, in the background, and
// answers how many servers and keys that concerns.
func (c *Client) Republish(ctx context.Context) (servers, keys int, err error) {
	out, err := call[publishOut](ctx, c, "republish", true, nothing{})
	return out.Servers, out.Keys, err
}
