package admission

import (
	"context"
	"errors"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/ratelimit"
)

// maxBuckets bounds the callers whose rate an instance remembers.
const maxBuckets = 10_000

// Rate limits a caller's requests per minute. Each instance keeps a token bucket per
// caller (a minute's permits at most at once); where the host has a rate limiter
// bound, which counts for a whole location, that one is asked as well.
type Rate struct {
	PerMinute int // for callers without their own number; 0: no limit

	host    platform.Limiter
	absent  atomic.Bool // the host has no such binding
	buckets ratelimit.Buckets
}

// NewRate makes a Rate. host may be nil.
func NewRate(perMinute int, host platform.Limiter) *Rate {
	r := &Rate{PerMinute: perMinute, host: host, buckets: ratelimit.Buckets{Max: maxBuckets}}
	r.absent.Store(host == nil)
	return r
}

// Take takes one permit, or answers a 429 with Retry-After.
func (r *Rate) Take(ctx context.Context, p *access.Principal) error {
	if limit := r.limit(p); limit > 0 {
		if wait := r.buckets.Take(p.ID, limit); wait > 0 {
			return limited(wait)
		}
	}
	if !r.absent.Load() {
		ok, err := r.host.Limit(ctx, p.ID)
		switch {
		case errors.Is(err, platform.ErrNotFound) || errors.Is(err, platform.ErrUnsupported):
			r.absent.Store(true)
		case err == nil && !ok:
			return limited(time.Minute)
		}
	}
	return nil
}

// TakeNow is Take where that needs no waiting for the host; else, or without a permit, it answers false.
func (r *Rate) TakeNow(p *access.Principal) bool {
	if r == nil {
		return true
	}
	limit := r.limit(p)
	return r.absent.Load() && (limit <= 0 || r.buckets.Take(p.ID, limit) == 0)
}

// Return gives back a permit that TakeNow has taken.
func (r *Rate) Return(p *access.Principal) {
	if r == nil {
		return
	}
	r.buckets.Return(p.ID)
}

func (r *Rate) limit(p *access.Principal) int {
	if p.RequestsPerMinute > 0 {
		return p.RequestsPerMinute
	}
	return r.PerMinute
}

func limited(wait time.Duration) *problem.Problem {
	p := problem.New(http.StatusTooManyRequests, "rate_limited", "This access key has used up its requests per minute.")
	p.RetryAfter = max(1, int(math.Ceil(wait.Seconds())))
	return p
}
