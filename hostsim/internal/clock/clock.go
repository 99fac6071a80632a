// Package clock is the time that guests, TTLs and cron see: the machine's clock
// plus an offset that a test may move.
package clock

import (
	"sync"
	"sync/atomic"
	"time"
)

// Clock is the machine's clock plus an offset. Make one with New. Its methods are
// safe for concurrent use.
type Clock struct {
	start  time.Time
	offset atomic.Int64 // nanoseconds
	step   atomic.Int64 // nanoseconds, of the wall clock alone

	mu      sync.Mutex
	waiters map[*func()]struct{}
}

// New makes a clock without an offset.
func New() *Clock {
	return &Clock{start: time.Now(), waiters: map[*func()]struct{}{}}
}

// Now is the wall clock.
func (c *Clock) Now() time.Time {
	return time.Now().Add(time.Duration(c.offset.Load() + c.step.Load()))
}

// Monotonic is the time since New; it never goes backwards and is never 0, which
// Go's runtime does not accept as a reading.
func (c *Clock) Monotonic() time.Duration {
	return time.Since(c.start) + time.Duration(c.offset.Load()) + 1
}

// Advance moves the clock forward by d (a negative d is ignored) and wakes
// everything that waits for a time that has now come.
func (c *Clock) Advance(d time.Duration) {
	if d <= 0 {
		return
	}
	c.offset.Add(int64(d))
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.waiters {
		(*f)()
	}
}

// Step sets the wall clock forward or back by d, as an operator or NTP does. No time passes: timers and monotonic readings stay.
func (c *Clock) Step(d time.Duration) { c.step.Add(int64(d)) }

// OnAdvance calls f after every Advance until stop is called. f must not block.
func (c *Clock) OnAdvance(f func()) (stop func()) {
	key := &f
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiters[key] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiters, key)
	}
}
