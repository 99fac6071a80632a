package token

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
)

// mint asks the authorization server, and counts and records that it did.
func (e *Engine) mint(ctx context.Context, g *oauth.Grant, row Mint) (*oauth.Token, error) {
	row.At = time.Now()
	tok, err := e.endpoint.Token(ctx, g)
	row.Took = time.Since(row.At)
	e.count.mint.Observe(row.Took.Seconds())
	if err != nil {
		row.Failure = oauth.FailureOf(err)
		row.Status = row.Failure.Status
		e.count.mints(row.Cause, "failed")
		e.count.failures(string(row.Failure.Class))
		e.log.WarnContext(ctx, "token request failed", slog.String("server", row.Server), slog.String("cause", string(row.Cause)),
			slog.String("class", string(row.Failure.Class)), slog.String("code", row.Failure.Code), slog.Int("status", row.Status))
	} else {
		row.Status, row.Life, row.SecretUsed = tok.Status, tok.ExpiresAt.Sub(tok.IssuedAt), tok.SecretUsed
		e.count.mints(row.Cause, "ok")
		e.log.InfoContext(ctx, "token minted", slog.String("server", row.Server), slog.String("cause", string(row.Cause)), slog.Float64("life_seconds", row.Life.Seconds()))
	}
	e.audit.Minted(ctx, row)
	e.point(ctx, row)
	return tok, err
}

// point writes the mint to the analytics binding, if the host has one.
func (e *Engine) point(ctx context.Context, row Mint) {
	outcome := "ok"
	if row.Failure != nil {
		outcome = string(row.Failure.Class)
	}
	e.platform.DataPoint(ctx, platform.DataPoint{
		Index: "token_mint", Blobs: []string{row.Server, string(row.Cause), outcome},
		Doubles: []float64{row.Took.Seconds(), row.Life.Seconds()},
	})
}

// withoutMinter is what an instance does while the minter is out of reach: it mints by
// itself. Its flight is single in this instance only.
func (e *Engine) withoutMinter(ctx context.Context, s *slot, t *target, why Cause, who caller, unreachable error) (*entry, error) {
	e.count.degraded("minter")
	what := "minter unreachable, minting in this instance"
	if t.subject != "" {
		what = "minter unreachable, connection cannot be read"
	}
	e.log.WarnContext(ctx, what, slog.String("server", t.rec.Slug), slog.String("error", unreachable.Error()))
	if t.subject != "" {
		// The refresh token is in the object alone, and two users of it would end it.
		return nil, &oauth.Failure{Class: oauth.Unavailable, Code: codeConnectionUnavailable, Message: "The connection to server " + t.rec.Slug + " cannot be read now."}
	}
	g, err := e.grantOf(t)
	if err != nil {
		return nil, err
	}
	tok, err := e.mint(ctx, g, Mint{
		ServerID: t.rec.ServerID, Server: t.rec.Slug, Cause: why, CallerID: who.ID, CallerName: who.Name, KeyID: who.KeyID, Local: true,
	})
	if err != nil {
		f := oauth.FailureOf(err)
		s.mu.Lock()
		s.failures++
		n := s.failures
		s.mu.Unlock()
		until := time.Now().Add(e.pause(f, n))
		s.fail(f, until, until)
		return nil, f
	}
	s.mu.Lock()
	generation := s.generation
	s.mu.Unlock()
	v := storedOf(tok, generation, why)
	v.Epoch = t.epoch
	e.platform.Background(ctx, func(ctx context.Context) { // nobody waits for KV
		e.share(ctx, t, e.store.seal(&v, t), tok.ExpiresAt, t.rec.Slug, func() int64 {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.generation > v.Generation {
				return s.generation
			}
			return 0
		})
	})
	return newEntry(v, "local", time.Now(), e.settings), nil
}

// pause is how long to wait after the n-th failure in a row (n ≥ 1): the class's first
// pause, doubled n−1 times up to its cap, made longer at random, and at least what Retry-After
// asked for.
func (e *Engine) pause(f *oauth.Failure, n int) time.Duration {
	first, longest := e.settings.BackoffBase, e.settings.BackoffCap
	switch f.Class {
	case oauth.Rejected:
		first, longest = e.settings.RejectedLife, e.settings.RejectedCap
	case oauth.Misconfigured:
		first, longest = e.settings.MisconfiguredLife, e.settings.MisconfiguredCap
	}
	d := first
	for i := 1; i < n && d < longest; i++ {
		d *= 2
	}
	d = min(d, longest)
	d += time.Duration(rand.Float64() * e.settings.BackoffJitter * float64(d))
	return max(d, min(f.RetryAfter, e.settings.RetryAfterCap))
}

var errMinterUnreachable = errors.New("token: minter unreachable")
