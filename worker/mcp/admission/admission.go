// Package admission decides whether a request may enter the data path: who calls,
// which server it is for, and whether there is room for it.
package admission

import (
	"context"
	"errors"
	"net/http"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// Gate admits requests.
type Gate struct {
	Authenticator access.Authenticator
	Source        registry.Source
	Rate          *Rate  // nil: no limit of the rate
	Slots         *Slots // nil: no limit of the number at once
	// Denied is told of a server that a caller may not use; nil: nobody is.
	Denied func(ctx context.Context, rec *registry.Record, p *access.Principal, tool, code string)
}

// ErrNoServer is the answer for a server that is not there, or not for this caller.
var ErrNoServer = problem.New(http.StatusNotFound, "server_not_found", "There is no such MCP server, or this access key may not use it.")

// Caller authenticates a request and takes one permit of the caller's rate.
func (g *Gate) Caller(r *http.Request) (*access.Principal, error) {
	p, err := g.Authenticator.Authenticate(r)
	if err != nil {
		return nil, err
	}
	if g.Rate != nil {
		if err := g.Rate.Take(r.Context(), p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Server finds a server that the caller may use. One that the caller may not use looks as
// if it did not exist.
func (g *Gate) Server(ctx context.Context, p *access.Principal, ref string) (*registry.Record, error) {
	rec, err := g.Source.Lookup(ctx, ref)
	switch {
	case errors.Is(err, registry.ErrNotFound):
		return nil, ErrNoServer
	case err == nil && !MayUse(p, rec):
		if g.Denied != nil {
			g.Denied(ctx, rec, p, "", "server_not_granted")
		}
		return nil, ErrNoServer
	case err != nil:
		return nil, problem.New(http.StatusServiceUnavailable, "directory_unavailable", "The server's record cannot be read now.").Because(err)
	case rec.Disabled:
		return nil, problem.New(http.StatusForbidden, "server_disabled", "This MCP server is disabled.")
	}
	return rec, nil
}

// Servers answers every enabled server that the caller may use, ordered by slug.
func (g *Gate) Servers(ctx context.Context, p *access.Principal) ([]*registry.Record, error) {
	all, err := g.Source.All(ctx)
	if err != nil {
		return nil, problem.New(http.StatusServiceUnavailable, "directory_unavailable", "The servers' records cannot be read now.").Because(err)
	}
	recs := make([]*registry.Record, 0, len(all))
	for _, rec := range all {
		if !rec.Disabled && MayUse(p, rec) {
			recs = append(recs, rec)
		}
	}
	return recs, nil
}

// MayUse reports whether the caller may use the server at all.
func MayUse(p *access.Principal, rec *registry.Record) bool {
	return rec.AllowAllKeys || p.MayUse(rec.ServerID, rec.Groups)
}
