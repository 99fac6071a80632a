package token

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantway/grantway/worker/oauth"
)

// slot is what an instance knows of one identity key.
type slot struct {
	server   string // id of the record that first needed it
	caller   string // whose it is, where callers have tokens of their own
	entry    atomic.Pointer[entry]
	lastUsed atomic.Int64 // Unix ns, for eviction

	mu         sync.Mutex
	flight     *flight
	failure    *oauth.Failure // of the last attempt, nil after a success
	notBefore  time.Time      // no attempt before
	heardUntil time.Time      // a failure of the minter's is answered until then without asking it
	failures   int            // in a row, of mints by this instance
	generation int64          // tokens of an older one are void

	refusal      *oauth.Failure // the upstream refuses new tokens too
	refusalUntil time.Time      // until then a refusal causes no mint

	wide *target // of a step-up: what is used instead
}

// flight is one resolution under way in this instance; everybody who needs its
// outcome waits for done.
type flight struct {
	cause Cause
	done  chan struct{}
	entry *entry
	err   error
	tier  string
}

// keep makes en the slot's token, unless a purge or a newer token has overtaken it.
func (s *slot) keep(en *entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if en.Generation < s.generation {
		return false
	}
	s.generation = en.Generation
	s.failure, s.failures, s.notBefore = nil, 0, time.Time{}
	// One that has ended is older, whatever the clock said when it was issued.
	if old := s.entry.Load(); old.alive(time.Now()) && old.Generation == en.Generation && old.IssuedAt > en.IssuedAt {
		return true
	}
	s.entry.Store(en)
	return true
}

// raise voids every token of a generation below this.
func (s *slot) raise(generation int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if generation > s.generation {
		s.generation = generation
	}
	if en := s.entry.Load(); en != nil && en.Generation < s.generation {
		s.entry.Store(nil)
	}
}

// begin is raise, and as if nothing had failed before.
func (s *slot) begin(generation int64) {
	s.raise(generation)
	s.forgive()
}

// forgive forgets what failed.
func (s *slot) forgive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure, s.failures, s.notBefore, s.refusal = nil, 0, time.Time{}, nil
}

// drop forgets the token with this fingerprint if it is still the one kept, and
// answers it.
func (s *slot) drop(fingerprint string) *entry {
	en := s.entry.Load()
	if en == nil || en.fingerprint != fingerprint || !s.entry.CompareAndSwap(en, nil) {
		return nil
	}
	return en
}

// refuse remembers that a new token would not help.
func (s *slot) refuse(f *oauth.Failure, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal, s.refusalUntil = f, until
}

func (s *slot) refusing(now time.Time) *oauth.Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal != nil && now.Before(s.refusalUntil) {
		return s.refusal
	}
	return nil
}

// fail keeps a failure. The minter's one, which may end before its time by a purge, is
// answered until heardUntil only.
func (s *slot) fail(f *oauth.Failure, until, heardUntil time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure, s.notBefore, s.heardUntil = f, until, heardUntil
}

// failAgain lets the last failure stand until then if it has this code.
func (s *slot) failAgain(code string, until time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil || s.failure.Code != code {
		return false
	}
	s.notBefore, s.heardUntil = until, until
	return true
}

// failing answers the failure that still stands, and until when.
func (s *slot) failing(now time.Time) (*oauth.Failure, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil && now.Before(s.notBefore) && now.Before(s.heardUntil) {
		return s.failure, s.notBefore
	}
	return nil, time.Time{}
}

// slots is L1: a bounded set of slots; the least recently used one makes room.
type slots struct {
	mu    sync.Mutex
	m     map[string]*slot
	limit int
}

// minSlots is kept even when the token cache is off: single flight needs them.
const minSlots = 64

func newSlots(size int) *slots {
	return &slots{m: map[string]*slot{}, limit: max(size, minSlots)}
}

// of answers the slot of a target. Each epoch has its own: nobody waits for what began in an
// earlier one.
func (l *slots) of(t *target) *slot {
	identity := t.identity
	if t.epoch > 0 {
		identity += "/" + strconv.FormatInt(t.epoch, 10)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.m[identity]
	if s == nil {
		if len(l.m) >= l.limit {
			l.evict()
		}
		s = &slot{server: t.rec.ServerID, caller: t.caller}
		l.m[identity] = s
	}
	s.lastUsed.Store(time.Now().UnixNano())
	return s
}

// evict forgets the slot that was not used for longest; one with a flight stays.
func (l *slots) evict() {
	var oldest string
	var at int64
	for id, s := range l.m {
		s.mu.Lock()
		busy := s.flight != nil
		s.mu.Unlock()
		if used := s.lastUsed.Load(); !busy && (oldest == "" || used < at) {
			oldest, at = id, used
		}
	}
	if oldest != "" {
		l.m[oldest].entry.Store(nil)
		delete(l.m, oldest)
	}
}

func (l *slots) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.m)
}
