package signin

import (
	"context"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/issuer"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/recall"
)

// metadataTimes are how long the provider's metadata is worked with: anybody can begin to sign
// in, which must cost the provider nothing. That it cannot be read is known for ten seconds.
var metadataTimes = recall.Times{Fresh: 5 * time.Minute, Stale: 10 * time.Minute, Absent: 10 * time.Second}

// metadataKept is how long it is worked with while it cannot be read.
const metadataKept = time.Hour

// metadata is what an issuer's metadata says, as read at this time, or why it could not be read.
type metadata struct {
	server  *oauth.Server
	read    time.Time
	failure error
}

// provider answers the configured provider and what its metadata says.
func (h *Handler) provider(ctx context.Context) (*issuer.SignIn, *oauth.Server, error) {
	s, err := h.Provider(ctx)
	if err != nil {
		return nil, nil, err
	}
	if s == nil {
		return nil, nil, problem.New(http.StatusNotFound, "sign_in_disabled", "No identity provider is configured: sign in with an access key.")
	}
	m, known, err := h.metadata.Get(ctx, s.Issuer, func(ctx context.Context) (metadata, bool, error) {
		server, err := h.Discovery.Server(ctx, s.Issuer)
		if err == nil {
			return metadata{server: server, read: time.Now()}, true, nil
		}
		if old, known := h.metadata.Peek(s.Issuer); known && time.Since(old.read) < metadataKept {
			return old, true, nil
		}
		return metadata{failure: err}, false, nil
	})
	if err == nil && !known {
		err = m.failure
	}
	if err != nil {
		f := oauth.FailureOf(err)
		return nil, nil, f.Problem(f.RetryAfter)
	}
	if err := oauth.CheckURL(m.server.AuthorizationURL, h.Discovery.AllowLoopback); err != nil || m.server.KeysURL == "" {
		return nil, nil, problem.New(http.StatusBadGateway, "discovery_failed", "The identity provider's metadata has no usable authorization_endpoint or jwks_uri.")
	}
	return s, m.server, nil
}
