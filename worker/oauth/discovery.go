package oauth

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Discovery finds token endpoints: from an MCP server's challenge to its
// protected-resource metadata (RFC 9728), and from an issuer to its metadata (RFC
// 8414, or OpenID Connect Discovery 1.0). It sends no credential, but for UserInfo, and follows no
// redirect.
type Discovery struct {
	HTTP          http.RoundTripper
	Timeout       time.Duration // of one request
	BodyLimit     int           // of one document, bytes
	AllowLoopback bool
}

// Resource is what a server's metadata says of itself (RFC 9728 §2).
type Resource struct {
	MetadataURL string   // where it was found
	Resource    string   // resource identifier, byte for byte
	Issuers     []string // authorization_servers
	Scopes      []string // scopes_supported
	Challenged  []string // scope of the server's challenge (RFC 6750 §3), which outranks Scopes
}

// Server is what an issuer's metadata says (RFC 8414 §2).
type Server struct {
	MetadataURL string
	Issuer      string
	TokenURL    string
	AuthMethods []string // token_endpoint_auth_methods_supported
	GrantTypes  []string // grant_types_supported
	Scopes      []string // scopes_supported

	AuthorizationURL  string   // authorization_endpoint
	RegistrationURL   string   // registration_endpoint (RFC 7591)
	RevocationURL     string   // revocation_endpoint (RFC 7009)
	KeysURL           string   // jwks_uri
	UserInfoURL       string   // userinfo_endpoint (OpenID Connect Core §5.3)
	ChallengeMethods  []string // code_challenge_methods_supported (RFC 7636)
	IssuerInResponse  bool     // authorization_response_iss_parameter_supported (RFC 9207)
	MetadataDocuments bool     // client_id_metadata_document_supported
}

// Resource finds the protected-resource metadata of an MCP server: at the address in
// its challenge, else at the well-known ones (RFC 9728 §3.1). The document must be about
// this server. The error is a *Failure.
func (d *Discovery) Resource(ctx context.Context, serverURL string) (*Resource, error) {
	u, err := url.Parse(serverURL)
	if err != nil {
		return nil, notFound("the server's URL is malformed")
	}
	var tried *Failure
	challenge := d.challenge(ctx, u.String())
	for _, at := range resourceCandidates(challenge.ResourceMetadata, u) {
		body, err := d.Document(ctx, at)
		if err != nil {
			tried = worse(tried, FailureOf(err))
			continue
		}
		r, f := parseResource(body, u)
		if f == nil {
			r.MetadataURL, r.Challenged = at, ScopeList(challenge.Scope, 200)
			return r, nil
		}
		tried = worse(tried, f)
	}
	if challenge.ResourceMetadata != "" {
		tried.Absent = false // the server says that there is one
	}
	return nil, tried
}

// resourceCandidates answers the challenge's address alone if there is one, for a
// server that names it means it.
func resourceCandidates(challenged string, u *url.URL) []string {
	if challenged != "" {
		return []string{challenged}
	}
	base := u.Scheme + "://" + u.Host + "/.well-known/oauth-protected-resource"
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	if path == "" {
		return []string{base}
	}
	return []string{base + path, base}
}

// challenge asks the server without a credential and answers the challenge of its 401,
// if there is one.
func (d *Discovery) challenge(ctx context.Context, serverURL string) Challenge {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		var body *strings.Reader
		if method == http.MethodPost {
			body = strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
		} else {
			body = strings.NewReader("")
		}
		r, err := http.NewRequestWithContext(ctx, method, serverURL, body)
		if err != nil {
			return Challenge{}
		}
		r.Header.Set("Accept", "application/json, text/event-stream")
		r.Header.Set("User-Agent", UserAgent)
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/json")
		}
		resp, err := Guard(d.HTTP, d.AllowLoopback).RoundTrip(r)
		if err != nil {
			return Challenge{}
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusUnauthorized {
			return ParseChallenge(resp.Header.Values("WWW-Authenticate"))
		}
	}
	return Challenge{}
}

// Server reads an issuer's metadata. The document's issuer must be the same text (RFC
// 8414 §3.3). The error is a *Failure.
func (d *Discovery) Server(ctx context.Context, issuer string) (*Server, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, notFound("the issuer is not a URL without query and fragment")
	}
	base, path := u.Scheme+"://"+u.Host, strings.TrimSuffix(u.EscapedPath(), "/")
	candidates := []string{base + "/.well-known/oauth-authorization-server" + path, base + "/.well-known/openid-configuration" + path}
	if path != "" {
		candidates = append(candidates, base+path+"/.well-known/openid-configuration")
	}
	var tried *Failure
	for _, at := range candidates {
		body, err := d.Document(ctx, at)
		if err != nil {
			tried = worse(tried, FailureOf(err))
			continue
		}
		s, f := parseServer(body, issuer)
		if f == nil {
			if err := CheckURL(s.TokenURL, d.AllowLoopback); err != nil {
				f = notFound("its token_endpoint is refused: " + err.Error())
			} else {
				s.MetadataURL = at
				return s, nil
			}
		}
		tried = worse(tried, f)
	}
	return nil, tried
}

