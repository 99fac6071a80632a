// Package ratelimit limits requests per minute in this instance's memory: a token bucket per caller or address.
package ratelimit

import (
	"sync"
	"time"
)

// Buckets holds a token bucket per id: a minute's permits at most at once, refilled evenly. It is safe for
// concurrent use.
type Buckets struct {
	Max int // REQUIRED: buckets that are remembered, at least 10

	mu   sync.Mutex
	byID map[string]*bucket
}

type bucket struct {
	permits float64
	at      time.Time
}

// Take takes one permit of id, and answers 0; without one, how long it is until the next.
func (b *Buckets) Take(id string, perMinute int) time.Duration {
	now, limit := time.Now(), float64(perMinute)
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.byID[id]
	if one == nil {
		if b.byID == nil {
			b.byID = map[string]*bucket{}
		}
		if len(b.byID) >= b.Max {
			b.sweep(now)
		}
		one = &bucket{limit, now}
		b.byID[id] = one
	}
	one.permits = min(limit, one.permits+now.Sub(one.at).Minutes()*limit)
	one.at = now
	if one.permits < 1 {
		return time.Duration((1 - one.permits) / limit * float64(time.Minute))
	}
	one.permits--
	return 0
}

// Return gives back a permit that Take has taken.
func (b *Buckets) Return(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one := b.byID[id]; one != nil {
		one.permits++
	}
}

// sweep forgets buckets that are full again. If nearly all are in use it forgets a tenth of them, whichever: so many
// new ones come before the next look at all.
func (b *Buckets) sweep(now time.Time) {
	for id, one := range b.byID {
		if now.Sub(one.at) >= time.Minute {
			delete(b.byID, id)
		}
	}
	for id := range b.byID {
		if len(b.byID) <= b.Max-b.Max/10 {
			return
		}
		delete(b.byID, id)
	}
}
