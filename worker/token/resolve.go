package token

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
)

// codeUpstreamRefuses is the failure of a token request that was not made because
// the upstream refuses every token, fresh ones too.
const codeUpstreamRefuses = "upstream_refuses_tokens"

// maxRounds bounds how often one call joins somebody else's flight before it gives up.
const maxRounds = 4

// resolve answers a token for the target. rejected is the fingerprint of a token that
// the upstream refused: it is not answered again. The error is a *problem.Problem or
// the context's.
func (e *Engine) resolve(ctx context.Context, t *target, why Cause, rejected string, who *access.Principal) (*entry, error) {
	s := e.slot(t)
	var dropped *entry
	if rejected != "" {
		if f := s.refusing(time.Now()); f != nil {
			return nil, f.Problem(0)
		}
		dropped = s.drop(rejected)
	}
	for range maxRounds {
		now := time.Now()
		en := s.entry.Load()
		if why != CauseRefresh && en.usable(now) && en.fingerprint != rejected {
			e.count.l1.Inc()
			return en, nil
		}
		if f, until := s.failing(now); f != nil && why != CauseRefresh {
			return e.fallback(s, why, f, until, rejected)
		}
		fl := e.fly(ctx, s, t, why, rejected, callerOf(who))
		select {
		case <-fl.done:
		case <-ctx.Done():
			return nil, canceled(ctx)
		}
		if fl.err == nil {
			if fl.entry.fingerprint == rejected {
				s.drop(rejected)
				continue
			}
			e.count.resolution(fl.tier, "ok")
			return fl.entry, nil
		}
		if errors.Is(fl.err, errOvertaken) || errors.Is(fl.err, errBrokenOff) && ctx.Err() == nil {
			continue
		}
		f := oauth.FailureOf(fl.err)
		if f.Code == codeUpstreamRefuses {
			s.entry.CompareAndSwap(nil, dropped) // it is as good as any other
			return nil, f.Problem(0)
		}
		_, until := s.failing(time.Now())
		return e.fallback(s, why, f, until, rejected)
	}
	e.count.resolution("none", "failed")
	return nil, problem.New(http.StatusServiceUnavailable, "token_contended", "The token changes faster than it can be used. Try again.")
}

// errOvertaken means that a purge came between: try again.
var errOvertaken = errors.New("token: overtaken by a purge")

// fallback answers the old token while it has not ended, else the failure. Who asked
// for a new one by name hears of the failure.
func (e *Engine) fallback(s *slot, why Cause, f *oauth.Failure, until time.Time, rejected string) (*entry, error) {
	if en := s.entry.Load(); why != CauseRefresh && en.alive(time.Now()) && en.fingerprint != rejected {
		e.count.resolution("l1", "stale")
		return en, nil
	}
	e.count.resolution("none", "failed")
	return nil, f.Problem(time.Until(until))
}

func canceled(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return problem.New(http.StatusGatewayTimeout, "token_timeout", "No access token was obtained in time.").Because(ctx.Err())
	}
	return ctx.Err()
}

func callerOf(who *access.Principal) caller {
	if who == nil {
		return caller{}
	}
	return caller{who.ID, who.KeyID, who.Name}
}

// slot answers the target's slot, and keeps it at hand.
func (e *Engine) slot(t *target) *slot {
	s := e.slots.of(t)
	t.slot.Store(s)
	return s
}

// fly joins the slot's flight or starts one. The flight is background work: the
// caller that started it may leave.
func (e *Engine) fly(ctx context.Context, s *slot, t *target, why Cause, rejected string, who caller) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		return s.flight
	}
	fl := &flight{cause: why, done: make(chan struct{})}
	s.flight = fl
	e.platform.Background(ctx, func(ctx context.Context) {
		defer func() {
			if fl.entry == nil && fl.err == nil {
				fl.err = errors.New("token: the resolution broke off")
			}
			s.mu.Lock()
			s.flight = nil
			s.mu.Unlock()
			close(fl.done)
		}()
		if ctx.Err() != nil { // the request that began it is no more, which says nothing of the token
			fl.err = errBrokenOff
			return
		}
		fl.entry, fl.tier, fl.err = e.fetch(ctx, s, t, why, rejected, who)
	})
	return fl
}

