package access

import (
	"sync"
	"time"
)

// limiter holds a token bucket per address, in this instance. It holds the limit's
// number of permits and refills evenly over a minute.
type limiter struct {
	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	permits float64
	at      time.Time
}

// maxBuckets bounds the memory of the limiter; full buckets are forgotten first.
const maxBuckets = 4096

// take takes one permit, or answers how long it is until the next.
func (l *limiter) take(id string, perMinute int, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	rate := float64(perMinute) / 60 // per second
	b := l.buckets[id]
	if b == nil {
		if l.buckets == nil {
			l.buckets = map[string]*bucket{}
		}
		if len(l.buckets) >= maxBuckets {
			l.sweep(now)
		}
		b = &bucket{float64(perMinute), now}
		l.buckets[id] = b
	}
	b.permits = min(float64(perMinute), b.permits+rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.permits < 1 {
		return time.Duration((1 - b.permits) / rate * float64(time.Second))
	}
	b.permits--
	return 0
}

// sweep forgets buckets that were not used for a minute: they are full again.
func (l *limiter) sweep(now time.Time) {
	for id, b := range l.buckets {
		if now.Sub(b.at) >= time.Minute {
			delete(l.buckets, id)
		}
	}
}
