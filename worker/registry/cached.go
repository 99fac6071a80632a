package registry

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/platform"
)

// Lives of what an instance remembers. Together with Workers KV's own delay of up
// to 60 s they make the bound of docs/storage.md for an edit to reach every instance.
const (
	// FreshFor is how long an instance uses a record without looking again.
	FreshFor = 3 * time.Second
	// StaleFor is the age up to which it still answers at once while it looks again
	// in the background; an older one is waited for.
	StaleFor = 5 * time.Second
	// AbsentFor is how long it believes that a server does not exist.
	AbsentFor = 3 * time.Second
	// maxRemembered bounds the records and absences in memory, in entries.
	maxRemembered = 4096
	// editMemory is how long an instance knows better than a KV that lags behind an
	// edit which this instance has seen.
	editMemory = 2 * time.Minute
)

// Keys of KV CONFIG.
const (
	kvServer  = "server/" // + folded reference: the stored record
	kvCatalog = "catalog" // every record, ordered by slug
)

// Origin is the truth behind KV: the Directory.
type Origin interface {
	// FindServer answers the record with this reference, or ErrNotFound.
	FindServer(ctx context.Context, ref string) (*Record, error)
	// AllServers answers every record and the sequence number of the Directory.
	AllServers(ctx context.Context) ([]*Record, int64, error)
}

// Cached is the Source of the data path: instance memory, then KV CONFIG, then
// the Directory. While KV has a record the Directory is not asked.
type Cached struct {
	kv         platform.KV
	origin     Origin
	background func(context.Context, func(context.Context))
	log        *slog.Logger

	mu      sync.RWMutex
	entries map[string]*entry  // by folded reference
	edits   map[string]edit    // by server_id: what this instance knows for sure
	all     *listing           // nil: not loaded
	flights map[string]*flight // by folded reference, or "\x00" for the listing
}

type entry struct {
	rec    *Record // nil: absent
	loaded time.Time
}

type edit struct {
	rec  *Record // nil: deleted
	seq  int64
	seen time.Time
}

type listing struct {
	recs   []*Record
	seq    int64
	loaded time.Time
}

type flight struct {
	done chan struct{}
	rec  *Record
	list *listing
	err  error
}

var _ Source = (*Cached)(nil)

// NewSource makes the data path's Source.
func NewSource(p platform.Platform, origin Origin) *Cached {
	return &Cached{
		kv: p.KV(platform.Config), origin: origin, background: p.Background, log: p.Log(),
		entries: map[string]*entry{}, edits: map[string]edit{}, flights: map[string]*flight{},
	}
}

// Lookup answers the record with this reference. A hot one costs a map lookup.
func (c *Cached) Lookup(ctx context.Context, ref string) (*Record, error) {
	ref = Fold(ref)
	if ref == "" || len(ref) > 256 || strings.ContainsFunc(ref, control) {
		return nil, ErrNotFound
	}
	c.mu.RLock()
	e := c.entries[ref]
	c.mu.RUnlock()
	if e != nil {
		age := time.Since(e.loaded)
		if e.rec == nil && age < AbsentFor {
			return nil, ErrNotFound
		}
		if e.rec != nil && age < StaleFor {
			if age >= FreshFor {
				c.fly(ctx, ref)
			}
			return e.rec, nil
		}
	}
	f := c.fly(ctx, ref)
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f.err != nil {
		return nil, f.err
	}
	if f.rec == nil {
		return nil, ErrNotFound
	}
	return f.rec, nil
}

// All answers every record, ordered by slug.
func (c *Cached) All(ctx context.Context) ([]*Record, error) {
	c.mu.RLock()
	l := c.all
	c.mu.RUnlock()
	if l != nil {
		age := time.Since(l.loaded)
		if age < StaleFor {
			if age >= FreshFor {
				c.fly(ctx, listFlight)
			}
			return l.recs, nil
		}
	}
	f := c.fly(ctx, listFlight)
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f.err != nil {
		return nil, f.err
	}
	return f.list.recs, nil
}

const listFlight = "\x00"

// fly joins or begins the one load of this reference. The load does not belong
// to the caller: it goes on when the caller leaves.
func (c *Cached) fly(ctx context.Context, ref string) *flight {
	c.mu.Lock()
	if f := c.flights[ref]; f != nil {
		c.mu.Unlock()
		return f
	}
	f := &flight{done: make(chan struct{})}
	c.flights[ref] = f
	c.mu.Unlock()
	c.background(ctx, func(ctx context.Context) {
		if ref == listFlight {
			f.list, f.err = c.loadAll(ctx)
		} else {
			f.rec, f.err = c.load(ctx, ref)
		}
		c.mu.Lock()
		delete(c.flights, ref)
		c.mu.Unlock()
		close(f.done)
	})
	return f
}

