// Package registry is what Grantway knows of an upstream MCP server: the server
// record, its validation, and the read side that the data path uses.
//
// The truth is in the Directory (package directory); this package never writes.
// Secrets inside a record are sealed; only packages that send them open them.
package registry

import "time"

// AuthType says what credential the gateway presents to the upstream. The values
// are LiteLLM's.
type AuthType string

const (
	AuthNone          AuthType = "none"
	AuthAPIKey        AuthType = "api_key"       // auth_value in X-API-Key, or in upstream_token_header
	AuthBearer        AuthType = "bearer_token"  // Authorization: Bearer auth_value
	AuthBasic         AuthType = "basic"         // Authorization: Basic auth_value (encoded by the gateway if it holds user:password)
	AuthAuthorization AuthType = "authorization" // Authorization: auth_value, as it is
	AuthToken         AuthType = "token"         // Authorization: token auth_value
	AuthOAuth2        AuthType = "oauth2"        // an access token by oauth2_flow
)

// Flow says how the gateway obtains an access token. It is always explicit.
type Flow string

const (
	// FlowClientCredentials is the M2M grant (RFC 6749 §4.4).
	FlowClientCredentials Flow = "client_credentials"
	// FlowAuthorizationCode is the interactive grant with PKCE (RFC 6749 §4.1, RFC 7636).
	FlowAuthorizationCode Flow = "authorization_code"
	// FlowJWTBearer presents the caller's JWT as an assertion (RFC 7523 §2.1).
	FlowJWTBearer Flow = "jwt_bearer"
	// FlowTokenExchange exchanges the caller's JWT (RFC 8693).
	FlowTokenExchange Flow = "token_exchange"
)

// ClientAuth is how the gateway authenticates at the token endpoint (RFC 6749
// §2.3.1, RFC 7523 §2.2). It is never guessed from which fields are filled.
type ClientAuth string

const (
	ClientSecretBasic ClientAuth = "client_secret_basic"
	ClientSecretPost  ClientAuth = "client_secret_post"
	ClientSecretJWT   ClientAuth = "client_secret_jwt"
	PrivateKeyJWT     ClientAuth = "private_key_jwt"
	// ClientAuthNone is a public client (RFC 6749 §2.1): in the interactive flow alone, where
	// PKCE stands in for a secret.
	ClientAuthNone ClientAuth = "none"
)

