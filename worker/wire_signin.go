package worker

import (
	"context"
	"time"

	"github.com/grantway/grantway/worker/interactive"
	"github.com/grantway/grantway/worker/issuer"
	"github.com/grantway/grantway/worker/signin"
)

// newSignIn makes the handler of /signin; the interactive flow must be wired.
func (g *Gateway) newSignIn() *signin.Handler {
	provider := func(ctx context.Context) (*issuer.SignIn, error) {
		s, err := g.identity.stored.Get(ctx)
		return s.SignIn, err
	}
	g.sessions.PeopleSince = func(ctx context.Context) (time.Time, error) {
		s, err := provider(ctx)
		if err != nil || s == nil {
			return time.Time{}, err
		}
		return s.Since, nil
	}
	return signin.New(signin.Config{
		Crypto: g.platform.Crypto(), Keyring: g.keyring, Keys: g.identity.keys, Discovery: g.interactive.Discovery, Endpoint: g.interactive.Endpoint,
		Welcome: g.interactive.Welcome, Fail: g.interactive.SignInFailed, IsPage: interactive.IsPage,
		Sessions: g.sessions, Provider: provider, Base: g.identity.site.Base, Audit: g.trail.audit.Record, Log: g.platform.Log(),
	}, g.platform.Background)
}
