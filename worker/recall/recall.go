// Package recall is an instance's short memory of what a slower store says. It
// answers at once while an entry is fresh; it answers at once and looks again in
// the background while the entry is a little older; and it makes callers wait, for one
// common look, when it knows nothing or something too old. That a thing does not
// exist is remembered too.
package recall

import (
	"context"
	"sync"
	"time"
)

// Times are the lives of an entry.
type Times struct {
	Fresh  time.Duration // answered without looking
	Stale  time.Duration // answered while looking again in the background; ≥ Fresh
	Absent time.Duration // life of the knowledge that there is nothing
}

// Cache remembers values by key. It is safe for concurrent use. Values are
// shared: nobody may change one.
type Cache[V any] struct{ memory *memory }

// Load looks into the slower store. exists false means that there is nothing.
type Load[V any] func(ctx context.Context) (value V, exists bool, err error)

// New makes a cache of at most max entries. background runs a function beside the
// request that began it and beyond its end (platform.Platform has it).
func New[V any](background func(context.Context, func(context.Context)), times Times, max int) *Cache[V] {
	return &Cache[V]{&memory{background: background, times: times, max: max, entries: map[string]entry{}, flights: map[string]*flight{}}}
}

// Get answers the value of a key. An error of load is not remembered, except that
// a stale value outlives a failed look in the background until it is too old.
func (c *Cache[V]) Get(ctx context.Context, key string, load Load[V]) (V, bool, error) {
	e, fresh := c.memory.recall(key)
	if !fresh {
		var err error
		e, err = c.memory.look(ctx, key, e, func(ctx context.Context) (any, bool, error) { return load(ctx) })
		if err != nil {
			var none V
			return none, false, err
		}
	}
	v, _ := e.value.(V)
	return v, e.exists, nil
}

// Fresh answers the value of a key if it is remembered and nobody needs to look.
func (c *Cache[V]) Fresh(key string) (V, bool) {
	e, fresh := c.memory.recall(key)
	v, _ := e.value.(V)
	return v, fresh && e.exists
}

// Peek answers what is remembered, however old.
func (c *Cache[V]) Peek(key string) (V, bool) {
	e, _ := c.memory.recall(key)
	v, _ := e.value.(V)
	return v, e.exists
}

// Put remembers a value (exists false: that there is none) as of now.
func (c *Cache[V]) Put(key string, value V, exists bool) { c.memory.put(key, value, exists) }

// memory is Cache without its type, so that each type of value costs the module
// only what is above.
type memory struct {
	background func(context.Context, func(context.Context))
	times      Times
	max        int

	mu      sync.RWMutex
	entries map[string]entry
	flights map[string]*flight
}

type entry struct {
	value  any
	exists bool
	loaded time.Time
}

type flight struct {
	done      chan struct{}
	entry     entry
	err       error
	overtaken bool // a put came in between: the flight's answer is not remembered
}

// recall answers what is remembered and whether nobody needs to look.
func (m *memory) recall(key string) (entry, bool) {
	m.mu.RLock()
	e, ok := m.entries[key]
	m.mu.RUnlock()
	if !ok {
		return e, false
	}
	life := m.times.Fresh
	if !e.exists {
		life = m.times.Absent
	}
	return e, time.Since(e.loaded) < life
}

// look begins or joins a look, and waits for it unless e may still be answered.
func (m *memory) look(ctx context.Context, key string, e entry, load Load[any]) (entry, error) {
	f := m.fly(ctx, key, e, load)
	if e.exists && time.Since(e.loaded) < m.times.Stale {
		return e, nil
	}
	select {
	case <-f.done:
		return f.entry, f.err
	case <-ctx.Done():
		return entry{}, ctx.Err()
	}
}

func (m *memory) put(key string, value any, exists bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.flights[key]; f != nil {
		f.overtaken = true
	}
	m.remember(key, entry{value, exists, time.Now()})
}

// fly joins or begins the one look for this key. It does not belong to the caller:
// it goes on when the caller leaves. A look that has ended since the caller saw the entry is
// the caller's too.
func (m *memory) fly(ctx context.Context, key string, seen entry, load Load[any]) *flight {
	m.mu.Lock()
	if f := m.flights[key]; f != nil {
		m.mu.Unlock()
		return f
	}
	f := &flight{done: make(chan struct{})}
	if now, ok := m.entries[key]; ok && now.loaded.After(seen.loaded) {
		m.mu.Unlock()
		f.entry = now
		close(f.done)
		return f
	}
	m.flights[key] = f
	m.mu.Unlock()
	m.background(ctx, func(ctx context.Context) {
		value, exists, err := load(ctx)
		m.mu.Lock()
		delete(m.flights, key)
		f.entry, f.err = entry{value, exists, time.Now()}, err
		if e, ok := m.entries[key]; f.overtaken && ok {
			f.entry, f.err = e, nil
		} else if err == nil {
			m.remember(key, f.entry)
		}
		m.mu.Unlock()
		close(f.done)
	})
	return f
}

func (m *memory) remember(key string, e entry) {
	if _, have := m.entries[key]; !have && len(m.entries) >= m.max {
		m.makeRoom(e.loaded)
	}
	m.entries[key] = e
}

// makeRoom forgets what is too old, and if that is nothing, an eighth at random.
func (m *memory) makeRoom(now time.Time) {
	for k, e := range m.entries {
		life := m.times.Stale
		if !e.exists {
			life = m.times.Absent
		}
		if now.Sub(e.loaded) >= life {
			delete(m.entries, k)
		}
	}
	if len(m.entries) < m.max {
		return
	}
	for k := range m.entries {
		delete(m.entries, k)
		if len(m.entries) <= m.max-max(1, m.max/8) {
			return
		}
	}
}
