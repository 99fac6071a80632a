package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
)

// UserAgent is how the gateway names itself to authorization servers.
const UserAgent = "grantway"

// Grant is everything that one token request needs, with opened secrets. It
// lives in memory and in sealed messages only.
type Grant struct {
	Server            string              `json:"server"` // slug, for messages
	Flow              registry.Flow       `json:"flow"`
	TokenURL          string              `json:"token_url"`
	Issuer            string              `json:"issuer,omitempty"`
	ClientID          string              `json:"client_id"`
	Method            registry.ClientAuth `json:"method"`
	AssertionAudience string              `json:"assertion_audience,omitempty"`
	Scopes            []string            `json:"scopes,omitempty"`
	Audience          string              `json:"audience,omitempty"`
	Resource          string              `json:"resource,omitempty"`
	Extra             map[string]string   `json:"extra,omitempty"`

	// Subject is the caller's JWT of the flows jwt_bearer and token_exchange.
	Subject     string `json:"subject,omitempty"`
	SubjectType string `json:"subject_type,omitempty"` // default: …:token-type:access_token

	// Identity obtains the assertion of the flow jwt_bearer (enterprise-managed
	// authorization); nil: Subject is the assertion.
	Identity *Identity `json:"identity,omitempty"`

	// For the flow authorization_code: a code with its verifier and redirect URI, or a
	// refresh token (RFC 6749 §4.1.3, §6, RFC 7636 §4.5).
	Code         string `json:"code,omitempty"`
	Verifier     string `json:"verifier,omitempty"`
	RedirectURI  string `json:"redirect_uri,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`

	Secret     string `json:"secret,omitempty"`      // client_secret
	NextSecret string `json:"next_secret,omitempty"` // client_secret_next
	PrivateKey []byte `json:"private_key,omitempty"` // PKCS #8, or PEM or JWK text
	KeyID      string `json:"key_id,omitempty"`
	KeyAlg     string `json:"key_alg,omitempty"`
}

// Token is what a grant brought.
type Token struct {
	AccessToken string
	Scope       string // as answered; "" means as asked for (RFC 6749 §5.1)
	IssuedAt    time.Time
	ExpiresAt   time.Time // not after IssuedAt: use it once, keep it never
	LifeAssumed bool      // the answer had no usable expires_in
	SecretUsed  string    // which secret worked: client_secret, client_secret_next or client_private_key
	Status      int       // HTTP status of the answer
	// RefreshToken continues an interactive grant, "" if there is none.
	RefreshToken string
	IDToken      string // OpenID Connect Core §3.1.3.3, unverified
}

// Endpoint performs grants. It is safe for concurrent use.
type Endpoint struct {
	HTTP          http.RoundTripper // the platform's way out
	Crypto        platform.Crypto   // for assertions
	Timeout       time.Duration     // of one request
	BodyLimit     int               // of an answer, bytes
	AssertionLife time.Duration
	Life          Life
	AllowLoopback bool
}

// Token performs the grant. With two secrets it tries the next one first and falls
// back to the old one when the client is refused: so a rotation needs no moment at which both
// sides change. The error is a *Failure.
func (e *Endpoint) Token(ctx context.Context, g *Grant) (*Token, error) {
	if f := g.incomplete(); f != nil {
		return nil, f
	}
	if err := CheckURL(g.TokenURL, e.AllowLoopback); err != nil {
		return nil, fail(Misconfigured, "token_url_refused", "The token endpoint of server "+g.Server+" is not called: "+err.Error()+".")
	}
	if g.Identity != nil && g.Flow == registry.FlowJWTBearer {
		assertion, err := e.assertIdentity(ctx, g)
		if err != nil {
			return nil, err
		}
		own := *g
		own.Subject, own.Identity = assertion, nil
		g = &own
	}
	if g.Method == registry.PrivateKeyJWT {
		return e.once(ctx, g, "", registry.SecretClientPrivateKey)
	}
	if g.NextSecret == "" {
		return e.once(ctx, g, g.Secret, registry.SecretClientSecret)
	}
	t, err := e.once(ctx, g, g.NextSecret, registry.SecretClientSecretNext)
	var f *Failure
	if g.Secret != "" && errors.As(err, &f) && f.RefusesClient() {
		return e.once(ctx, g, g.Secret, registry.SecretClientSecret)
	}
	return t, err
}

// RefusesClient says whether another secret could help: invalid_client, or a 401
// without a code.
func (f *Failure) RefusesClient() bool {
	return f.Class == Rejected && (f.OAuthError == "invalid_client" || f.OAuthError == "" && f.Status == http.StatusUnauthorized)
}