// fetch looks in L2, then asks the minter, then mints by itself.
func (e *Engine) fetch(ctx context.Context, s *slot, t *target, why Cause, rejected string, who caller) (*entry, string, error) {
	have := rejected
	en := s.entry.Load()
	if (why == CauseMiss || why == CauseUnauthorized) && en.usable(time.Now()) && en.fingerprint != rejected {
		return en, "l1", nil // another flight ended since the caller looked
	}
	if why == CauseMiss || why == CauseEarly {
		if en != nil {
			have = en.fingerprint
		}
		stored := e.fromStore(ctx, s, t)
		if now := time.Now(); stored.alive(now) && (!en.alive(now) || stored.IssuedAt > en.IssuedAt) && s.keep(e.kept(stored)) && stored.usable(now) {
			return stored, "l2", nil
		}
	}
	en, err := e.askMinter(ctx, s, t, why, have, who)
	tier := "minter"
	if errors.Is(err, errMinterUnreachable) {
		en, err = e.withoutMinter(ctx, s, t, why, who, err)
		tier = "local"
	}
	if err != nil {
		return nil, tier, err
	}
	if !en.alive(time.Now()) {
		return en, tier, nil // for those who wait now, and nobody later
	}
	if !s.keep(e.kept(en)) {
		e.count.discarded("purged")
		return nil, tier, errOvertaken
	}
	if en.behind != nil {
		s.fail(en.behind, en.behindUntil, time.Now().Add(e.settings.FailureRecheck))
	}
	return en, tier, nil
}

// kept is the entry as L1 keeps it; with the cache off it is kept as one that has
// ended, so that only the flight's waiters use it.
func (e *Engine) kept(en *entry) *entry {
	if e.settings.TokenCacheSize > 0 {
		return en
	}
	ended := &entry{stored: en.stored, fingerprint: en.fingerprint, made: en.made}
	return ended
}

// fromStore reads L2; nil if it has nothing that may be used.
func (e *Engine) fromStore(ctx context.Context, s *slot, t *target) *entry {
	v, err := e.store.get(ctx, t)
	switch {
	case errors.Is(err, errAbsent):
		return nil
	case errors.Is(err, errUnreadable):
		e.count.discarded("unreadable")
		e.log.WarnContext(ctx, "stored token does not open and is ignored", slog.String("server", t.rec.Slug), slog.String("error", err.Error()))
		return nil
	case err != nil:
		e.count.degraded("kv")
		e.log.WarnContext(ctx, "token store unreachable", slog.String("server", t.rec.Slug), slog.String("error", err.Error()))
		return nil
	}
	if v.Purged {
		s.raise(v.Generation)
		return nil
	}
	if v.Epoch < t.epoch {
		e.count.discarded("purged")
		return nil
	}
	en := newEntry(v, "l2", time.Now(), e.settings)
	if en == nil {
		e.count.discarded("clock")
		return nil
	}
	return en
}

// tend looks after a token in use: it is refreshed early, and now and then compared
// with the store, both in the background and by one caller.
func (e *Engine) tend(ctx context.Context, t *target, en *entry, now time.Time, who *access.Principal) {
	if now.After(en.refreshAt) {
		e.refreshEarly(ctx, t, now, who)
		return
	}
	due := en.recheckAt.Load()
	if age := now.Sub(en.made); int64(age) > due && en.recheckAt.CompareAndSwap(due, int64(age+e.settings.L1Recheck)) {
		e.platform.Background(ctx, func(ctx context.Context) { e.recheck(ctx, t, en) })
	}
}

// refreshEarly starts the one early refresh of this instance; the token in use
// serves on meanwhile.
func (e *Engine) refreshEarly(ctx context.Context, t *target, now time.Time, who *access.Principal) {
	s := t.slot.Load()
	if s == nil {
		return
	}
	s.mu.Lock()
	idle := s.flight == nil && !now.Before(s.notBefore)
	s.mu.Unlock()
	if idle {
		e.fly(ctx, s, t, CauseEarly, "", callerOf(who))
	}
}

// recheck notices a purge or a replacement that happened elsewhere.
func (e *Engine) recheck(ctx context.Context, t *target, en *entry) {
	s := t.slot.Load()
	if s == nil || s.entry.Load() != en {
		return
	}
	stored := e.fromStore(ctx, s, t) // raises the generation on a tombstone
	if stored.usable(time.Now()) && stored.fingerprint != en.fingerprint && stored.IssuedAt > en.IssuedAt {
		s.keep(stored)
	}
}
