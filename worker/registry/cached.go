package registry

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/recall"
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
	// edit which this instance has made.
	editMemory = 2 * time.Minute
)

// Keys of KV CONFIG.
const (
	KVServer  = "server/" // + folded reference: the stored record
	kvCatalog = "catalog" // every record, or the root of the parts
	// KVPart + where a part of the catalogue begins.
	KVPart = "catalog/"
)

// everything is the key of the listing in memory.
const everything = ""

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
	kv      platform.KV
	origin  Origin
	log     *slog.Logger
	records *recall.Cache[*Record] // by folded reference
	all     *recall.Cache[*listing]

	mu         sync.Mutex
	edits      map[string]edit // by server_id: what this instance has itself changed
	generation int             // of edits
	view       view
}

// view is a listing with the edits of a generation laid over it.
type view struct {
	base       *listing
	generation int
	recs       []*Record
}

type edit struct {
	rec  *Record // nil: deleted
	seq  int64
	seen time.Time
}

type listing struct {
	recs  []*Record // ordered by slug
	parts []*part   // ordered by start
}

func newListing(parts ...*part) *listing {
	l := &listing{parts: parts}
	for _, p := range parts {
		l.recs = append(l.recs, p.recs...)
	}
	sortBySlug(l.recs)
	return l
}

// part answers the part in whose range an id is; nil for no listing.
func (l *listing) part(id string) *part {
	if l == nil {
		return nil
	}
	i, found := slices.BinarySearchFunc(l.parts, id, func(p *part, id string) int { return strings.Compare(p.start, id) })
	if !found {
		i--
	}
	return l.parts[max(i, 0)]
}

var _ Source = (*Cached)(nil)

// NewSource makes the data path's Source.
func NewSource(p platform.Platform, origin Origin) *Cached {
	times := recall.Times{Fresh: FreshFor, Stale: StaleFor, Absent: AbsentFor}
	return &Cached{
		kv: p.KV(platform.Config), origin: origin, log: p.Log(), edits: map[string]edit{},
		records: recall.New[*Record](p.Background, times, maxRemembered),
		all:     recall.New[*listing](p.Background, times, 1),
	}
}

// Lookup answers the record with this reference. A hot one costs a map lookup.
func (c *Cached) Lookup(ctx context.Context, ref string) (*Record, error) {
	ref = Fold(ref)
	if ref == "" || len(ref) > 256 || strings.ContainsFunc(ref, control) {
		return nil, ErrNotFound
	}
	rec, exists, err := c.records.Get(ctx, ref, func(ctx context.Context) (*Record, bool, error) {
		rec, err := c.read(ctx, ref)
		return rec, rec != nil, err
	})
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, ErrNotFound
	}
	return rec, nil
}

// Remembered answers the record with this reference, in its folded form, if that needs no look.
func (c *Cached) Remembered(ref string) *Record {
	rec, _ := c.records.Fresh(ref)
	return rec
}

