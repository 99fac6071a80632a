package worker

import (
	"context"
	"net/http"

	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/issuer"
	"github.com/grantway/grantway/worker/jwt"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/resource"
)

// identity is what the gateway needs to be a protected resource: its URL, the issuers
// that it trusts, and the settings that both come from.
type identity struct {
	site     *resource.Site
	keys     *jwt.KeySets
	verifier *issuer.Verifier
	metadata *resource.Handler
	stored   *directory.RecalledSettings
}

// wireIdentity wires the acceptance of other issuers' tokens and the metadata that
// tells clients of it. Afterwards g.authenticator knows keys, sessions and tokens.
func (g *Gateway) wireIdentity() *problem.Problem {
	id := &g.identity
	id.stored = directory.NewRecalledSettings(g.directory.Settings, g.platform.Background)
	site, err := resource.NewSite(g.platform.Env("GRANTWAY_PUBLIC_URL"), g.platform.Env("GRANTWAY_TRUSTED_PROXIES"), func(ctx context.Context) string {
		s, err := g.identity.stored.Get(ctx)
		if err != nil {
			return ""
		}
		return s.PublicURL
	})
	if err != nil {
		return problem.New(http.StatusServiceUnavailable, "misconfigured", err.Error()+".")
	}
	id.site = site
	g.sessions.Secure = site.Secure
	out := oauth.Guard(g.platform.HTTP(), g.settings.AllowLoopback)
	id.keys = &jwt.KeySets{HTTP: out, Background: g.platform.Background, Timeout: g.settings.MetadataTimeout, Limit: g.settings.MetadataLimit}
	id.verifier = issuer.New(issuer.Config{
		Crypto:     g.platform.Crypto(),
		Keys:       id.keys,
		Discovery:  &oauth.Discovery{HTTP: g.platform.HTTP(), Timeout: g.settings.MetadataTimeout, BodyLimit: g.settings.MetadataLimit, AllowLoopback: g.settings.AllowLoopback},
		Background: g.platform.Background,
		Issuers: func(ctx context.Context) ([]issuer.Issuer, int64, error) {
			s, err := g.identity.stored.Get(ctx)
			return s.Issuers, s.Version, err
		},
		Audiences: site.Audiences,
	})
	g.interactive = g.newInteractive()
	g.sessions.Tokens = firstOf{g.interactive, id.verifier}
	id.metadata = &resource.Handler{Site: site, Authorities: g.authorities}
	g.authenticator = &resource.Guard{Authenticator: g.sessions, Metadata: id.metadata}
	return nil
}

// wireIdentityAPI mounts signing in and the metadata.
func (g *Gateway) wireIdentityAPI() {
	g.routes["signin"] = g.newSignIn()
	g.wellKnown.Handle(resource.WellKnown, g.identity.metadata)
	g.wellKnown.Handle(resource.WellKnown+"/", g.identity.metadata)
}

// settingsChanged makes a change of the settings effective in this instance at once.
func (g *Gateway) settingsChanged(s directory.Settings) {
	g.keys.BootstrapEdited(s.Bootstrap())
	g.identity.stored.Put(s)
}

// authorities answers the issuers whose tokens an endpoint takes.
func (g *Gateway) authorities(ctx context.Context, base, server string) ([]resource.Authority, error) {
	s, err := g.identity.stored.Get(ctx)
	if err != nil {
		return nil, err
	}
	var out []resource.Authority
	// Clients take the first one: for an interactive server, that at which they can register.
	if relay := g.interactive.RelayIssuer(ctx, base, server); relay != "" {
		out = append(out, resource.Authority{Issuer: relay})
	}
	for i := range s.Issuers {
		if !s.Issuers[i].CloudflareAccess {
			out = append(out, resource.Authority{Issuer: s.Issuers[i].Issuer, Scopes: s.Issuers[i].Scopes})
		}
	}
	return out, nil
}
