package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

// minterKey is the one storage key of a MINTER object.
const minterKey = "state"

// minterState is what a MINTER object keeps, as JSON. Times are Unix milliseconds.
type minterState struct {
	Generation  int64  `json:"generation"`
	Epoch       int64  `json:"epoch,omitempty"`
	Voided      bool   `json:"voided,omitempty"` // by a purge, and no token since
	Sealed      []byte `json:"sealed,omitempty"` // the token, sealed as in KV TOKENS
	Fingerprint string `json:"fingerprint,omitempty"`
	IssuedAt    int64  `json:"issued_at,omitempty"`
	ExpiresAt   int64  `json:"expires_at,omitempty"`
	Cause       Cause  `json:"cause,omitempty"`
	SecretUsed  string `json:"secret_used,omitempty"`
	Scope       string `json:"scope,omitempty"`
	Mints       int64  `json:"mints,omitempty"`    // that brought a token
	Attempts    int64  `json:"attempts,omitempty"` // token requests in all

	Failure   *oauth.Failure `json:"failure,omitempty"` // of the last attempt, absent after a success
	Failures  int            `json:"failures,omitempty"`
	FailedAt  int64          `json:"failed_at,omitempty"`
	NotBefore int64          `json:"not_before,omitempty"`
	// LastFailure stays after a success, for the status.
	LastFailure *oauth.Failure `json:"last_failure,omitempty"`

	// Connection is a Connection, sealed, in the object of an interactive server.
	Connection []byte `json:"connection,omitempty"`

	// Refusals of tokens by the upstream, in a row.
	Refusals  int   `json:"refusals,omitempty"`
	RefusedAt int64 `json:"refused_at,omitempty"` // when a token was last minted because of one
}

// flights are the mints under way in MINTER objects of this instance, by object name.
// This memory may outlive an object; it is never the truth.
type flights struct {
	mu sync.Mutex
	m  map[string]*mintFlight
}

type mintFlight struct {
	begun time.Time
	done  chan struct{}
	state *minterState // after the mint
	once  []byte       // a token that was over at once, sealed: for the waiters only
	err   error
}

func newFlights() *flights { return &flights{m: map[string]*mintFlight{}} }

var (
	errPurgedMeanwhile = errors.New("token: purged while it was minted")
	errBrokenOff       = errors.New("token: the work broke off with the request that began it")
	errDecidedBefore   = errors.New("token: another mint ended before this one began")
)

// ServeObject serves a MINTER object.
func (e *Engine) ServeObject(w http.ResponseWriter, r *http.Request, a platform.Actor) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxMinterMessage))
	if err != nil {
		problem.Write(w, r, problem.New(http.StatusBadRequest, "unreadable_body", "The message broke off."))
		return
	}
	action := strings.TrimPrefix(r.URL.Path, "/")
	plain, err := e.keyring.Open(body, action, a.Name)
	if err != nil {
		problem.Write(w, r, problem.New(http.StatusForbidden, "message_unreadable", "The message was not sealed for this object."))
		return
	}
	var answer any
	switch action {
	case "mint":
		var req mintRequest
		if json.Unmarshal(plain, &req) != nil {
			problem.Write(w, r, problem.New(http.StatusBadRequest, "invalid_json", "The message is not JSON."))
			return
		}
		answer, err = e.serveMint(r.Context(), a, &req)
	case "purge":
		var req purgeRequest
		if json.Unmarshal(plain, &req) != nil {
			problem.Write(w, r, problem.New(http.StatusBadRequest, "invalid_json", "The message is not JSON."))
			return
		}
		answer, err = e.servePurge(r.Context(), a, &req)
	case "connect", "disconnect", "want":
		var req connectRequest
		if json.Unmarshal(plain, &req) != nil {
			problem.Write(w, r, problem.New(http.StatusBadRequest, "invalid_json", "The message is not JSON."))
			return
		}
		answer, err = e.serveConnection(r.Context(), a, action, &req)
	case "status":
		answer, err = e.serveStatus(r.Context(), a)
	case "bind":
		answer, err = e.serveBind(r.Context(), a, string(plain))
	default:
		err = problem.New(http.StatusNotFound, "not_found", "The minter does not know this action.")
	}
	if err != nil {
		e.log.ErrorContext(r.Context(), "minter failed", slog.String("action", action), slog.String("error", err.Error()))
		problem.Write(w, r, err)
		return
	}
	b, err := json.Marshal(answer)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}