// incomplete names what is missing before anything is sent.
func (g *Grant) incomplete() *Failure {
	missing := ""
	switch {
	case g.TokenURL == "":
		missing = "token_url"
	case g.ClientID == "":
		missing = "client_id"
	case g.Method == registry.PrivateKeyJWT && len(g.PrivateKey) == 0:
		missing = registry.SecretClientPrivateKey
	case g.Method == registry.ClientAuthNone && g.Flow == registry.FlowAuthorizationCode:
	case g.Method != registry.PrivateKeyJWT && g.Secret == "" && g.NextSecret == "":
		missing = registry.SecretClientSecret
	}
	if missing != "" {
		return fail(Misconfigured, "credentials_incomplete", "Server "+g.Server+" has no "+missing+". Nothing was sent.")
	}
	switch g.Flow {
	case registry.FlowClientCredentials:
	case registry.FlowAuthorizationCode:
		if g.Code == "" && g.RefreshToken == "" {
			return fail(Misconfigured, "flow_unsupported", "Server "+g.Server+" needs a person's authorization; there is no token to be had without it.")
		}
	case registry.FlowJWTBearer, registry.FlowTokenExchange:
		if g.Subject == "" {
			return fail(Misconfigured, "subject_token_missing", "Server "+g.Server+" needs the caller to present a JWT, and this caller came with an access key.")
		}
	default:
		return fail(Misconfigured, "flow_unsupported", "The flow "+string(g.Flow)+" of server "+g.Server+" is not one in which the gateway obtains tokens by itself.")
	}
	return nil
}

func (e *Endpoint) once(ctx context.Context, g *Grant, secret, name string) (*Token, error) {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	conf := &clientcredentials.Config{
		ClientID: g.ClientID, TokenURL: g.TokenURL, Scopes: g.Scopes, AuthStyle: oauth2.AuthStyleInParams,
		EndpointParams: g.parameters(),
	}
	switch g.Method {
	case registry.ClientSecretBasic, "":
		conf.ClientSecret, conf.AuthStyle = secret, oauth2.AuthStyleInHeader
	case registry.ClientSecretPost:
		conf.ClientSecret = secret
	case registry.ClientAuthNone:
	case registry.ClientSecretJWT, registry.PrivateKeyJWT:
		assertion, err := e.assertion(ctx, g, secret)
		if err != nil {
			return nil, err
		}
		conf.EndpointParams.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		conf.EndpointParams.Set("client_assertion", assertion)
	default:
		return nil, fail(Misconfigured, "auth_method_unsupported", "token_endpoint_auth_method "+string(g.Method)+" is not supported.")
	}
	transport := &endpoint{
		next: Guard(e.HTTP, e.AllowLoopback), limit: e.BodyLimit, life: e.Life,
		secrets: []string{g.Secret, g.NextSecret, g.Subject, g.Code, g.Verifier, g.RefreshToken},
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: transport})
	tok, err := conf.Token(ctx)
	if err != nil {
		return nil, FailureOf(err)
	}
	r := transport.response
	return &Token{
		AccessToken: tok.AccessToken, Scope: r.Scope, IssuedAt: transport.sent, ExpiresAt: transport.sent.Add(r.Life),
		LifeAssumed: r.LifeAssumed, SecretUsed: name, Status: transport.status,
		RefreshToken: r.RefreshToken, IDToken: r.IDToken,
	}, nil
}

// parameters are the fields of the request besides scope and client
// authentication.
func (g *Grant) parameters() url.Values {
	v := url.Values{}
	for name, value := range g.Extra {
		if !reservedParameter(name) {
			v.Set(name, value)
		}
	}
	if g.Audience != "" {
		v.Set("audience", g.Audience)
	}
	if g.Resource != "" {
		v.Set("resource", g.Resource)
	}
	switch g.Flow {
	case registry.FlowAuthorizationCode:
		if g.Code != "" {
			v.Set("grant_type", "authorization_code")
			v.Set("code", g.Code)
			v.Set("code_verifier", g.Verifier)
			v.Set("redirect_uri", g.RedirectURI)
			break
		}
		v.Set("grant_type", "refresh_token")
		v.Set("refresh_token", g.RefreshToken)
	case registry.FlowJWTBearer:
		v.Set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
		v.Set("assertion", g.Subject)
	case registry.FlowTokenExchange:
		v.Set("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
		v.Set("subject_token", g.Subject)
		v.Set("subject_token_type", g.SubjectType)
		if g.SubjectType == "" {
			v.Set("subject_token_type", "urn:ietf:params:oauth:token-type:access_token")
		}
		v.Set("requested_token_type", "urn:ietf:params:oauth:token-type:access_token")
	}
	return v
}

var reservedParameters = []string{
	"actor_token", "actor_token_type", "assertion", "audience", "client_assertion", "client_assertion_type", "client_id", "client_secret", "code",
	"code_verifier", "grant_type", "password", "redirect_uri", "refresh_token", "requested_token_type", "resource", "response_type", "scope",
	"subject_token", "subject_token_type", "username",
}

// reservedParameter reports whether an extra parameter is left out, because a field
// of the record or the gateway itself sets it. Validation refuses it earlier.
func reservedParameter(name string) bool {
	_, found := slices.BinarySearch(reservedParameters, name)
	return found || name == ""
}
