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

// stepUp answers a 403 insufficient_scope (RFC 6750 §3.1): where the record allows it,
// one token with the union of the scopes, for this and later calls, and one replay.
func (c *client) stepUp(p *plan, r *http.Request, resp *http.Response, wanted string) (*http.Response, error) {
	e := c.e
	if p.interactive {
		return c.askForScopes(p, r, resp, wanted)
	}
	if !c.rec.AllowStepUp || p.perCaller || !replayable(r) {
		e.count.stepUp("not_allowed")
		return resp, nil
	}
	t := p.using.Load()
	if t == nil {
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
	wide := p.widen(t, union)
	en, err := e.resolve(r.Context(), wide, CauseMiss, "", c.who)
	if err != nil {
		e.count.stepUp("no_token")
		p.narrow(wide)
		return resp, nil
	}
	discard(resp)
	e.count.stepUp("replayed")
	return c.replay(p, wide, r, en)
}

// widen makes the target with these scopes the plan's, or answers the one that
// another call made meanwhile if it is wide enough.
func (p *plan) widen(from *target, scopes []string) *target {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wide != nil && !slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(p.wide.grant.Scopes, s) }) {
		return p.wide
	}
	g := from.grant
	g.Scopes = scopes
	p.wide = newTarget(from.rec, g, from.origin)
	return p.wide
}

// narrow goes back to the record's scopes, because nobody grants the wider ones.
func (p *plan) narrow(wide *target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wide == wide {
		p.wide = nil
	}
}

// askForScopes remembers what the upstream wants and says where the person can grant
// it: nobody else can widen a connection.
func (c *client) askForScopes(p *plan, r *http.Request, resp *http.Response, wanted string) (*http.Response, error) {
	scopes := oauth.ScopeList(wanted, maxScopes)
	if len(scopes) == 0 {
		return resp, nil
	}
	wants, err := c.e.wantScopes(r.Context(), c.e.connected(p, c.who), scopes)
	if err != nil || !wants {
		c.e.count.stepUp("nothing_new")
		return resp, nil
	}
	c.e.count.stepUp("asked")
	discard(resp)
	return nil, problem.New(http.StatusForbidden, CodeScopesWanted,
		"Server "+c.rec.Slug+" asks for further scopes ("+strings.Join(scopes, " ")+"): authorize again at /connect/"+c.rec.Slug+".")
}
