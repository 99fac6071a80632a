package authserver

import (
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Defaults of [Options].
const (
	// DefaultTokenLifetime is the life of an access token.
	DefaultTokenLifetime = time.Hour
	// DefaultRefreshLifetime is the life of a refresh token.
	DefaultRefreshLifetime = 24 * time.Hour
	// CodeLifetime is the life of an authorization code (RFC 6749 §4.1.2 recommends at most ten minutes).
	CodeLifetime = time.Minute
	// ClockSkew is tolerated in the times of assertions that clients sign.
	ClockSkew = 5 * time.Second
	// MaxAssertionLifetime bounds the exp of an assertion: used identifiers are remembered for this long.
	MaxAssertionLifetime = time.Hour
)

// Options configure a [Server]. The zero value is usable with [Listen]; [New] requires Issuer.
type Options struct {
	// Issuer is the issuer identifier (RFC 8414 §2): an absolute URL without query or fragment. It may have a path, in
	// which case every endpoint lies below that path. Listen fills it in.
	Issuer string
	// Clients are registered at start. [Server.Register] adds more.
	Clients []Client
	// Scopes that the server knows; nil: mcp:read and mcp:call.
	Scopes []string
	// Audience is the aud of a token whose request names neither resource (RFC 8707) nor audience. Optional: the issuer.
	Audience string
	// TokenLifetime of access tokens; 0: DefaultTokenLifetime.
	TokenLifetime time.Duration
	// RefreshLifetime of refresh tokens; 0: DefaultRefreshLifetime.
	RefreshLifetime time.Duration
	// Algorithm signs access tokens: ES256 (the default) or RS256.
	Algorithm jose.SignatureAlgorithm
	// Subject is the user in whose name authorization requests are approved; empty: "demo-user".
	Subject string
	// People who have an account. Whoever is sent to the authorization endpoint chooses one of them on a page, or denies.
	// None: every request is approved in the name of Subject, without a page.
	People []Person
	// Registration turns dynamic client registration on (RFC 7591).
	Registration bool
	// MetadataDocuments accepts a URL as client_id and reads the client's metadata there
	// (draft-ietf-oauth-client-id-metadata-document).
	MetadataDocuments bool
	// UserInfoURL is the userinfo_endpoint of the metadata, which somebody else serves; "": there is none. ID tokens then hold
	// nothing of a person but the subject.
	UserInfoURL string
	// TrustedIssuers may vouch for subjects in jwt-bearer assertions (RFC 7523 §2.1) and token exchange (RFC 8693).
	TrustedIssuers []TrustedIssuer
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Person has an account.
type Person struct {
	// Subject is the sub of the person's tokens. REQUIRED.
	Subject string
	// Claims are added to the person's ID tokens.
	Claims map[string]any
}

// TrustedIssuer signs assertions and subject tokens that the server accepts.
type TrustedIssuer struct {
	Issuer string
	Keys   jose.JSONWebKeySet
}

func (o Options) withDefaults() Options {
	if o.Scopes == nil {
		o.Scopes = []string{"mcp:read", "mcp:call"}
	}
	if o.Audience == "" {
		o.Audience = o.Issuer
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = DefaultTokenLifetime
	}
	if o.RefreshLifetime == 0 {
		o.RefreshLifetime = DefaultRefreshLifetime
	}
	if o.Algorithm == "" {
		o.Algorithm = jose.ES256
	}
	if o.Subject == "" {
		o.Subject = "demo-user"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}
