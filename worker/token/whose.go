package token

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// Where callers have tokens of their own, the management names a caller by the principal's id, as
// the audit log does, or by SharedSubject.

// ByEpoch reports whether the server may have several tokens at once: of its callers, or with
// different scopes. They are purged by a new epoch of the record: what was minted before is then
// neither used nor waited for, also if the mint was under way.
func (e *Engine) ByEpoch(rec *registry.Record) bool {
	return e.plan(rec).perCaller || rec.AllowStepUp
}

// LongestLife is the longest that a token is used after its issue.
func (e *Engine) LongestLife() time.Duration { return e.settings.MaxLife + e.settings.ClockTolerance }

// CheckCaller answers a *problem.Problem if this caller can have no token at the server: 409
// token_not_per_caller, 404 not_connected or caller_unknown. Whether one who comes with a JWT has
// a token there at the moment is known to nobody.
func (e *Engine) CheckCaller(ctx context.Context, rec *registry.Record, caller string) error {
	p := e.plan(rec)
	switch {
	case !p.perCaller:
		return problem.New(http.StatusConflict, "token_not_per_caller", "Server "+rec.Slug+" has one token for all callers: leave the caller away.")
	case p.interactive:
		c, _, err := e.connection(ctx, connectionTarget(rec, p.grant, p.origin, caller))
		if err == nil && c == nil {
			err = problem.New(http.StatusNotFound, "not_connected", "This caller has no connection to server "+rec.Slug+".")
		}
		return err
	case !strings.HasPrefix(caller, access.TokenHolder):
		return problem.New(http.StatusNotFound, "caller_unknown", "Callers of server "+rec.Slug+" come with a JWT: their ids begin with "+access.TokenHolder+", as the audit log shows them.")
	}
	return nil
}

// targetOfCaller answers the target of a caller's token, if it can be known: nil for nobody's, and
// where it depends on a JWT that is not there. The gateway keeps no caller's JWT.
func (e *Engine) targetOfCaller(ctx context.Context, p *plan, caller string, by *access.Principal) (*target, error) {
	switch {
	case caller == "":
		return nil, nil
	case p.interactive:
		return connectionTarget(p.rec.Load(), p.grant, p.origin, caller), nil
	case by != nil && by.ID == caller && by.JWT != "":
		return e.target(ctx, p, by)
	}
	return nil, nil
}

// perCallerOnly says why there is no token to refresh.
func perCallerOnly(p *plan, server string) *problem.Problem {
	message := "Server " + server + " has a token for each connection: name the caller."
	if !p.interactive {
		message = "Server " + server + " has a token for each caller, which only the caller's own JWT can renew. If it is purged, the caller's next call gets a new one."
	}
	return problem.New(http.StatusConflict, "token_per_caller", message)
}
