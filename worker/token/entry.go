package token

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/settings"
)

// entry is a token with what is known of it. Its times carry the monotonic clock, so
// that a wall clock that jumps does not change how long it is used.
type entry struct {
	stored
	tier        string // where this instance has it from: l2, minter, local
	fingerprint string // tells tokens apart without showing them
	softEnd     time.Time
	hardEnd     time.Time
	refreshAt   time.Time
	recheckAt   atomic.Int64 // monotonic enough: nanoseconds since the entry was made
	made        time.Time
	// behind is why the minter could answer only this old token, and until when.
	behind      *oauth.Failure
	behindUntil time.Time
}

// stored is a token as it is sealed in KV TOKENS and in the minter's storage. Times
// are Unix milliseconds.
type stored struct {
	Token       string `json:"token,omitempty"`
	Scope       string `json:"scope,omitempty"`
	IssuedAt    int64  `json:"issued_at"`
	ExpiresAt   int64  `json:"expires_at"`
	LifeAssumed bool   `json:"life_assumed,omitempty"`
	Generation  int64  `json:"generation"`
	Cause       Cause  `json:"cause,omitempty"`
	SecretUsed  string `json:"secret_used,omitempty"`
	Epoch       int64  `json:"epoch,omitempty"` // of the record, where the token depends on the caller
	// Purged marks a tombstone: every token of an older generation is void.
	Purged bool `json:"purged,omitempty"`
}

func storedOf(t *oauth.Token, generation int64, why Cause) stored {
	return stored{
		Token: t.AccessToken, Scope: t.Scope, IssuedAt: t.IssuedAt.UnixMilli(), ExpiresAt: t.ExpiresAt.UnixMilli(),
		LifeAssumed: t.LifeAssumed, Generation: generation, Cause: why, SecretUsed: t.SecretUsed,
	}
}

func (s *stored) life() time.Duration {
	return time.Duration(s.ExpiresAt-s.IssuedAt) * time.Millisecond
}

// usableFor is how long from its issue the token is used while another can be had:
// its life without the margin, but at least the floor, and never more than its life.
func usableFor(life time.Duration, s *settings.Settings) time.Duration {
	return max(life-s.ExpiryMargin, min(life, s.MinCacheLife), 0)
}

// earlyWindow is the last part of the usable time in which it is refreshed early.
func earlyWindow(life time.Duration, s *settings.Settings) time.Duration {
	return min(time.Duration(float64(life)*s.EarlyFraction), s.EarlyMax)
}

// newEntry makes an entry of a stored token. It answers nil if the clock went
// backwards since the token was issued: nobody knows then when it ends.
func newEntry(v stored, tier string, now time.Time, s *settings.Settings) *entry {
	issued := time.UnixMilli(v.IssuedAt)
	if issued.Sub(now) > s.ClockTolerance {
		return nil
	}
	life := v.life()
	// The token may have been issued up to the tolerance in this clock's future; its
	// remaining time is never more than its life.
	left := min(time.UnixMilli(v.ExpiresAt).Sub(now), life)
	begin := now.Add(left - life)
	e := &entry{stored: v, tier: tier, fingerprint: fingerprintOf(v.Token), made: now, hardEnd: now.Add(left)}
	usable := usableFor(life, s)
	e.softEnd = begin.Add(usable)
	window := earlyWindow(life, s)
	e.refreshAt = e.softEnd.Add(-window + time.Duration(rand.Float64()*s.RefreshJitter*float64(window)))
	e.recheckAt.Store(int64(s.L1Recheck))
	return e
}

func (e *entry) usable(now time.Time) bool { return e != nil && now.Before(e.softEnd) }
func (e *entry) alive(now time.Time) bool  { return e != nil && now.Before(e.hardEnd) }

// fingerprintOf is the first half of the token's SHA-256. It stays inside the gateway.
func fingerprintOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:16])
}

func (s *stored) encode() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic("token: " + err.Error()) // strings and numbers only
	}
	return b
}

func decodeStored(b []byte) (stored, bool) {
	var s stored
	if json.Unmarshal(b, &s) != nil || s.Token == "" && !s.Purged {
		return stored{}, false
	}
	return s, true
}
