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
type Cache[K comparable, V any] struct {
	background func(context.Context, func(context.Context))
	times      Times
	max        int

	mu      sync.RWMutex
	entries map[K]entry[V]
	flights map[K]*flight[V]
}

type entry[V any] struct {
	value  V
	exists bool
	loaded time.Time
}

type flight[V any] struct {
	done      chan struct{}
	value     V
	exists    bool
	err       error
	overtaken bool // a Put came in between: the flight's answer is not remembered
}

// Load looks into the slower store. exists false means that there is nothing.
type Load[V any] func(ctx context.Context) (value V, exists bool, err error)

// New makes a cache of at most max entries. background runs a function beside the
// request that began it and beyond its end (platform.Platform has it).
func New[K comparable, V any](background func(context.Context, func(context.Context)), times Times, max int) *Cache[K, V] {
	return &Cache[K, V]{background: background, times: times, max: max, entries: map[K]entry[V]{}, flights: map[K]*flight[V]{}}
}

// Get answers the value of a key. An error of load is not remembered, except that
// a stale value outlives a failed look in the background until it is too old.
func (c *Cache[K, V]) Get(ctx context.Context, key K, load Load[V]) (V, bool, error) {
	c.mu.RLock()
	e, ok := c.entries[key]
	c.mu.RUnlock()
	if ok {
		switch age := time.Since(e.loaded); {
		case !e.exists && age < c.times.Absent, e.exists && age < c.times.Fresh:
			return e.value, e.exists, nil
		case e.exists && age < c.times.Stale:
			c.fly(ctx, key, load)
			return e.value, true, nil
		}
	}
	f := c.fly(ctx, key, load)
	select {
	case <-f.done:
		return f.value, f.exists, f.err
	case <-ctx.Done():
		var none V
		return none, false, ctx.Err()
	}
}

// Peek answers what is remembered, however old.
func (c *Cache[K, V]) Peek(key K) (V, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e := c.entries[key]
	return e.value, e.exists
}

// Put remembers a value (exists false: that there is none) as of now.
func (c *Cache[K, V]) Put(key K, value V, exists bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[key]; f != nil {
		f.overtaken = true
	}
	c.remember(key, entry[V]{value, exists, time.Now()})
}

// fly joins or begins the one look for this key. It does not belong to the caller:
// it goes on when the caller leaves.
func (c *Cache[K, V]) fly(ctx context.Context, key K, load Load[V]) *flight[V] {
	c.mu.Lock()
	if f := c.flights[key]; f != nil {
		c.mu.Unlock()
		return f
	}
	f := &flight[V]{done: make(chan struct{})}
	c.flights[key] = f
	c.mu.Unlock()
	c.background(ctx, func(ctx context.Context) {
		f.value, f.exists, f.err = load(ctx)
		c.mu.Lock()
		delete(c.flights, key)
		if f.err == nil && !f.overtaken {
			c.remember(key, entry[V]{f.value, f.exists, time.Now()})
		} else if e, ok := c.entries[key]; f.overtaken && ok {
			f.value, f.exists, f.err = e.value, e.exists, nil
		}
		c.mu.Unlock()
		close(f.done)
	})
	return f
}

func (c *Cache[K, V]) remember(key K, e entry[V]) {
	if _, have := c.entries[key]; !have && len(c.entries) >= c.max {
		c.makeRoom(e.loaded)
	}
	c.entries[key] = e
}

// makeRoom forgets what is too old, and if that is nothing, an eighth at random.
func (c *Cache[K, V]) makeRoom(now time.Time) {
	for k, e := range c.entries {
		if life := c.times.Stale; now.Sub(e.loaded) >= life || !e.exists && now.Sub(e.loaded) >= c.times.Absent {
			delete(c.entries, k)
		}
	}
	for k := range c.entries {
		if len(c.entries) < c.max {
			return
		}
		delete(c.entries, k)
		if len(c.entries) <= c.max-max(1, c.max/8) {
			return
		}
	}
}
