// Package ratelimit is a token bucket per key: limit permits per period, refilled
// steadily, so that a burst of limit is possible after a pause.
package ratelimit

import (
	"errors"
	"sync"
	"time"

	"github.com/grantway/grantway/hostsim/internal/clock"
)

// maxKeys is the most keys that a limiter remembers. When it is reached, the keys
// whose bucket is full again are forgotten, which changes nothing for them.
const maxKeys = 100_000

// Limiter is safe for concurrent use.
type Limiter struct {
	limit  float64
	period time.Duration
	clock  *clock.Clock

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	permits float64
	at      time.Duration // of clock.Monotonic
}

// New makes a limiter of limit permits per period; both must be positive.
func New(limit int, period time.Duration, c *clock.Clock) (*Limiter, error) {
	if limit < 1 || period <= 0 {
		return nil, errors.New("limit and period must be positive")
	}
	return &Limiter{limit: float64(limit), period: period, clock: c, buckets: map[string]bucket{}}, nil
}

// Permit takes one permit and reports whether there was one.
func (l *Limiter) Permit(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Monotonic()
	b, ok := l.buckets[key]
	if !ok {
		if len(l.buckets) >= maxKeys {
			l.forgetFull(now)
		}
		b = bucket{permits: l.limit}
	} else {
		b.permits = l.refilled(b, now)
	}
	b.at = now
	permitted := b.permits >= 1
	if permitted {
		b.permits--
	}
	l.buckets[key] = b
	return permitted
}

func (l *Limiter) refilled(b bucket, now time.Duration) float64 {
	return min(l.limit, b.permits+l.limit*float64(now-b.at)/float64(l.period))
}

func (l *Limiter) forgetFull(now time.Duration) {
	for key, b := range l.buckets {
		if l.refilled(b, now) >= l.limit {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) >= maxKeys { // all busy: begin anew, in the callers' favour
		clear(l.buckets)
	}
}

// Keys is how many keys the limiter remembers.
func (l *Limiter) Keys() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.buckets)
}
