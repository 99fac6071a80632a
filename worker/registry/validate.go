package registry

import (
	"net/url"
	"slices"
	"strings"

	"github.com/grantway/grantway/worker/problem"
)

// Validate answers everything that is wrong with a record, each with its path.
// It looks at the record alone; uniqueness is the Directory's business.
func Validate(r *Record) []problem.Field {
	v := &validator{}
	v.require(r.ServerName != "", "server_name")
	v.require(r.URL != "", "url")
	if r.URL != "" {
		v.url("url", r.URL)
	}
	if !ValidSlug(r.Slug) {
		v.add("slug", "invalid_slug", "1 to 32 of a-z, 0-9, '_', '-', '.', beginning and ending with a letter or digit, and not a path of the gateway.")
	}
	if r.Transport != "http" {
		v.add("transport", "invalid_value", `Only "http" (Streamable HTTP).`)
	}
	switch r.AuthType {
	case AuthNone, AuthAPIKey, AuthBearer, AuthBasic, AuthAuthorization, AuthToken, AuthOAuth2:
	case "":
		v.require(false, "auth_type")
	default:
		v.add("auth_type", "invalid_value", "One of none, api_key, bearer_token, basic, authorization, token, oauth2.")
	}
	v.oauth(r)
	return v.problems
}

type validator struct{ problems []problem.Field }

func (v *validator) add(path, code, message string) {
	v.problems = append(v.problems, problem.Field{Path: path, Code: code, Message: message})
}

func (v *validator) require(ok bool, path string) {
	if !ok {
		v.add(path, "required", "This field is required.")
	}
}

func (v *validator) url(path, s string) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Fragment != "" || len(s) > 2048 || strings.ContainsFunc(s, control) {
		v.add(path, "invalid_url", "Must be an absolute http or https URL without a fragment, at most 2,048 characters.")
		return
	}
	if u.User != nil {
		v.add(path, "credentials_in_url", "A URL must not hold a user name or password; use the authentication fields.")
	}
}

func (v *validator) oauth(r *Record) {
	if r.AuthType != AuthOAuth2 {
		return
	}
	flows := []Flow{FlowClientCredentials, FlowAuthorizationCode, FlowJWTBearer, FlowTokenExchange}
	switch {
	case r.OAuth2Flow == "":
		v.add("oauth2_flow", "required", "Say which flow: it is never guessed from the other fields.")
	case !slices.Contains(flows, r.OAuth2Flow):
		v.add("oauth2_flow", "invalid_value", "One of client_credentials, authorization_code, jwt_bearer, token_exchange.")
	}
	methods := []ClientAuth{ClientSecretBasic, ClientSecretPost, ClientSecretJWT, PrivateKeyJWT}
	if r.TokenEndpointAuthMethod != "" && !slices.Contains(methods, r.TokenEndpointAuthMethod) {
		v.add("token_endpoint_auth_method", "invalid_value", "One of client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt.")
	}
	for path, s := range map[string]string{"token_url": r.TokenURL, "issuer": r.Issuer, "authorization_url": r.AuthorizationURL, "registration_url": r.RegistrationURL} {
		if s != "" {
			v.url(path, s)
		}
	}
	if r.OAuth2Flow == FlowClientCredentials {
		v.require(r.ClientID != "", "client_id")
	}
}
