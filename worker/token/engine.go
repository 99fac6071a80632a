package token

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/grantway/grantway/worker/metrics"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/seal"
	"github.com/grantway/grantway/worker/settings"
)

// Config is what an Engine needs. All fields but Audit and Latest are required.
type Config struct {
	Platform platform.Platform
	Keyring  *seal.Keyring
	Settings *settings.Settings
	Metrics  *metrics.Registry
	Audit    Audit // nil: no audit rows
	// Latest reads a record where it is true, past every cache; nil: nothing is read again.
	Latest func(ctx context.Context, serverID string) (*registry.Record, error)
}

// Engine resolves tokens for one instance and serves the MINTER objects that live
// in it. It is safe for concurrent use.
type Engine struct {
	platform platform.Platform
	keyring  *seal.Keyring
	settings *settings.Settings
	audit    Audit
	latest   func(ctx context.Context, serverID string) (*registry.Record, error)
	endpoint *oauth.Endpoint
	discover *oauth.Discovery
	upstream http.RoundTripper
	store    *store
	count    *counters
	log      *slog.Logger

	reportAt atomic.Int64 // Unix ns: when counters are next written to the analytics binding

	plans plans
	slots *slots   // L1
	mints *flights // MINTER objects: mints under way, by object name
}

// New makes an Engine. It performs no I/O.
func New(c Config) *Engine {
	s := c.Settings
	if c.Audit == nil {
		c.Audit = noAudit{}
	}
	e := &Engine{
		platform: c.Platform, keyring: c.Keyring, settings: s, audit: c.Audit, latest: c.Latest, log: c.Platform.Log(), upstream: c.Platform.HTTP(),
		endpoint: &oauth.Endpoint{
			HTTP: c.Platform.HTTP(), Crypto: c.Platform.Crypto(), Timeout: s.IdPTimeout, BodyLimit: s.IdPBodyLimit,
			AssertionLife: s.AssertionLife, Life: oauth.Life{Assumed: s.AssumedLife, Longest: s.MaxLife}, AllowLoopback: s.AllowLoopback,
		},
		discover: &oauth.Discovery{
			HTTP: c.Platform.HTTP(), Timeout: s.MetadataTimeout, BodyLimit: s.MetadataLimit, AllowLoopback: s.AllowLoopback,
		},
		plans: plans{m: map[string]*plan{}},
		count: newCounters(c.Metrics),
		slots: newSlots(s.TokenCacheSize),
		mints: newFlights(),
	}
	e.reportAt.Store(time.Now().Add(reportEvery).UnixNano())
	e.store = &store{kv: c.Platform.KV(platform.Tokens), keyring: c.Keyring, timeout: s.StoreTimeout}
	return e
}

// Cause is why a token was minted.
type Cause string

// The causes.
const (
	CauseMiss         Cause = "miss"    // no usable token anywhere
	CauseEarly        Cause = "early"   // the token in use nears its end
	CausePurge        Cause = "purge"   // the same, after a purge
	CauseUnauthorized Cause = "401"     // the upstream refused the token in use
	CauseRefresh      Cause = "refresh" // an administrator asked
	CauseTest         Cause = "test"    // an administrator tries a record out; nothing is kept
	CauseCron         Cause = "cron"    // keep_warm
	CauseConnect      Cause = "connect" // a person has authorized the gateway
)

// Mint is the audit row of one token request. It holds no token byte.
type Mint struct {
	At         time.Time
	ServerID   string
	Server     string // slug
	Cause      Cause
	CallerID   string        // principal whose request caused it, "" for cron
	CallerName string        // its name for people
	KeyID      string        // its access key, "" if it has none
	Status     int           // HTTP status of the authorization server, 0 if it did not answer
	Life       time.Duration // of the token
	SecretUsed string        // which secret worked
	Local      bool          // minted by the instance because the minter was out of reach
	Failure    *oauth.Failure
	Took       time.Duration
}

// Audit takes the rows. It must not block.
type Audit interface {
	Minted(ctx context.Context, m Mint)
}

type noAudit struct{}

func (noAudit) Minted(context.Context, Mint) {}

// caller is on whose behalf something is done, without anything secret.
type caller struct {
	ID    string `json:"id,omitempty"`
	KeyID string `json:"key_id,omitempty"`
	Name  string `json:"name,omitempty"`
}

// grantOf puts together the token request for a target, with opened secrets.
func (e *Engine) grantOf(t *target) (*oauth.Grant, error) {
	secrets, err := oauth.SecretsOf(e.keyring, t.rec)
	if err != nil {
		return nil, err
	}
	g := t.grant
	g.Secret = secrets[registry.SecretClientSecret]
	g.NextSecret = secrets[registry.SecretClientSecretNext]
	g.PrivateKey = []byte(secrets[registry.SecretClientPrivateKey])
	if g.Identity != nil {
		own := *g.Identity
		own.Secret = secrets[registry.SecretIdentityClient]
		g.Identity = &own
	}
	return &g, nil
}
