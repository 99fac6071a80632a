package authserver

import (
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Client authentication methods (RFC 7591 §2, OpenID Connect Core §9).
const (
	MethodNone   = "none"
	MethodBasic  = "client_secret_basic"
	MethodPost   = "client_secret_post"
	MethodSecret = "client_secret_jwt"
	MethodKey    = "private_key_jwt"
)

// Grant types of the token endpoint.
const (
	GrantClientCredentials = "client_credentials"
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
	GrantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	GrantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// Client is a registered client.
type Client struct {
	// ID is the client_id. REQUIRED.
	ID string
	// Method authenticates the client at the token endpoint; empty: client_secret_basic. Another method than this one is
	// refused even with the right secret.
	Method string
	// Secrets are all accepted, so that a rotation can overlap.
	Secrets []string
	// Keys verify the assertions of private_key_jwt.
	Keys jose.JSONWebKeySet
	// KeysURL is where the client publishes them instead; it is read for each assertion.
	KeysURL string
	// Scopes the client may have; nil: all of the server. A request without scope gets all of them.
	Scopes []string
	// Audiences the client may ask for, as resource or audience; nil: any.
	Audiences []string
	// DefaultAudience is the aud of a token whose request names none; empty: Options.Audience.
	DefaultAudience string
	// Grants the client may use; nil: all.
	Grants []string
	// RedirectURIs for the authorization code grant, compared exactly.
	RedirectURIs []string
	// TokenLifetime overrides the server's; 0: the server's.
	TokenLifetime time.Duration
}

func (c Client) method() string {
	if c.Method == "" {
		return MethodBasic
	}
	return c.Method
}

// libraryClient shows a Client to the library.
type libraryClient struct {
	Client
	scopes []string // the effective ones
}

func (c *libraryClient) GetID() string                    { return c.ID }
func (c *libraryClient) RedirectURIs() []string           { return c.Client.RedirectURIs }
func (c *libraryClient) PostLogoutRedirectURIs() []string { return nil }
func (c *libraryClient) AuthMethod() oidc.AuthMethod      { return oidc.AuthMethod(c.method()) }
func (c *libraryClient) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c *libraryClient) LoginURL(string) string              { return "" }
func (c *libraryClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (c *libraryClient) IDTokenLifetime() time.Duration      { return 0 }
func (c *libraryClient) IsScopeAllowed(scope string) bool    { return slices.Contains(c.scopes, scope) }
func (c *libraryClient) IDTokenUserinfoClaimsAssertion() bool {
	return false
}
func (c *libraryClient) ClockSkew() time.Duration { return 0 }

// DevMode permits http redirect URIs; the list of the client is still compared exactly.
func (c *libraryClient) DevMode() bool { return true }

func (c *libraryClient) ApplicationType() op.ApplicationType {
	if c.method() == MethodNone {
		return op.ApplicationTypeNative
	}
	return op.ApplicationTypeWeb
}

func (c *libraryClient) GrantTypes() []oidc.GrantType {
	grants := c.Grants
	if grants == nil {
		grants = []string{GrantClientCredentials, GrantAuthorizationCode, GrantRefreshToken, GrantJWTBearer, GrantTokenExchange}
	}
	out := make([]oidc.GrantType, len(grants))
	for i, g := range grants {
		out[i] = oidc.GrantType(g)
	}
	return out
}

func (c *libraryClient) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}

func (c *libraryClient) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}
