package token

import (
	"net/http"
	"slices"
	"strings"

	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
)

// maxScopes bounds the scopes of a token after a step-up.
const maxScopes = 50

// stepUp answers a 403 insufficient_scope (RFC 6750 §3.1) to the token of t: where the record
// allows it, one token with the union of the scopes, for this and later calls, and one replay.
func (c *client) stepUp(p *plan, t *target, r *http.Request, resp *http.Response, wanted string) (*http.Response, error) {
	e := c.e
	if p.interactive {
		return c.askForScopes(t, r, resp, wanted)
	}
	if !t.rec.AllowStepUp || !replayable(r) {
		e.count.stepUp("not_allowed")
		return resp, nil
	}
	union := slices.Clone(t.grant.Scopes)
	for _, s := range oauth.ScopeList(wanted, maxScopes) {
		if !slices.Contains(union, s) {
			union = append(union, s)
		}
	}
	if len(union) == len(t.grant.Scopes) || len(union) > maxScopes {
		e.count.stepUp("nothing_new")
		return resp, nil
	}
	narrow := t
	if t.narrow != nil {
		narrow = t.narrow
	}
	s := e.slot(narrow)
	wide := s.widen(narrow, union)
	en, err := e.resolve(r.Context(), wide, CauseMiss, "", c.who)
	if err != nil {
		e.count.stepUp("no_token")
		s.unwiden(wide, t)
		return resp, nil
	}
	discard(resp)
	e.count.stepUp("replayed")
	return c.replay(p, p.prepare(wide, en), r)
}

// widen makes the target with these scopes the one that is used in place of narrow, or answers
// the one that another call made meanwhile if it is wide enough.
func (s *slot) widen(narrow *target, scopes []string) *target {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wide != nil && !slices.ContainsFunc(scopes, func(scope string) bool { return !slices.Contains(s.wide.grant.Scopes, scope) }) {
		return s.wide
	}
	g := narrow.grant
	g.Scopes = scopes
	s.wide = newTarget(narrow.rec, g, narrow.origin, narrow.caller)
	s.wide.narrow = narrow
	return s.wide
}

// unwiden goes back to the target of before, because nobody grants the wider scopes.
func (s *slot) unwiden(wide, before *target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wide != wide {
		return
	}
	s.wide = nil
	if before.narrow != nil {
		s.wide = before
	}
}

// widest answers the target that is used in place of narrow.
func (s *slot) widest(narrow *target) *target {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wide != nil {
		return s.wide
	}
	return narrow
}

// askForScopes remembers what the upstream wants and says where the person can grant
// it: nobody else can widen a connection.
func (c *client) askForScopes(t *target, r *http.Request, resp *http.Response, wanted string) (*http.Response, error) {
	scopes := oauth.ScopeList(wanted, maxScopes)
	if len(scopes) == 0 {
		return resp, nil
	}
	wants, err := c.e.wantScopes(r.Context(), t, scopes)
	if err != nil || !wants {
		c.e.count.stepUp("nothing_new")
		return resp, nil
	}
	c.e.count.stepUp("asked")
	discard(resp)
	return nil, problem.New(http.StatusForbidden, CodeScopesWanted,
		"Server "+c.rec.Slug+" asks for further scopes ("+strings.Join(scopes, " ")+"): authorize again at /connect/"+c.rec.Slug+".")
}
