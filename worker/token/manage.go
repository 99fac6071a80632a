package token

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// State says in one word how a server's token is.
type State string

// The states.
const (
	StateValid         State = "valid"          // usable
	StateExpiring      State = "expiring"       // in its early-refresh window or margin
	StateNone          State = "none"           // none anywhere; the next call mints one
	StateFailing       State = "failing"        // the last mint failed, and nothing usable is left
	StateUnusable      State = "misconfigured"  // the record cannot be used as it is
	StatePerCaller     State = "per_caller"     // each caller has a token of its own
	StateNotApplicable State = "not_applicable" // the server needs no token of the gateway
)

// Status is what may be known of a server's token. It holds no byte of it.
type Status struct {
	ServerID   string     `json:"server_id"`
	State      State      `json:"state"`
	Tier       string     `json:"tier"`               // nearest place that has it: l1, l2, minter, none
	Identity   string     `json:"identity,omitempty"` // the identity key: a hash, and the name of the minter
	IssuedAt   *time.Time `json:"issued_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	NextAt     *time.Time `json:"next_refresh_at"` // when this instance begins to refresh it
	Generation int64      `json:"generation"`
	Cause      Cause      `json:"cause,omitempty"` // of its mint
	Scope      string     `json:"scope,omitempty"`
	SecretUsed string     `json:"secret_used,omitempty"` // which of the record's secrets works
	Mints      int64      `json:"mints"`
	Attempts   int64      `json:"attempts"`
	LastError  *LastError `json:"last_error"`
	// MinterReachable is false while the gateway works without the minter: then only
	// what this instance knows is here.
	MinterReachable bool       `json:"minter_reachable"`
	Held            int        `json:"held,omitempty"` // tokens of callers in this instance's memory
	Discovered      *Discovery `json:"discovered,omitempty"`
	Message         string     `json:"message,omitempty"` // why, in the states failing and misconfigured
}

// LastError is the last failed mint.
type LastError struct {
	Class      oauth.Class `json:"class"`
	Code       string      `json:"code"`
	Message    string      `json:"message"`
	Status     int         `json:"idp_status,omitempty"`
	OAuthError string      `json:"oauth_error,omitempty"`
	At         *time.Time  `json:"at"`
	Failures   int         `json:"failures"` // in a row; 0 after a success
	RetryAt    *time.Time  `json:"retry_at"` // no attempt before; null: the next call tries
}

// Discovery is what was found for a record that leaves something to be discovered.
type Discovery struct {
	TokenURL            string   `json:"token_url"`
	Issuer              string   `json:"issuer,omitempty"`
	Resource            string   `json:"resource,omitempty"`
	ResourceMetadataURL string   `json:"resource_metadata_url,omitempty"`
	ServerMetadataURL   string   `json:"server_metadata_url,omitempty"`
	ScopesSupported     []string `json:"scopes_supported,omitempty"`
	AuthMethods         []string `json:"token_endpoint_auth_methods_supported,omitempty"`
}

func (f *found) shown() *Discovery {
	d := &Discovery{TokenURL: f.tokenURL, Issuer: f.issuer, Resource: f.resource}
	if f.resourceMetadata != nil {
		d.ResourceMetadataURL, d.ScopesSupported = f.resourceMetadata.MetadataURL, f.resourceMetadata.Scopes
	}
	if f.metadata != nil {
		d.ServerMetadataURL, d.AuthMethods = f.metadata.MetadataURL, f.metadata.AuthMethods
		if d.ScopesSupported == nil {
			d.ScopesSupported = f.metadata.Scopes
		}
	}
	return d
}

// Status looks in all three places. It may discover the token endpoint; it never mints. Where
// callers have tokens of their own it is that of a caller's, if it can be known; by is who asks.
func (e *Engine) Status(ctx context.Context, rec *registry.Record, caller string, by *access.Principal) *Status {
	st := &Status{ServerID: rec.ServerID, Tier: "none", State: StateNone, MinterReachable: true}
	p, t := e.manageable(ctx, rec, st, caller, by)
	if t == nil {
		return st
	}
	if p.discovers() && !p.interactive {
		if f, err := e.find(ctx, p); err == nil {
			st.Discovered = f.shown()
		}
	}
	now := time.Now()
	st.Identity = t.identity
	s := e.slot(t)
	ms := &minterState{}
	if err := e.callMinter(ctx, t.identity, "status", e.keyring.Seal(nil, "status", t.identity), ms); err != nil {
		st.MinterReachable = false
	}
	if ms.Epoch < t.epoch { // purged, which the object is not told before it is asked for a token
		ms = &minterState{Generation: ms.Generation, Mints: ms.Mints, Attempts: ms.Attempts}
	}
	st.Generation, st.Mints, st.Attempts = ms.Generation, ms.Mints, ms.Attempts
	st.minterSays(ms, now)
	var en *entry
	if v, err := e.store.get(ctx, t); err == nil && !v.Purged && v.Generation >= ms.Generation && v.Epoch >= t.epoch {
		if en = newEntry(v, "l2", now, e.settings); en.alive(now) {
			st.Tier = "l2"
		}
	}
	// One of an older generation was purged elsewhere, and is dropped here soon.
	if l1 := s.entry.Load(); l1.alive(now) && l1.Generation >= ms.Generation {
		en, st.Tier = l1, "l1"
	}
	switch {
	case en.alive(now):
		st.describe(&en.stored, en.usable(now) && now.Before(en.refreshAt))
		st.NextAt = moment(en.refreshAt)
	case ms.Sealed != nil && now.UnixMilli() < ms.ExpiresAt:
		st.Tier = "minter"
		v := stored{IssuedAt: ms.IssuedAt, ExpiresAt: ms.ExpiresAt, Generation: ms.Generation, Cause: ms.Cause, SecretUsed: ms.SecretUsed, Scope: ms.Scope}
		begin := now.Add(-now.Sub(time.UnixMilli(v.IssuedAt)))
		refresh := begin.Add(usableFor(v.life(), e.settings) - earlyWindow(v.life(), e.settings))
		st.describe(&v, now.Before(refresh))
		st.NextAt = moment(refresh)
	case st.LastError != nil && st.LastError.Failures > 0:
		st.State, st.Message = StateFailing, st.LastError.Message
	}
	if !st.MinterReachable {
		s.mu.Lock()
		if s.failure != nil && st.LastError == nil {
			st.LastError = lastError(s.failure, max(1, s.failures), time.Time{}, s.notBefore)
		}
		s.mu.Unlock()
	}
	return st
}

// manageable answers the one target that is meant, or says in st why there is none.
func (e *Engine) manageable(ctx context.Context, rec *registry.Record, st *Status, caller string, by *access.Principal) (*plan, *target) {
	p := e.plan(rec)
	if p.refusal != nil {
		st.State, st.Message = StateUnusable, problem.From(p.refusal).Message
		return p, nil
	}
	if !p.oauth {
		st.State = StateNotApplicable
		return p, nil
	}
	find := func() (*target, error) { return e.target(ctx, p, nil) }
	if p.perCaller {
		find = func() (*target, error) { return e.targetOfCaller(ctx, p, caller, by) }
	}
	t, err := find()
	if err == nil && t == nil {
		st.State, st.Generation = StatePerCaller, rec.EpochOf(caller)
		e.countHeld(st, rec, caller)
		return p, nil
	}
	if err != nil {
		st.State, st.Message = StateUnusable, problem.From(err).Message
		return p, nil
	}
	return p, t
}

// countHeld says what this instance holds for callers that have tokens of their own, or for one
// of them, and the failure among them that lasts longest.
func (e *Engine) countHeld(st *Status, rec *registry.Record, caller string) {
	now := time.Now()
	e.slots.mu.Lock()
	defer e.slots.mu.Unlock()
	var latest time.Time
	for _, s := range e.slots.m {
		if s.server != rec.ServerID || caller != "" && s.caller != caller {
			continue
		}
		if en := s.entry.Load(); en.alive(now) && en.Epoch >= rec.EpochOf(s.caller) {
			st.Held++
		}
		if f, until := s.failing(now); f != nil && until.After(latest) {
			latest, st.LastError = until, lastError(f, 1, time.Time{}, until)
		}
	}
	st.Message = "Each caller has a token of its own. This instance holds " + strconv.Itoa(st.Held) + "."
}

func (st *Status) describe(v *stored, fresh bool) {
	st.State = StateValid
	if !fresh {
		st.State = StateExpiring
	}
	st.IssuedAt, st.ExpiresAt = moment(time.UnixMilli(v.IssuedAt)), moment(time.UnixMilli(v.ExpiresAt))
	st.Generation, st.Cause, st.SecretUsed, st.Scope = v.Generation, v.Cause, v.SecretUsed, v.Scope
}

func (st *Status) minterSays(ms *minterState, now time.Time) {
	if ms.LastFailure == nil {
		return
	}
	until := time.Time{}
	if ms.Failure != nil && now.UnixMilli() < ms.NotBefore {
		until = time.UnixMilli(ms.NotBefore)
	}
	st.LastError = lastError(ms.LastFailure, ms.Failures, time.UnixMilli(ms.FailedAt), until)
}

func lastError(f *oauth.Failure, failures int, at, until time.Time) *LastError {
	return &LastError{f.Class, f.Code, f.Message, f.Status, f.OAuthError, moment(at), failures, moment(until)}
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Round(0).Truncate(time.Millisecond)
	return &t
}

// Refresh mints a new token now, whatever is cached, and answers the status. Only a
// Retry-After of the authorization server holds it back. Where callers have tokens of their own it
// is that of the caller: of anybody's connection, but with a JWT only of who asks.
func (e *Engine) Refresh(ctx context.Context, rec *registry.Record, caller string, by *access.Principal) (*Status, error) {
	if p := e.plan(rec); caller == "" && p.perCaller && !p.interactive && by != nil {
		caller = by.ID
	}
	t, err := e.managed(ctx, rec, caller, by)
	if err != nil {
		return nil, err
	}
	if _, err := e.resolve(ctx, t, CauseRefresh, "", by); err != nil {
		return nil, ended(err)
	}
	return e.Status(ctx, rec, caller, by), nil
}

// ended gives the failure that only the connection's person can mend a status for others.
func ended(err error) error {
	p := problem.From(err)
	if p.Code != CodeConnectionEnded {
		return err
	}
	q := *p
	q.Status = http.StatusConflict
	return &q
}

func (e *Engine) managed(ctx context.Context, rec *registry.Record, caller string, by *access.Principal) (*target, error) {
	st := &Status{}
	p, t := e.manageable(ctx, rec, st, caller, by)
	switch {
	case t != nil:
		return t, nil
	case st.State == StateUnusable && p.refusal != nil:
		return nil, p.refusal
	case st.State == StateUnusable:
		return nil, problem.New(http.StatusBadGateway, "token_unavailable", st.Message)
	case st.State == StatePerCaller:
		return nil, perCallerOnly(p, rec.Slug)
	}
	return nil, problem.New(http.StatusConflict, "token_not_applicable", "Server "+rec.Slug+" needs no access token of the gateway.")
}

// Purge voids the record's tokens everywhere. This instance forgets at once; another
// one within GRANTWAY_TOKEN_RECHECK_SECONDS and KV's delay of up to 60 s, or at its first
// 401. It answers the new generation. A server whose tokens ByEpoch are many has its epoch
// raised instead.
func (e *Engine) Purge(ctx context.Context, rec *registry.Record) (int64, error) {
	t, err := e.managed(ctx, rec, "", nil)
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(purgeRequest{IssuerAt: t.issuerAt, Origin: t.origin, Server: rec.Slug})
	if err != nil {
		return 0, err
	}
	var a purgeAnswer
	s := e.slot(t)
	if err := e.callMinter(ctx, t.identity, "purge", e.keyring.Seal(body, "purge", t.identity), &a); err != nil {
		e.count.degraded("minter")
		s.entry.Store(nil)
		return 0, problem.New(http.StatusServiceUnavailable, "minter_unavailable", "The token was dropped in this instance only: the minter is out of reach. Repeat the purge.").Because(err)
	}
	s.begin(a.Generation)
	return a.Generation, nil
}

// Forget drops what this instance remembers of a record that was deleted or changed.
func (e *Engine) Forget(serverID string) {
	e.plans.mu.Lock()
	defer e.plans.mu.Unlock()
	delete(e.plans.m, serverID)
}

// RefreshDue refreshes the tokens of keep_warm servers that end soon. A failure of
// one does not stop the others; the first is answered.
func (e *Engine) RefreshDue(ctx context.Context, records []*registry.Record) error {
	var first error
	for _, rec := range records {
		if !rec.KeepWarm || rec.Disabled || !rec.M2M() {
			continue
		}
		p := e.plan(rec)
		if p.refusal != nil {
			continue
		}
		t, err := e.target(ctx, p, nil)
		if err == nil {
			_, err = e.askMinter(ctx, e.slot(t), t, CauseCron, "", caller{})
		}
		if err != nil && first == nil {
			first = errors.New("keep_warm: server " + rec.Slug + ": " + oauth.FailureOf(err).Code)
		}
	}
	return first
}
