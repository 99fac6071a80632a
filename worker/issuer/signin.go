package issuer

import (
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/jwt"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
)

// SignIn is the OpenID provider at which people sign in to the UI.
type SignIn struct {
	Issuer    string   `json:"issuer"`
	ClientID  string   `json:"client_id"`
	Secret    []byte   `json:"client_secret,omitempty"` // sealed; none: a public client
	Scopes    []string `json:"scopes,omitempty"`        // besides openid
	NameClaim string   `json:"name_claim,omitempty"`
	Grants    []Grant  `json:"grants"` // who is admin or viewer, by claims of the ID token
	// Since is the last change: who signed in before signs in again.
	Since time.Time `json:"since"`
}

// Check answers what is wrong with it.
func (s *SignIn) Check(allowLoopback bool) []problem.Field {
	out := Check([]Issuer{{Issuer: s.Issuer, Grants: s.Grants, NameClaim: s.NameClaim}}, allowLoopback)
	for i := range out {
		if n := len("jwt_issuers[0]."); len(out[i].Path) > n {
			out[i].Path = out[i].Path[n:]
		}
	}
	if s.ClientID == "" || len(s.ClientID) > maxText {
		out = append(out, problem.Field{Path: "client_id", Code: "required", Message: "The client that the provider has registered for the gateway."})
	}
	for _, scope := range s.Scopes {
		if len(oauth.ScopeList(scope, 2)) != 1 || len(s.Scopes) > maxList {
			out = append(out, problem.Field{Path: "scopes", Code: "invalid_scope", Message: "Each must be one scope token (RFC 6749 §3.3)."})
			break
		}
	}
	return out
}

// Person answers who the bearer of a verified ID token is, nil if no grant matches.
func (s *SignIn) Person(t *jwt.Token) *access.Principal {
	i := Issuer{Issuer: s.Issuer, NameClaim: s.NameClaim, Grants: s.Grants}
	return i.principal(t, "")
}
