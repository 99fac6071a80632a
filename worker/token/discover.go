package token

import (
	"context"
	"net/http"

	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
)

// Metadata is what a server and its authorization server publish about themselves
// (RFC 9728, RFC 8414).
type Metadata struct {
	Discovery
	AuthorizationURL string   `json:"authorization_url,omitempty"`
	RegistrationURL  string   `json:"registration_url,omitempty"`
	GrantTypes       []string `json:"grant_types_supported,omitempty"`
}

// Discover reads the metadata of the MCP server at this URL and of the first
// authorization server that it names. It sends no credential, and keeps nothing.
func (e *Engine) Discover(ctx context.Context, serverURL string) (*Metadata, error) {
	if err := oauth.CheckURL(serverURL, e.discover.AllowLoopback); err != nil {
		return nil, problem.New(http.StatusUnprocessableEntity, "invalid_url", "The URL cannot be used: "+err.Error()).Because(err)
	}
	r, err := e.discover.Resource(ctx, serverURL)
	if err != nil {
		return nil, oauth.FailureOf(err).Problem(0)
	}
	f := &found{resource: r.Resource, resourceMetadata: r}
	m := &Metadata{}
	if len(r.Issuers) > 0 {
		s, err := e.discover.Server(ctx, r.Issuers[0])
		if err != nil {
			return nil, oauth.FailureOf(err).Problem(0)
		}
		f.issuer, f.tokenURL, f.metadata = s.Issuer, s.TokenURL, s
		m.AuthorizationURL, m.RegistrationURL, m.GrantTypes = s.AuthorizationURL, s.RegistrationURL, s.GrantTypes
	}
	m.Discovery = *f.shown()
	return m, nil
}