// Record is one upstream MCP server. The JSON names are LiteLLM's where it has
// the field. The zero value of an optional field means its documented default.
type Record struct {
	ServerID    string `json:"server_id"`             // UUID, given by the gateway
	ServerName  string `json:"server_name"`           // 1 … 64 characters
	Alias       string `json:"alias,omitempty"`       // LiteLLM's second name; also accepted in paths
	Slug        string `json:"slug"`                  // path segment and tool prefix: [a-z0-9_-.], 1 … 32; default made of server_name
	Description string `json:"description,omitempty"` // ≤ 2,000 characters
	SourceURL   string `json:"source_url,omitempty"`
	URL         string `json:"url"`                 // the MCP endpoint (Streamable HTTP)
	Transport   string `json:"transport"`           // "http"
	Disabled    bool   `json:"disabled,omitempty"`  // calls are refused with server_disabled
	ReadOnly    bool   `json:"read_only,omitempty"` // comes from a configuration file of record

	AuthType AuthType `json:"auth_type"`
	// What follows is for auth_type oauth2.
	OAuth2Flow              Flow              `json:"oauth2_flow,omitempty"`
	ClientID                string            `json:"client_id,omitempty"`
	TokenURL                string            `json:"token_url,omitempty"` // "" means: discover it
	Issuer                  string            `json:"issuer,omitempty"`
	AuthorizationURL        string            `json:"authorization_url,omitempty"`
	RegistrationURL         string            `json:"registration_url,omitempty"`
	TokenEndpointAuthMethod ClientAuth        `json:"token_endpoint_auth_method,omitempty"`
	AssertionAudience       string            `json:"assertion_audience,omitempty"` // aud of the client assertion; default: the issuer
	Scopes                  []string          `json:"scopes,omitempty"`
	AllowStepUp             bool              `json:"allow_scope_step_up,omitempty"` // 403 insufficient_scope may widen the scopes once
	Audience                string            `json:"audience,omitempty"`
	UpstreamResource        string            `json:"upstream_resource,omitempty"` // RFC 8707 resource: a URL, or "auto"
	ExtraTokenParams        map[string]string `json:"extra_token_params,omitempty"`
	UpstreamTokenHeader     *TokenHeader      `json:"upstream_token_header,omitempty"`
	KeepWarm                bool              `json:"keep_warm,omitempty"` // cron refreshes the token before it ends
	SubjectTokenType        string            `json:"subject_token_type,omitempty"`
	// Enterprise-managed authorization, for flow jwt_bearer: the enterprise's identity provider
	// exchanges the caller's JWT for an identity assertion (ID-JAG), which is then presented at
	// token_url. "": the caller's JWT itself is presented.
	IdentityTokenURL string `json:"identity_token_url,omitempty"`
	IdentityClientID string `json:"identity_client_id,omitempty"`

	StaticHeaders  map[string]string `json:"static_headers,omitempty"`  // sent always; values may be sealed later
	ForwardHeaders []string          `json:"forward_headers,omitempty"` // names of the caller's headers that are passed on

	AllowedTools         []string            `json:"allowed_tools"` // null: all; an empty list: none
	DisallowedTools      []string            `json:"disallowed_tools,omitempty"`
	AllowedParams        map[string][]string `json:"allowed_params,omitempty"` // tool → parameter names
	ToolNames            map[string]string   `json:"tool_name_to_display_name,omitempty"`
	ToolDescriptions     map[string]string   `json:"tool_name_to_description,omitempty"`
	EmptyPrefix          bool                `json:"empty_prefix,omitempty"` // aggregate names without a prefix; one server at most
	Groups               []string            `json:"mcp_access_groups,omitempty"`
	Info                 *Info               `json:"mcp_info,omitempty"`
	TimeoutSeconds       float64             `json:"timeout,omitempty"`                 // until the upstream's response head, 0: default
	MaxConcurrent        int                 `json:"max_concurrent_requests,omitempty"` // 0: default
	ListCacheSeconds     *int                `json:"list_cache_seconds,omitempty"`      // life of cached lists of legacy upstreams; nil: default
	Instructions         string              `json:"instructions,omitempty"`            // for people and models, ≤ 8,000 characters
	AllowAllKeys         bool                `json:"allow_all_keys,omitempty"`          // every valid key may use it
	Version              int64               `json:"version"`                           // the Directory's sequence number of the last change; the ETag
	CreatedAt, UpdatedAt time.Time           `json:"-"`
	CreatedBy, UpdatedBy string              `json:"-"` // ids of principals

	// Secrets holds the sealed credentials by name (client_secret,
	// client_secret_next, client_private_key, auth_value). It is stored and
	// published, and never part of an API answer.
	Secrets map[string]SealedSecret `json:"-"`
	// TokenEpoch is the last purge of a server that has several tokens, CallerEpochs are purges
	// of single callers since then: see EpochOf. Stored and published.
	TokenEpoch   int64                  `json:"-"`
	CallerEpochs map[string]CallerEpoch `json:"-"`
	// PublicKeys of a private key, as a JSON Web Key set document; kid is stable.
	ClientKey *ClientKey `json:"-"`
}

// TokenHeader places the access token somewhere else than Authorization: Bearer.
type TokenHeader struct {
	Name   string `json:"name"`
	Prefix string `json:"prefix,omitempty"` // such as "Bearer "; sent as it is
}

// ClientKey describes the private key of private_key_jwt without its private half.
type ClientKey struct {
	ID        string `json:"client_private_key_id"`
	Algorithm string `json:"client_private_key_alg"` // ES256, RS256, PS256, EdDSA
	PublicJWK string `json:"public_jwk"`
	Generated bool   `json:"generated,omitempty"` // made by the gateway: served at /.well-known/jwks.json
}

// SealedSecret is one secret as it is stored.
type SealedSecret struct {
	Sealed      []byte    `json:"sealed"`
	Fingerprint string    `json:"fingerprint"` // keyed hash, for the token identity key; not reversible
	RotatedAt   time.Time `json:"rotated_at"`
}

// Names of the secrets of a record.
const (
	SecretClientSecret     = "client_secret"
	SecretClientSecretNext = "client_secret_next"
	SecretClientPrivateKey = "client_private_key"
	SecretAuthValue        = "auth_value"
	SecretIdentityClient   = "identity_client_secret"
	// SecretStaticHeaders is a JSON object of the static headers whose values are
	// kept sealed; StaticHeaders shows them as Masked.
	SecretStaticHeaders = "static_headers"
)

// Info is LiteLLM's mcp_info.
type Info struct {
	ServerName  string    `json:"server_name,omitempty"`
	Description string    `json:"description,omitempty"`
	LogoURL     string    `json:"logo_url,omitempty"`
	Cost        *CostInfo `json:"mcp_server_cost_info,omitempty"`
}

// CostInfo prices tool calls, in the currency that the operator chose.
type CostInfo struct {
	DefaultPerQuery float64            `json:"default_cost_per_query,omitempty"`
	PerTool         map[string]float64 `json:"tool_name_to_cost_per_query,omitempty"`
}

// M2M reports whether the gateway obtains the token by itself, without a person.
func (r *Record) M2M() bool {
	return r.AuthType == AuthOAuth2 && r.OAuth2Flow == FlowClientCredentials
}
