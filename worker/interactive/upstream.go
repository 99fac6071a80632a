package interactive

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

// authority is where a person authorizes the gateway for a record, and as which client.
type authority struct {
	oauth.Server
	resource string   // RFC 8707, "" to send none
	scopes   []string // to ask for
	client   oauth.Registration
	own      bool // the client is the gateway's, not the record's
}

// authority finds the authorization server of a record (RFC 9728, RFC 8414, OpenID
// Connect Discovery), and the client to use there.
func (h *Handler) authority(ctx context.Context, rec *registry.Record, base, subject string) (*authority, error) {
	a := &authority{}
	explicit := rec.AuthorizationURL != "" && rec.TokenURL != ""
	r, err := h.Discovery.Resource(ctx, rec.URL)
	switch {
	case err == nil:
		a.resource = r.Resource
	case !oauth.FailureOf(err).Absent && !explicit:
		return nil, problemOf(err)
	}
	if rec.UpstreamResource != "" && rec.UpstreamResource != "auto" {
		a.resource = rec.UpstreamResource
	}
	if err := h.server(ctx, a, rec, r, explicit); err != nil {
		return nil, err
	}
	for _, at := range []string{a.AuthorizationURL, a.TokenURL} {
		if err := oauth.CheckURL(at, h.Discovery.AllowLoopback); err != nil {
			return nil, problem.New(http.StatusBadGateway, "authorization_url_refused", "Nobody is sent to the authorization server of "+rec.Slug+": "+err.Error()+".")
		}
	}
	switch {
	case len(rec.Scopes) > 0:
		a.scopes = slices.Clone(rec.Scopes)
	case r != nil && len(r.Challenged) > 0:
		a.scopes = r.Challenged
	case r != nil:
		a.scopes = slices.Clone(r.Scopes)
	}
	a.scopes = union(a.scopes, h.Engine.WantedScopes(ctx, rec, subject))
	if slices.Contains(a.Scopes, "offline_access") {
		a.scopes = union(a.scopes, []string{"offline_access"})
	}
	return a, h.client(ctx, a, rec, base)
}

// server fills in the authorization server.
func (h *Handler) server(ctx context.Context, a *authority, rec *registry.Record, r *oauth.Resource, explicit bool) error {
	issuer, legacy := rec.Issuer, false
	if issuer == "" && r != nil && len(r.Issuers) > 0 {
		issuer = r.Issuers[0]
	}
	if issuer == "" && !explicit {
		// A server of revision 2025-03-26 has no metadata of its own: it is its own
		// authorization server.
		u, err := url.Parse(rec.URL)
		if err != nil {
			return problem.New(http.StatusBadGateway, "server_url_refused", "The server's URL is malformed.")
		}
		issuer, legacy = u.Scheme+"://"+u.Host, true
	}
	if issuer != "" {
		s, err := h.Discovery.Server(ctx, issuer)
		switch {
		case err == nil:
			a.Server = *s
			if !slices.Contains(s.ChallengeMethods, "S256") {
				return problem.New(http.StatusBadGateway, "pkce_unsupported", "The authorization server of "+rec.Slug+" does not say that it supports PKCE with S256 (RFC 7636), without which nobody is sent there.")
			}
		case explicit && oauth.FailureOf(err).Class != oauth.Unavailable:
			a.Issuer = issuer
		case legacy && oauth.FailureOf(err).Absent:
			a.Server = oauth.Server{AuthorizationURL: issuer + "/authorize", TokenURL: issuer + "/token", RegistrationURL: issuer + "/register"}
		default:
			return problemOf(err)
		}
	}
	issued := a.TokenURL
	for _, f := range []struct {
		to   *string
		from string
	}{{&a.AuthorizationURL, rec.AuthorizationURL}, {&a.TokenURL, rec.TokenURL}, {&a.RegistrationURL, rec.RegistrationURL}} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	if a.TokenURL != issued {
		a.UserInfoURL = "" // the token is of another endpoint than the one that this belongs to
	}
	return nil
}

// client chooses the client: the record's, else the metadata document that the gateway
// hosts, else one registered there (in this order).
func (h *Handler) client(ctx context.Context, a *authority, rec *registry.Record, base string) error {
	if rec.ClientID != "" {
		_, secret := rec.Secrets[registry.SecretClientSecret]
		a.client = oauth.Registration{ClientID: rec.ClientID, Method: rec.TokenEndpointAuthMethod}
		if a.client.Method == "" {
			a.client.Method = oauth.ChooseMethod(a.AuthMethods, secret)
		}
		if rec.Issuer == "" && a.Issuer != "" {
			return h.Engine.BindIssuer(ctx, rec, a.Issuer)
		}
		return nil
	}
	a.own = true
	if u, err := url.Parse(base); a.MetadataDocuments && err == nil && (u.Scheme == "https" || h.Discovery.AllowLoopback) {
		a.client = oauth.Registration{ClientID: base + DocumentPath, Method: registry.ClientAuthNone}
		return nil
	}
	if a.RegistrationURL == "" {
		return problem.New(http.StatusBadGateway, "client_registration_required", "The authorization server of "+rec.Slug+" registers no clients by itself. Register the gateway there with the redirect URI "+base+CallbackPath+" and enter client_id.")
	}
	// A registration belongs to one issuer and one redirect URI for ever: another issuer
	// is another name, so a change of issuer registers anew.
	name := "registration\x00" + a.Issuer + "\x00" + a.RegistrationURL + "\x00" + base + "\x00" + rec.ServerID
	err := h.store.client(ctx, name, &a.client)
	if err == nil && (a.client.Expires.IsZero() || time.Now().Before(a.client.Expires)) {
		return nil
	}
	if err != nil && !errors.Is(err, errNone) {
		return err
	}
	c, err := h.Endpoint.Register(ctx, a.RegistrationURL, oauth.NewMetadata(base, base+CallbackPath), a.AuthMethods)
	if err != nil {
		return problemOf(err)
	}
	a.client = *c
	return h.store.putClient(ctx, name, c)
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

func problemOf(err error) error {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p
	}
	f := oauth.FailureOf(err)
	return f.Problem(f.RetryAfter)
}

// connection is what is kept after a flow.
func (f *flow) connection(by string) token.Connection {
	c := token.Connection{
		Subject: f.Subject, Issuer: f.Issuer, TokenURL: f.TokenURL, RevokeURL: f.RevokeURL, ClientID: f.Client.ClientID, Method: f.Client.Method,
		Registered: f.Own, Resource: f.Resource, Scopes: f.Scopes, ConnectedBy: by, ConnectedAt: time.Now().UTC(),
	}
	if f.Own {
		c.ClientSecret = f.Client.Secret
	}
	return c
}