func (c *Cached) load(ctx context.Context, ref string) (*Record, error) {
	rec, err := c.read(ctx, ref)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if rec != nil {
		if known, ok := c.edits[rec.ServerID]; ok && now.Sub(known.seen) < editMemory && known.seq > rec.Version {
			rec = known.rec
			if rec != nil && !slices.Contains(rec.Refs(), ref) {
				rec = nil // renamed: the old reference is no longer its own
			}
		}
	}
	if len(c.entries) >= maxRemembered {
		c.evict(now)
	}
	c.entries[ref] = &entry{rec, now}
	return rec, nil
}

// read answers nil for a server that does not exist.
func (c *Cached) read(ctx context.Context, ref string) (*Record, error) {
	b, err := c.kv.Get(ctx, kvServer+ref)
	if err == nil {
		rec, derr := Decode(b)
		if derr == nil {
			return rec, nil
		}
		err = derr
	}
	if !errors.Is(err, platform.ErrNotFound) {
		c.log.WarnContext(ctx, "CONFIG is not readable; asking the Directory", slog.String("error", err.Error()))
	}
	rec, err := c.origin.FindServer(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return rec, err
}

func (c *Cached) loadAll(ctx context.Context) (*listing, error) {
	c.mu.RLock()
	old := c.all
	c.mu.RUnlock()
	recs, seq, err := c.readAll(ctx, old)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if old != nil && seq == old.seq {
		recs = old.recs
	}
	recs = c.applyEdits(recs, seq, now)
	l := &listing{recs, seq, now}
	c.all = l
	return l, nil
}

// readAll answers old's own records if the catalogue has not changed.
func (c *Cached) readAll(ctx context.Context, old *listing) ([]*Record, int64, error) {
	b, err := c.kv.Get(ctx, kvCatalog)
	if err == nil {
		var recs []*Record
		var seq int64
		if recs, seq, err = decodeCatalog(b, old); err == nil {
			return recs, seq, nil
		}
	}
	if !errors.Is(err, platform.ErrNotFound) {
		c.log.WarnContext(ctx, "CONFIG is not readable; asking the Directory", slog.String("error", err.Error()))
	}
	recs, seq, err := c.origin.AllServers(ctx)
	if err != nil {
		return nil, 0, err
	}
	sortBySlug(recs)
	return recs, seq, nil
}

// applyEdits puts what this instance knows over a catalogue that lags behind it.
func (c *Cached) applyEdits(recs []*Record, seq int64, now time.Time) []*Record {
	changed := false
	for id, k := range c.edits {
		if now.Sub(k.seen) >= editMemory {
			delete(c.edits, id)
			continue
		}
		if k.seq <= seq {
			continue
		}
		if !changed {
			recs, changed = slices.Clone(recs), true
		}
		i := slices.IndexFunc(recs, func(r *Record) bool { return r.ServerID == id })
		switch {
		case i >= 0 && k.rec == nil:
			recs = slices.Delete(recs, i, i+1)
		case i >= 0 && recs[i].Version < k.seq:
			recs[i] = k.rec
		case i < 0 && k.rec != nil:
			recs = append(recs, k.rec)
		}
	}
	if changed {
		sortBySlug(recs)
	}
	return recs
}

// Edited makes a change effective in this instance at once. rec nil means that
// the server with old's references was deleted; old nil means that it is new.
func (c *Cached) Edited(old, rec *Record, seq int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if old != nil {
		for _, ref := range old.Refs() {
			c.entries[ref] = &entry{nil, now}
		}
		c.edits[old.ServerID] = edit{nil, seq, now}
	}
	if rec != nil {
		for _, ref := range rec.Refs() {
			c.entries[ref] = &entry{rec, now}
		}
		c.edits[rec.ServerID] = edit{rec, seq, now}
	}
	if c.all != nil {
		c.all = &listing{c.applyEdits(c.all.recs, c.all.seq, now), c.all.seq, c.all.loaded}
	}
}

func (c *Cached) evict(now time.Time) {
	for ref, e := range c.entries {
		if now.Sub(e.loaded) >= StaleFor {
			delete(c.entries, ref)
		}
	}
	for ref := range c.entries { // all are fresh: any will do
		if len(c.entries) < maxRemembered {
			return
		}
		delete(c.entries, ref)
	}
}

func sortBySlug(recs []*Record) {
	slices.SortFunc(recs, func(a, b *Record) int { return strings.Compare(a.Slug, b.Slug) })
}

func control(c rune) bool { return c < ' ' || c == 0x7f }