// All answers every record, ordered by slug.
func (c *Cached) All(ctx context.Context) ([]*Record, error) {
	l, _, err := c.all.Get(ctx, everything, func(ctx context.Context) (*listing, bool, error) {
		old, _ := c.all.Peek(everything)
		l, err := c.readAll(ctx, old)
		return l, err == nil, err
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.view.base != l || c.view.generation != c.generation {
		c.view = view{l, c.generation, c.applyEdits(l)}
	}
	return c.view.recs, nil
}

// read answers nil for a server that does not exist.
func (c *Cached) read(ctx context.Context, ref string) (*Record, error) {
	rec, err := c.published(ctx, ref)
	if err != nil {
		if !errors.Is(err, platform.ErrNotFound) {
			c.log.WarnContext(ctx, "CONFIG is not readable; asking the Directory", slog.String("error", err.Error()))
		}
		rec, err = c.origin.FindServer(ctx, ref)
		if errors.Is(err, ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.edits[rec.ServerID]; ok && time.Since(k.seen) < editMemory && k.seq > rec.Version {
		rec = k.rec
		if rec != nil && !slices.Contains(rec.Refs(), ref) {
			rec = nil // renamed: the old reference is no longer its own
		}
	}
	return rec, nil
}

func (c *Cached) published(ctx context.Context, ref string) (*Record, error) {
	b, err := c.kv.Get(ctx, KVServer+ref)
	if err != nil {
		return nil, err
	}
	return Decode(b)
}

// readAll reads the catalogue from KV; without one, or with one that cannot be read, it
// asks the Directory.
func (c *Cached) readAll(ctx context.Context, old *listing) (*listing, error) {
	b, err := c.kv.Get(ctx, kvCatalog)
	if err == nil {
		var l *listing
		if l, err = c.readParts(ctx, b, old); err == nil {
			return l, nil
		}
	}
	if !errors.Is(err, platform.ErrNotFound) {
		c.log.WarnContext(ctx, "CONFIG is not readable; asking the Directory", slog.String("error", err.Error()))
	}
	recs, seq, err := c.origin.AllServers(ctx)
	if err != nil {
		return nil, err
	}
	return newListing(&part{seq: seq, recs: recs}), nil
}

// partsAtOnce is how many parts are read at the same time: Workers allow six
// connections per request.
const partsAtOnce = 6

// readParts puts the catalogue together. Parts of old that have not changed are
// not read again; old itself is answered if none has.
func (c *Cached) readParts(ctx context.Context, b []byte, old *listing) (*listing, error) {
	named, err := decodeRoot(b)
	if err != nil {
		return nil, err
	}
	var have []*Record
	if named == nil {
		if old != nil {
			have = old.recs
		}
		p, err := decodePart("", b, have)
		if err != nil || p.next != "" {
			return nil, cmp.Or(err, errCatalog)
		}
		return newListing(p), nil
	}
	parts, errs := make([]*part, len(named)), make([]error, len(named))
	changed := 0
	var wg sync.WaitGroup
	slots := make(chan struct{}, partsAtOnce)
	for i, n := range named {
		next := ""
		if i+1 < len(named) {
			next = named[i+1].start
		}
		if p := old.part(n.start); p != nil && p.start == n.start && p.seq == n.seq && p.next == next {
			parts[i] = p
			continue
		}
		changed++
		slots <- struct{}{}
		wg.Go(func() {
			parts[i], errs[i] = c.readPart(ctx, n.start, old)
			<-slots
		})
	}
	wg.Wait()
	if changed == 0 && len(old.parts) == len(named) {
		return old, nil
	}
	var out []*part
	for i, covered := 0, ""; ; {
		var p *part
		switch {
		case i < len(named) && named[i].start < covered:
			i++ // an older part, whose range went further
			continue
		case i < len(named) && named[i].start == covered:
			if p, err = parts[i], errs[i]; err != nil {
				return nil, err
			}
			i++
		default: // a newer part, which was split
			if p, err = c.readPart(ctx, covered, old); err != nil {
				return nil, err
			}
		}
		if out = append(out, p); p.next == "" {
			return newListing(out...), nil
		}
		covered = p.next
	}
}

func (c *Cached) readPart(ctx context.Context, start string, old *listing) (*part, error) {
	b, err := c.kv.Get(ctx, KVPart+PartName(start))
	if err != nil {
		return nil, err
	}
	var have []*Record
	if p := old.part(start); p != nil {
		have = p.recs
	}
	return decodePart(start, b, have)
}

// applyEdits puts what this instance knows over a catalogue that lags behind it.
// mu is held.
func (c *Cached) applyEdits(l *listing) []*Record {
	newer := map[string]*Record{}
	for id, k := range c.edits {
		switch {
		case time.Since(k.seen) >= editMemory:
			delete(c.edits, id)
		case k.seq > l.part(id).seq:
			newer[id] = k.rec
		}
	}
	if len(newer) == 0 {
		return l.recs
	}
	out := make([]*Record, 0, len(l.recs)+len(newer))
	for _, r := range l.recs {
		if _, changed := newer[r.ServerID]; !changed {
			out = append(out, r)
		}
	}
	for _, r := range newer {
		if r != nil {
			out = append(out, r)
		}
	}
	sortBySlug(out)
	return out
}

// Edited makes a change effective in this instance at once. rec nil means that
// old was deleted; old nil means that rec is new.
func (c *Cached) Edited(old, rec *Record, seq int64) {
	c.mu.Lock()
	for _, r := range [...]*Record{old, rec} {
		if r != nil {
			c.edits[r.ServerID] = edit{rec, seq, time.Now()}
		}
	}
	c.generation++
	c.mu.Unlock()
	if old != nil {
		for _, ref := range old.Refs() {
			c.records.Put(ref, nil, false)
		}
	}
	if rec != nil {
		for _, ref := range rec.Refs() {
			c.records.Put(ref, rec, true)
		}
	}
}

func sortBySlug(recs []*Record) {
	slices.SortFunc(recs, func(a, b *Record) int { return strings.Compare(a.Slug, b.Slug) })
}

func control(c rune) bool { return c < ' ' || c == 0x7f }
