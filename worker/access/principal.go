// Package access decides who a caller is and what the caller may do: access keys,
// JWTs, sessions of the browser UI, roles, grants.
package access

import (
	"context"
	"net/http"

	"github.com/grantway/grantway/worker/registry"
)

// Role says what a principal may do besides calling servers.
type Role string

const (
	RoleCaller Role = "caller" // calls the servers it was granted
	RoleViewer Role = "viewer" // sees everything but secrets, changes nothing
	RoleAdmin  Role = "admin"  // everything
)

// TokenHolder begins the id of a principal that came with a JWT.
const TokenHolder = "jwt:"

// Principal is an authenticated caller.
type Principal struct {
	ID      string // stable and not secret: "key:<id>", "jwt:<issuer hash>:<sub>", "bootstrap"
	KeyID   string // id of the access key, if it was one
	Name    string // for people
	Role    Role
	Subject string // sub of a verified JWT, if it was one
	// JWT is the caller's verified token where a server's flow asks for it
	// (jwt_bearer, token_exchange). Never logged.
	JWT string

	// AllServers grants every server; else Servers (ids) and Groups do.
	AllServers bool
	Servers    []string
	Groups     []string
	// Tools restricts the tools per server id; no entry means every tool that the
	// server's own policy allows, an empty list means none.
	Tools map[string][]string
	// RequestsPerMinute limits this principal; 0 means the default limit.
	RequestsPerMinute int

	session *Session // of a browser, or nil
}

// Authenticator finds the principal of a request, or answers a *problem.Problem
// with status 401 or 403.
type Authenticator interface {
	Authenticate(r *http.Request) (*Principal, error)
}

type principalKey struct{}

// WithPrincipal puts the principal into the context.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext answers the principal of the request that ctx belongs to, or nil.
func FromContext(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	return p
}

// MayUse reports whether the principal may call the server with this id and these groups.
func (p *Principal) MayUse(serverID string, groups []string) bool {
	if p == nil {
		return false
	}
	if p.AllServers || p.Role == RoleAdmin {
		return true
	}
	for _, s := range p.Servers {
		if s == serverID {
			return true
		}
	}
	for _, g := range p.Groups {
		for _, h := range groups {
			if g == h {
				return true
			}
		}
	}
	return false
}

// MayUseTool reports whether the principal's own tool list allows the tool. The
// server's policy is asked separately.
func (p *Principal) MayUseTool(serverID, tool string) bool {
	list, restricted := p.Tools[serverID]
	if !restricted {
		return true
	}
	for _, t := range list {
		if t == tool {
			return true
		}
	}
	return false
}

// MayCall reports whether the principal may call this server: by its own grants,
// or because the server is open to every key.
func (p *Principal) MayCall(rec *registry.Record) bool {
	return p != nil && (rec.AllowAllKeys || p.MayUse(rec.ServerID, rec.Groups))
}
