package token

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
)

// found is what discovery brought for a plan, or why it failed.
type found struct {
	tokenURL, issuer, resource string
	metadata                   *oauth.Server
	resourceMetadata           *oauth.Resource
	until                      time.Time
	err                        error
	done                       chan struct{} // closed when the rest is set

	mu sync.Mutex
	t  *target
}

// target answers the one target of what was found.
func (f *found) target(rec *registry.Record, g oauth.Grant, origin string) *target {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.t == nil {
		f.t = newTarget(rec, g, origin, "")
	}
	return f.t
}

// find looks the token endpoint and the resource up, once for all who wait, and
// remembers both for GRANTWAY_METADATA_LIFE_SECONDS. While a renewal fails because the
// metadata is out of reach, what was found before is used on.
func (e *Engine) find(ctx context.Context, p *plan) (*found, error) {
	for range maxRounds {
		f := e.finding(ctx, p)
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, canceled(ctx)
		}
		switch {
		case f.err == nil:
			return f, nil
		case !errors.Is(f.err, errBrokenOff):
			return nil, oauth.FailureOf(f.err).Problem(time.Until(f.until))
		}
	}
	return nil, oauth.FailureOf(errBrokenOff).Problem(0)
}

// finding joins the look under way, or what it has brought, or begins one.
func (e *Engine) finding(ctx context.Context, p *plan) *found {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.found
	if f == nil || f.over() {
		old := f
		f = &found{done: make(chan struct{})}
		p.found = f
		e.platform.Background(ctx, func(ctx context.Context) {
			defer close(f.done)
			if ctx.Err() != nil { // the request that began it is no more
				f.err = errBrokenOff
				p.mu.Lock()
				p.found = old
				p.mu.Unlock()
				return
			}
			f.err = errors.New("token: discovery ended early")
			f.err = e.look(ctx, p, f)
			f.until = time.Now().Add(e.settings.MetadataLife)
			if f.err == nil {
				return
			}
			f.until = time.Now().Add(e.settings.MetadataRetry)
			if old != nil && old.err == nil && oauth.FailureOf(f.err).Class == oauth.Unavailable {
				f.tokenURL, f.issuer, f.resource, f.err = old.tokenURL, old.issuer, old.resource, nil
				f.metadata, f.resourceMetadata, f.t = old.metadata, old.resourceMetadata, old.t
				e.count.degraded("discovery")
			}
		})
	}
	return f
}

func (f *found) over() bool {
	select {
	case <-f.done:
		return !time.Now().Before(f.until)
	default:
		return false
	}
}

// look does the discovery: the resource's metadata if the issuer or the resource is
// unknown, then the issuer's, then the binding.
func (e *Engine) look(ctx context.Context, p *plan, f *found) error {
	rec := p.rec.Load()
	f.tokenURL, f.issuer = rec.TokenURL, rec.Issuer
	if f.issuer == "" && f.tokenURL == "" || rec.UpstreamResource == "auto" {
		r, err := e.discover.Resource(ctx, rec.URL)
		if err != nil {
			return err
		}
		f.resource, f.resourceMetadata = r.Resource, r
		if f.tokenURL == "" {
			if len(r.Issuers) == 0 {
				return &oauth.Failure{Class: oauth.Misconfigured, Code: "discovery_failed", Message: "The metadata of server " + rec.Slug + " names no authorization server. Set token_url or issuer."}
			}
			if f.issuer == "" {
				f.issuer = r.Issuers[0]
			}
		}
	}
	if f.tokenURL != "" {
		return nil
	}
	s, err := e.discover.Server(ctx, f.issuer)
	if err != nil {
		return err
	}
	f.tokenURL, f.metadata = s.TokenURL, s
	if rec.Issuer != "" || rec.Version == 0 { // named by the administrator, or a record that is not kept
		return nil
	}
	return e.bind(ctx, rec, f.issuer)
}

// bind makes sure that the stored credential goes to one issuer for ever: the first
// that was discovered. Entering the secret again begins anew.
func (e *Engine) bind(ctx context.Context, rec *registry.Record, issuer string) error {
	name := bindingName(rec)
	var a bindAnswer
	if err := e.callMinter(ctx, name, "bind", e.keyring.Seal([]byte(issuer), "bind", name), &a); err != nil {
		return &oauth.Failure{Class: oauth.Unavailable, Code: "discovery_unavailable", Message: "It cannot be checked now to which issuer the credential of server " + rec.Slug + " belongs. Nothing was sent."}
	}
	if a.Issuer != issuer {
		return &oauth.Failure{Class: oauth.Misconfigured, Code: "issuer_changed", Message: "Server " + rec.Slug + " now names another authorization server than the one to which its credential belongs. Nothing was sent. If the change is meant, set issuer and enter the secret again."}
	}
	return nil
}

// bindingName is the MINTER object that remembers the issuer of a record's credential.
func bindingName(rec *registry.Record) string {
	h := sha256.New()
	part(h, "grantway issuer v1")
	part(h, rec.ServerID)
	part(h, rec.ClientID)
	for _, name := range []string{registry.SecretClientSecret, registry.SecretClientPrivateKey} {
		part(h, rec.Secrets[name].Fingerprint)
	}
	return "issuer-" + hex.EncodeToString(h.Sum(nil))
}

type bindAnswer struct {
	Issuer string `json:"issuer"`
}

// issuerKey is the storage key of a binding.
const issuerKey = "issuer"

// serveBind keeps the first issuer and answers the one kept.
func (e *Engine) serveBind(ctx context.Context, a platform.Actor, issuer string) (*bindAnswer, error) {
	for {
		kept, err := a.Storage.Get(ctx, issuerKey)
		if err == nil {
			return &bindAnswer{string(kept)}, nil
		}
		if !errors.Is(err, platform.ErrNotFound) {
			return nil, err
		}
		done, err := a.Storage.Transact(ctx, platform.Absent(issuerKey), platform.Put(issuerKey, []byte(issuer)))
		if err != nil {
			return nil, err
		}
		if done {
			return &bindAnswer{issuer}, nil
		}
	}
}

// BindIssuer makes sure that the record's client is used at one issuer only: the first
// at which it was used.
func (e *Engine) BindIssuer(ctx context.Context, rec *registry.Record, issuer string) error {
	err := e.bind(ctx, rec, issuer)
	if err == nil {
		return nil
	}
	return oauth.FailureOf(err).Problem(e.settings.MetadataRetry)
}
