package registry

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/schema"
)

// validator checks what the schema cannot: fields against each other. Uniqueness
// is the Directory's business.
type validator struct {
	in       *Input
	rec      *Record
	problems []problem.Field
}

func (v *validator) add(name, code, message string) {
	v.problems = append(v.problems, problem.Field{Path: v.in.Path(name), Code: code, Message: message})
}

func (v *validator) require(ok bool, name, why string) {
	if !ok {
		v.add(name, "required", why)
	}
}

func (v *validator) record() {
	r := v.rec
	v.require(r.ServerName != "", "server_name", "This field is required.")
	v.require(r.URL != "", "url", "This field is required.")
	v.require(r.AuthType != "", "auth_type", "This field is required; none is a value of it.")
	if r.ServerName != "" && !schema.ValidSlug(r.Slug) {
		v.add("slug", "invalid_slug", "No slug can be made of server_name: give one.")
	}
	switch r.AuthType {
	case AuthOAuth2:
		v.oauth()
	case AuthAPIKey, AuthBearer, AuthBasic, AuthAuthorization, AuthToken:
		v.require(v.in.provides(r, SecretAuthValue), SecretAuthValue, "This auth_type needs a value.")
	}
	v.headers()
	if r.OAuth2Flow == FlowClientCredentials || r.OAuth2Flow == FlowTokenExchange || r.OAuth2Flow == FlowJWTBearer {
		for _, name := range slices.Sorted(maps.Keys(r.ExtraTokenParams)) {
			if reservedParams[name] {
				v.problems = append(v.problems, problem.Field{Path: v.in.Path("extra_token_params") + "." + name, Code: "reserved_parameter", Message: "The gateway sets this parameter itself; use its own field."})
			}
		}
	}
}

func (v *validator) oauth() {
	r := v.rec
	switch r.OAuth2Flow {
	case "":
		v.require(false, "oauth2_flow", "Say which flow: it is never inferred from the other fields.")
		return
	case FlowAuthorizationCode:
		return // everything may be discovered or registered
	}
	v.require(r.ClientID != "", "client_id", "This flow needs a client id.")
	if r.IdentityTokenURL != "" {
		v.require(r.IdentityClientID != "", "identity_client_id", "The client that the identity provider has registered for the gateway.")
		v.require(v.in.provides(r, SecretIdentityClient), SecretIdentityClient, "The identity provider authenticates the gateway by this secret.")
		v.require(r.TokenURL == "" || r.Issuer != "", "issuer", "The identity assertion names the issuer of token_url as its audience.")
	}
	switch r.TokenEndpointAuthMethod {
	case ClientSecretBasic, ClientSecretPost, ClientSecretJWT:
		v.require(v.in.provides(r, SecretClientSecret), SecretClientSecret, "This client authentication needs a client secret.")
	case PrivateKeyJWT:
		v.require(v.in.provides(r, SecretClientPrivateKey), SecretClientPrivateKey, "private_key_jwt needs a private key, or client_private_key_generate.")
	default:
		v.require(false, "token_endpoint_auth_method", "Say how the client authenticates at the token endpoint.")
	}
}

func (v *validator) headers() {
	r := v.rec
	credential := credentialHeader(r)
	for _, name := range slices.Sorted(maps.Keys(r.StaticHeaders)) {
		v.header("static_headers."+name, name, credential, false)
	}
	for i, name := range r.ForwardHeaders {
		v.header(v.in.Path("forward_headers")+"["+strconv.Itoa(i)+"]", name, credential, true)
	}
	if h := r.UpstreamTokenHeader; h != nil && reservedHeader(h.Name, false) {
		v.problems = append(v.problems, problem.Field{Path: v.in.Path("upstream_token_header") + ".name", Code: "reserved_header", Message: "The gateway sets this header itself."})
	}
}

func (v *validator) header(path, name, credential string, forwarded bool) {
	switch {
	case reservedHeader(name, forwarded):
		v.problems = append(v.problems, problem.Field{Path: path, Code: "reserved_header", Message: "The gateway sets this header itself, or it must not leave it."})
	case credential != "" && strings.EqualFold(name, credential):
		v.problems = append(v.problems, problem.Field{Path: path, Code: "conflicts_with_credential", Message: "The chosen authentication sends its credential in this header."})
	}
}

// credentialHeader answers the header that carries the credential, or "".
func credentialHeader(r *Record) string {
	switch {
	case r.AuthType == AuthNone || r.AuthType == "":
		return ""
	case r.UpstreamTokenHeader != nil:
		return http.CanonicalHeaderKey(r.UpstreamTokenHeader.Name)
	case r.AuthType == AuthAPIKey:
		return "X-Api-Key"
	}
	return "Authorization"
}

// reservedParams are the token request parameters that have a field of their own
// or that the grant sets (RFC 6749, 7523, 8693, 8707).
var reservedParams = map[string]bool{
	"grant_type": true, "client_id": true, "client_secret": true, "scope": true, "audience": true, "resource": true,
	"assertion": true, "client_assertion": true, "client_assertion_type": true, "code": true, "code_verifier": true, "redirect_uri": true,
	"refresh_token": true, "subject_token": true, "subject_token_type": true, "actor_token": true, "actor_token_type": true,
	"requested_token_type": true,
}