// Document fetches one metadata document. The error is a *Failure.
func (d *Discovery) Document(ctx context.Context, at string) ([]byte, error) {
	return d.document(ctx, at, "")
}

// document sends an access token along, if there is one.
func (d *Discovery) document(ctx context.Context, at, accessToken string) ([]byte, error) {
	if err := CheckURL(at, d.AllowLoopback); err != nil {
		return nil, notFound("the metadata's address is refused: " + err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, notFound("the metadata's address is malformed")
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", UserAgent)
	if accessToken != "" {
		r.Header.Set("Authorization", "Bearer "+accessToken)
	}
	resp, err := d.HTTP.RoundTrip(r)
	if err != nil {
		return nil, unreachable()
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		return nil, unreachable()
	}
	if resp.StatusCode != http.StatusOK {
		f := notFound("there is no metadata document (HTTP " + itoa(resp.StatusCode) + ")")
		f.Absent = resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone || resp.StatusCode == http.StatusMethodNotAllowed
		return nil, f
	}
	body, whole, err := readLimited(resp.Body, d.BodyLimit)
	if err != nil {
		return nil, unreachable()
	}
	if !whole {
		return nil, notFound("the metadata document is too large")
	}
	return body, nil
}

func unreachable() *Failure {
	return fail(Unavailable, "discovery_unavailable", "The token endpoint cannot be looked up now: the metadata is out of reach.")
}

func notFound(why string) *Failure {
	return fail(Misconfigured, "discovery_failed", "The token endpoint was not found: "+why+". Set token_url, or mend the metadata.")
}

// worse keeps the failure that says more: one that may pass before one that will
// not, the first before the later.
func worse(have, next *Failure) *Failure {
	if have == nil || have.Class != Unavailable && next.Class == Unavailable || have.Absent && !next.Absent {
		return next
	}
	return have
}

func parseResource(body []byte, server *url.URL) (*Resource, *Failure) {
	members, ok := object(body)
	if !ok {
		return nil, notFound("the protected-resource metadata is not a JSON object")
	}
	r := &Resource{Issuers: texts(members["authorization_servers"]), Scopes: texts(members["scopes_supported"])}
	if !text(members["resource"], &r.Resource) || !covers(r.Resource, server) {
		return nil, notFound("the protected-resource metadata is about another resource (RFC 9728 §3.3)")
	}
	return r, nil
}

// covers says whether the resource identifier is the server's URL or a prefix of it by
// whole path segments.
func covers(resource string, server *url.URL) bool {
	u, err := url.Parse(resource)
	if err != nil || !strings.EqualFold(u.Scheme, server.Scheme) || !strings.EqualFold(u.Host, server.Host) || u.User != nil || u.Fragment != "" {
		return false
	}
	if u.RawQuery != "" && u.RawQuery != server.RawQuery {
		return false
	}
	want, have := strings.TrimSuffix(u.EscapedPath(), "/"), strings.TrimSuffix(server.EscapedPath(), "/")
	return want == have || strings.HasPrefix(have, want+"/")
}

func parseServer(body []byte, issuer string) (*Server, *Failure) {
	members, ok := object(body)
	if !ok {
		return nil, notFound("the authorization server's metadata is not a JSON object")
	}
	s := &Server{
		AuthMethods: texts(members["token_endpoint_auth_methods_supported"]),
		GrantTypes:  texts(members["grant_types_supported"]), Scopes: texts(members["scopes_supported"]),
	}
	if !text(members["issuer"], &s.Issuer) || s.Issuer != issuer {
		return nil, notFound("the metadata's issuer is another one (RFC 8414 §3.3)")
	}
	if !text(members["token_endpoint"], &s.TokenURL) || s.TokenURL == "" {
		return nil, notFound("the metadata has no token_endpoint")
	}
	_ = text(members["authorization_endpoint"], &s.AuthorizationURL)
	_ = text(members["registration_endpoint"], &s.RegistrationURL)
	_ = text(members["revocation_endpoint"], &s.RevocationURL)
	_ = text(members["jwks_uri"], &s.KeysURL)
	_ = text(members["userinfo_endpoint"], &s.UserInfoURL)
	s.ChallengeMethods = texts(members["code_challenge_methods_supported"])
	s.IssuerInResponse = string(members["authorization_response_iss_parameter_supported"]) == "true"
	s.MetadataDocuments = string(members["client_id_metadata_document_supported"]) == "true"
	return s, nil
}

// texts reads an array of strings; nil for anything else. At most 200 are kept.
func texts(raw json.RawMessage) []string {
	var list []string
	if len(raw) == 0 || json.Unmarshal(raw, &list) != nil {
		return nil
	}
	return list[:min(len(list), 200)]
}
