package directory

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
)

// Publishing brings KV CONFIG into line with the storage. Each transaction
// leaves notes under outbox/; the publisher writes what the storage holds now, which
// makes it safe to run twice, and then removes the notes, each only if it is still
// the one it has read.
const (
	keyOutboxServer  = "outbox/server/" // + server_id: JSON note with the references to take back
	keyOutboxCatalog = "outbox/catalog"
)

// publishWithin is how long a change waits for its own publication before it is
// answered; the rest then happens in the background.
const publishWithin = 3 * time.Second

// publishRetry is the pause before a failed publication is tried again by the
// same instance; later ones are the cron trigger's.
const publishRetry = 1500 * time.Millisecond

type note struct {
	Seq  int64    `json:"seq"`
	Refs []string `json:"refs,omitempty"` // references that may be in KV and need not be valid any more
}

// announceServer leaves the note that this server must be published.
func (t *transaction) announceServer(ctx context.Context, seq int64, id string, old *registry.Record) error {
	n := note{Seq: seq}
	pending, err := t.get(ctx, keyOutboxServer+id)
	if err != nil {
		return err
	}
	if pending != nil {
		var earlier note
		if json.Unmarshal(pending, &earlier) == nil {
			n.Refs = earlier.Refs
		}
	}
	if old != nil {
		for _, ref := range old.Refs() {
			if !slices.Contains(n.Refs, ref) {
				n.Refs = append(n.Refs, ref)
			}
		}
	}
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	t.put(keyOutboxServer+id, b)
	c, err := json.Marshal(note{Seq: seq})
	if err != nil {
		return err
	}
	t.put(keyOutboxCatalog, c)
	return nil
}

type publishing struct {
	mu      sync.Mutex
	running bool
	again   bool
	done    chan struct{} // closed when the run ends
}

// publishNow publishes in the background and waits for it a little.
func (o *Object) publishNow(ctx context.Context, st platform.Storage) {
	done := o.startPublishing(ctx, st)
	timer := time.NewTimer(publishWithin)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (o *Object) startPublishing(ctx context.Context, st platform.Storage) <-chan struct{} {
	p := &o.publishing
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running {
		p.again = true
		return p.done
	}
	p.running, p.done = true, make(chan struct{})
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
				close(p.done)
				p.mu.Unlock()
				return
			}
			p.again = false
			p.mu.Unlock()
		}
	})
	return p.done
}

// drain publishes everything that the outbox names.
func (o *Object) drain(ctx context.Context, st platform.Storage) error {
	kv := o.platform.KV(platform.Config)
	for {
		entries, err := st.List(ctx, platform.ListOptions{Prefix: "outbox/", Limit: 200})
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return nil
		}
		// The catalogue's note sorts before the servers' and is cleared after them, so
		// that a reader of the new catalogue finds the new records.
		slices.Reverse(entries)
		for _, e := range entries {
			switch {
			case e.Key == keyOutboxCatalog:
				err = o.publishCatalog(ctx, st, kv)
			case strings.HasPrefix(e.Key, keyOutboxServer):
				err = publishServer(ctx, st, kv, strings.TrimPrefix(e.Key, keyOutboxServer), e.Value)
			}
			if err != nil {
				return err
			}
			if _, err := st.Transact(ctx, platform.Expect(e.Key, e.Value), platform.Delete(e.Key)); err != nil {
				return err
			}
		}
	}
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

func (o *Object) publishCatalog(ctx context.Context, st platform.Storage, kv platform.KV) error {
	seq, _, err := readSeq(ctx, st)
	if err != nil {
		return err
	}
	type sorted struct {
		slug string
		registry.CatalogLine
	}
	var lines []sorted
	err = scan(ctx, st, keyServer, 500, func(_ string, value []byte) error {
		var head struct {
			ServerID string `json:"server_id"`
			Slug     string `json:"slug"`
			Version  int64  `json:"version"`
		}
		if err := json.Unmarshal(value, &head); err != nil {
			return err
		}
		lines = append(lines, sorted{head.Slug, registry.CatalogLine{ServerID: head.ServerID, Version: head.Version, Stored: bytes.Clone(value)}})
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(lines, func(a, b sorted) int { return cmp.Compare(a.slug, b.slug) })
	out := make([]registry.CatalogLine, len(lines))
	for i, l := range lines {
		out[i] = l.CatalogLine
	}
	return registry.PublishCatalog(ctx, kv, registry.EncodeCatalog(seq, out))
}

type (
	publishIn  struct{ Everything bool }
	publishOut struct{ Servers, Keys int }
)

// publish repairs an interrupted publication; with Everything it writes KV CONFIG
// anew from the storage.
func (o *Object) publish(ctx context.Context, st platform.Storage, in publishIn) (publishOut, error) {
	var out publishOut
	if in.Everything {
		if err := o.announceEverything(ctx, st, &out); err != nil {
			return out, err
		}
		o.startPublishing(ctx, st)
		return out, nil
	}
	if err := o.drain(ctx, st); err != nil {
		return out, unavailable().Because(err)
	}
	return out, nil
}

// announceEverything leaves a note for every record, in pages of their own.
func (o *Object) announceEverything(ctx context.Context, st platform.Storage, out *publishOut) error {
	var steps []platform.Step
	flush := func() error {
		if len(steps) == 0 {
			return nil
		}
		_, err := st.Transact(ctx, steps...)
		steps = steps[:0]
		if err != nil {
			return storageProblem(err)
		}
		return nil
	}
	err := scan(ctx, st, keyServer, 500, func(key string, _ []byte) error {
		out.Servers++
		steps = append(steps, platform.Put(keyOutboxServer+strings.TrimPrefix(key, keyServer), []byte("{}")))
		if len(steps) == 500 {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	steps = append(steps, platform.Put(keyOutboxCatalog, []byte("{}")))
	return flush()
}

// Repair finishes publications that were interrupted.
func (c *Client) Repair(ctx context.Context) error {
	_, err := call[publishOut](ctx, c, "publish", true, publishIn{})
	return err
}

// Republish writes KV CONFIG anew from the Directory, in the background, and
// answers how many servers and keys that concerns.
func (c *Client) Republish(ctx context.Context) (servers, keys int, err error) {
	out, err := call[publishOut](ctx, c, "publish", true, publishIn{Everything: true})
	return out.Servers, out.Keys, err
}