// serveMint answers the token at hand, the failure that stands, or the outcome of
// the one mint under way.
func (e *Engine) serveMint(ctx context.Context, a platform.Actor, req *mintRequest) (*mintAnswer, error) {
	if err := e.enterEpoch(ctx, a, req.Epoch); err != nil {
		return nil, err
	}
	brokenOff := 0
	for range maxRounds {
		st, seen, err := loadMinter(ctx, a.Storage)
		if err != nil {
			return nil, err
		}
		if answer := e.decide(st, req, time.Now()); answer != nil {
			return answer, nil
		}
		after := *req
		after.Epoch = max(req.Epoch, st.Epoch) // who asks may not have heard of the latest
		if st.Voided && req.Cause == CauseMiss {
			after.Cause = CausePurge
		}
		req = &after
		fl, began := e.flyMint(ctx, a, req, st.Generation, seen)
		select {
		case <-fl.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		switch {
		case errors.Is(fl.err, errPurgedMeanwhile), errors.Is(fl.err, errDecidedBefore):
			continue
		case errors.Is(fl.err, errBrokenOff) && !began && brokenOff == 0:
			brokenOff++ // it belonged to an earlier life of the object
			continue
		case fl.err != nil:
			return nil, fl.err
		case fl.once != nil:
			return &mintAnswer{Generation: fl.state.Generation, Sealed: fl.once}, nil
		case fl.state.Failure != nil:
			return fl.state.failureAnswer(), nil
		}
		return &mintAnswer{Generation: fl.state.Generation, Sealed: fl.state.Sealed}, nil
	}
	return nil, problem.New(http.StatusServiceUnavailable, "token_contended", "The token changes faster than it can be answered.")
}

func (s *minterState) failureAnswer() *mintAnswer {
	return &mintAnswer{Generation: s.Generation, Failure: s.Failure, NotBefore: s.NotBefore}
}

// decide answers what needs no mint, or nil.
func (e *Engine) decide(st *minterState, req *mintRequest, now time.Time) *mintAnswer {
	ms := now.UnixMilli()
	life := time.Duration(st.ExpiresAt-st.IssuedAt) * time.Millisecond
	alive := st.Sealed != nil && ms < st.ExpiresAt && !e.ahead(now, st.IssuedAt)
	usable := alive && ms < st.IssuedAt+usableFor(life, e.settings).Milliseconds()
	other := st.Fingerprint != req.Have
	token := &mintAnswer{Generation: st.Generation, Sealed: st.Sealed}
	waiting := st.Failure != nil && ms < st.NotBefore && !e.ahead(now, st.FailedAt)
	switch req.Cause {
	case CauseRefresh:
		if waiting && st.Failure.RetryAfter > 0 {
			return st.failureAnswer()
		}
		return nil
	case CauseUnauthorized:
		if usable && other {
			return token
		}
		if wait := e.refusalPause(st.Refusals); !waiting && st.Refusals > 0 && now.Sub(time.UnixMilli(st.RefusedAt)) < wait && !e.ahead(now, st.RefusedAt) {
			return &mintAnswer{Generation: st.Generation, NotBefore: st.RefusedAt + wait.Milliseconds(), Failure: &oauth.Failure{
				Class: oauth.Rejected, Code: codeUpstreamRefuses, Message: "The upstream refuses access tokens, new ones too: check scopes, audience and upstream_resource.",
			}}
		}
	case CauseEarly:
		if usable && other {
			return token
		}
	case CauseCron:
		window := max(min(e.settings.KeepWarmWindow, life/2), earlyWindow(life, e.settings))
		if usable && ms < st.ExpiresAt-window.Milliseconds() {
			return token
		}
	default:
		if usable {
			return token
		}
	}
	if !waiting {
		return nil
	}
	answer := st.failureAnswer()
	if alive && other && req.Cause != CauseUnauthorized {
		answer.Sealed = st.Sealed
	}
	return answer
}

// ahead says whether a time of the past lies in the future: the clock was set back since, and
// nobody knows how long ago it was.
func (e *Engine) ahead(now time.Time, ms int64) bool {
	return time.UnixMilli(ms).Sub(now) > e.settings.ClockTolerance
}

// refusalPause is the shortest time between two mints that the upstream's refusals
// cause: none after the first, then growing as the back-off does.
func (e *Engine) refusalPause(refusals int) time.Duration {
	if refusals == 0 {
		return 0
	}
	d := e.settings.BackoffBase
	for i := 1; i < refusals && d < e.settings.BackoffCap; i++ {
		d *= 2
	}
	return min(d, e.settings.BackoffCap)
}

// longestMint is more than a mint takes: an identity assertion, or the server's metadata, and
// requests with two secrets.
func (e *Engine) longestMint() time.Duration {
	return 3*e.settings.IdPTimeout + e.settings.MetadataTimeout + 5*time.Second
}

// flyMint joins the object's mint or begins one that belongs to background work. A
// flight that lasts longer than any mint can is of an earlier life and is replaced.
//
// seen is the state by which the caller decided that a mint is needed. If another mint
// ended since, its outcome may serve: then nothing is minted, and all decide again.
func (e *Engine) flyMint(ctx context.Context, a platform.Actor, req *mintRequest, generation int64, seen []byte) (fl *mintFlight, began bool) {
	e.mints.mu.Lock()
	defer e.mints.mu.Unlock()
	now := time.Now()
	if fl := e.mints.m[a.Name]; fl != nil && now.Sub(fl.begun) < e.longestMint() {
		return fl, false
	}
	fl = &mintFlight{begun: now, done: make(chan struct{}), err: errBrokenOff}
	e.mints.m[a.Name] = fl
	e.platform.Background(ctx, func(ctx context.Context) {
		after := func() {}
		func() {
			defer func() {
				e.mints.mu.Lock()
				if e.mints.m[a.Name] == fl {
					delete(e.mints.m, a.Name)
				}
				e.mints.mu.Unlock()
				close(fl.done)
			}()
			if ctx.Err() != nil {
				return // errBrokenOff
			}
			if _, now, err := loadMinter(ctx, a.Storage); err == nil && !bytes.Equal(now, seen) {
				fl.err = errDecidedBefore
				return
			}
			fl.state, fl.once, after, fl.err = e.mintInObject(ctx, a, req, generation)
		}()
		after() // KV is written when nobody waits any more
	})
	return fl, true
}

// mintInObject performs one token request and keeps its outcome, if no purge came
// between.
func (e *Engine) mintInObject(ctx context.Context, a platform.Actor, req *mintRequest, generation int64) (st *minterState, once []byte, after func(), err error) {
	after = func() {}
	t := &target{identity: a.Name, issuerAt: req.IssuerAt, origin: req.Origin, subject: req.Subject}
	g, conn := &req.Grant, (*Connection)(nil)
	if t.subject != "" {
		st, _, err := loadMinter(ctx, a.Storage)
		if err != nil {
			return nil, nil, after, err
		}
		if g, conn, err = e.renewal(st, a.Name, req); err != nil {
			return &minterState{
				Generation: generation, Failure: oauth.FailureOf(err), NotBefore: time.Now().Add(unconnectedPause).UnixMilli(),
			}, nil, after, nil
		}
	}
	row := Mint{ServerID: req.ServerID, Server: req.Grant.Server, Cause: req.Cause, CallerID: req.Caller.ID, CallerName: req.Caller.Name, KeyID: req.Caller.KeyID}
	var tok *oauth.Token
	var failed error
	if conn != nil {
		tok, failed = e.renew(ctx, req, g, conn, row)
	} else {
		tok, failed = e.mint(ctx, g, row)
	}
	now := time.Now()
	var v stored
	var sealed []byte
	if failed == nil {
		v = storedOf(tok, generation, req.Cause)
		v.Epoch = req.Epoch
		sealed = e.store.seal(&v, t)
	}
	purged := false
	st, err = e.updateMinter(ctx, a.Storage, func(st *minterState) error {
		if conn != nil {
			// What became of the refresh token is true even if the token is void.
			if err := e.rotate(st, a.Name, conn, tok, failed); err != nil {
				return err
			}
		}
		if purged = st.Generation != generation; purged {
			if conn == nil {
				return errPurgedMeanwhile
			}
			return nil
		}
		st.Attempts++
		if req.Cause == CauseUnauthorized {
			if now.Sub(time.UnixMilli(st.RefusedAt)) > e.settings.BackoffCap+e.refusalPause(st.Refusals) {
				st.Refusals = 0
			}
			st.Refusals, st.RefusedAt = st.Refusals+1, now.UnixMilli()
			if st.Fingerprint == req.Have {
				st.forget()
			}
		}
		if failed != nil {
			f := oauth.FailureOf(failed)
			st.Failures++
			st.Failure, st.LastFailure, st.FailedAt = f, f, now.UnixMilli()
			st.NotBefore = now.Add(e.pause(f, st.Failures)).UnixMilli()
			return nil
		}
		st.Failure, st.Failures, st.NotBefore, st.Voided = nil, 0, 0, false
		st.Mints++
		st.Sealed, st.Fingerprint, st.Scope = sealed, fingerprintOf(v.Token), v.Scope
		st.IssuedAt, st.ExpiresAt, st.Cause, st.SecretUsed = v.IssuedAt, v.ExpiresAt, v.Cause, v.SecretUsed
		return nil
	})
	if err == nil && purged {
		err = errPurgedMeanwhile
	}
	switch {
	case errors.Is(err, errPurgedMeanwhile):
		e.count.discarded("purged")
		return nil, nil, after, err
	case err != nil:
		// The outcome is good although it cannot be kept: those who wait get it.
		if gone(err) {
			return nil, nil, after, errBrokenOff
		}
		e.count.degraded("storage")
		e.log.ErrorContext(ctx, "minter storage unreachable", slog.String("server", req.Grant.Server), slog.String("error", err.Error()))
		st = &minterState{Generation: generation, Sealed: sealed}
		if failed != nil {
			st.Failure = oauth.FailureOf(failed)
			st.NotBefore = now.Add(e.pause(st.Failure, 1)).UnixMilli()
		}
	}
	if failed != nil {
		return st, nil, after, nil
	}
	if v.ExpiresAt <= v.IssuedAt {
		return st, sealed, after, nil
	}
	return st, nil, func() {
		e.share(ctx, t, sealed, tok.ExpiresAt, req.Grant.Server, func() int64 {
			if now, _, err := loadMinter(ctx, a.Storage); err == nil && now.Generation > generation {
				return now.Generation
			}
			return 0
		})
	}, nil
}

// forget drops the token but not the history.
func (s *minterState) forget() {
	s.Sealed, s.Fingerprint, s.IssuedAt, s.ExpiresAt, s.Cause, s.Scope = nil, "", 0, 0, "", ""
}

// gone says whether the object's life ended under the operation.
func gone(err error) bool {
	var e *platform.Error
	return errors.As(err, &e) && (e.Code == platform.CodeGone || e.Code == platform.CodeCanceled)
}

func loadMinter(ctx context.Context, s platform.Storage) (*minterState, []byte, error) {
	raw, err := s.Get(ctx, minterKey)
	if errors.Is(err, platform.ErrNotFound) {
		return &minterState{}, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	st := &minterState{}
	if json.Unmarshal(raw, st) != nil {
		st = &minterState{} // written by nobody but this package: start anew
	}
	return st, raw, nil
}

// updateMinter changes the state atomically: read, change, write if still as read.
func (e *Engine) updateMinter(ctx context.Context, s platform.Storage, change func(*minterState) error) (*minterState, error) {
	for {
		st, raw, err := loadMinter(ctx, s)
		if err != nil {
			return nil, err
		}
		if err := change(st); err != nil {
			return nil, err
		}
		b, err := json.Marshal(st)
		if err != nil {
			return nil, err
		}
		expect := platform.Absent(minterKey)
		if raw != nil {
			expect = platform.Expect(minterKey, raw)
		}
		done, err := s.Transact(ctx, expect, platform.Put(minterKey, b))
		if err != nil {
			return nil, err
		}
		if done {
			return st, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}
