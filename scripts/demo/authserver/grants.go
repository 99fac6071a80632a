package authserver

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// protocol is what the library asks for: one method per endpoint or grant.
type protocol struct {
	op.UnimplementedServer
	server *Server
}

// ClientCredentialsExchange is RFC 6749 §4.4. The subject of the token is the client itself.
func (p *protocol) ClientCredentialsExchange(_ context.Context, r *op.ClientRequest[oidc.ClientCredentialsRequest]) (*op.Response, error) {
	client := r.Client.(*libraryClient)
	scopes, err := grantedScopes(client, r.Data.Scope)
	if err != nil {
		return nil, err
	}
	audience, err := p.server.grantedAudience(client.Client, r.Form)
	if err != nil {
		return nil, err
	}
	reply, err := p.server.mint(grant{client: client.Client, subject: client.ID, audience: audience, scopes: scopes})
	if err != nil {
		return nil, err
	}
	return reply.response(), nil
}

// JWTProfile is the jwt-bearer grant (RFC 7523 §2.1): a trusted issuer vouches for the subject. The library leaves client
// authentication to us here; it is required, and an assertion that names a client must name this one.
func (p *protocol) JWTProfile(ctx context.Context, r *op.Request[oidc.JWTProfileGrantRequest]) (*op.Response, error) {
	credentials, err := clientCredentials(r.Header, r.Form)
	if err != nil {
		return nil, err
	}
	verified, err := p.VerifyClient(ctx, &op.Request[op.ClientCredentials]{
		Method: r.Method, URL: r.URL, Header: r.Header, Form: r.Form, Data: credentials,
	})
	if err != nil {
		return nil, err
	}
	client := verified.(*libraryClient)
	if !op.ValidateGrantType(client, oidc.GrantTypeBearer) {
		return nil, oidc.ErrUnauthorizedClient().WithDescription("grant_type %q not allowed", GrantJWTBearer)
	}
	claims, err := p.server.verifyForeign(r.Data.Assertion)
	if err != nil {
		return nil, oidc.ErrInvalidGrant().WithDescription("assertion: %s", err)
	}
	if !claims.Audience.Contains(p.server.options.Issuer) && !claims.Audience.Contains(p.server.TokenEndpoint()) {
		return nil, oidc.ErrInvalidGrant().WithDescription("assertion: the audience is neither the issuer nor the token endpoint")
	}
	if claims.ClientID != "" && claims.ClientID != client.ID {
		return nil, oidc.ErrInvalidGrant().WithDescription("assertion: it was issued to another client")
	}
	if err := p.server.checkAssertionTimes(claims.Issuer, claims.Claims); err != nil {
		return nil, oidc.ErrInvalidGrant().WithDescription("assertion: %s", err)
	}
	scopes, err := grantedScopes(client, r.Data.Scope)
	if err != nil {
		return nil, err
	}
	if claims.Scope != "" {
		permitted := strings.Fields(claims.Scope)
		scopes = slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return !slices.Contains(permitted, s) })
	}
	form := r.Form
	if claims.Resource != "" && !form.Has("resource") {
		form = url.Values{"resource": {claims.Resource}}
	}
	audience, err := p.server.grantedAudience(client.Client, form)
	if err != nil {
		return nil, err
	}
	reply, err := p.server.mint(grant{client: client.Client, subject: claims.Subject, audience: audience, scopes: scopes})
	if err != nil {
		return nil, err
	}
	return reply.response(), nil
}

// TokenExchange is RFC 8693: the subject token is an access token of this server, or a JWT of a trusted issuer.
func (p *protocol) TokenExchange(_ context.Context, r *op.ClientRequest[oidc.TokenExchangeRequest]) (*op.Response, error) {
	client := r.Client.(*libraryClient)
	if t := r.Data.RequestedTokenType; t != "" && t != oidc.AccessTokenType && t != oidc.JWTTokenType {
		return nil, oidc.ErrInvalidRequest().WithDescription("requested_token_type %q is not issued", t)
	}
	subject, err := p.server.exchangeSubject(r.Data.SubjectToken, r.Data.SubjectTokenType)
	if err != nil {
		return nil, oidc.ErrInvalidRequest().WithDescription("subject_token: %s", err)
	}
	actor := client.ID
	if r.Data.ActorToken != "" {
		if actor, err = p.server.exchangeSubject(r.Data.ActorToken, r.Data.ActorTokenType); err != nil {
			return nil, oidc.ErrInvalidRequest().WithDescription("actor_token: %s", err)
		}
	}
	scopes, err := grantedScopes(client, r.Data.Scopes)
	if err != nil {
		return nil, err
	}
	audience, err := p.server.grantedAudience(client.Client, r.Form)
	if err != nil {
		return nil, err
	}
	reply, err := p.server.mint(grant{client: client.Client, subject: subject, audience: audience, scopes: scopes, actor: actor})
	if err != nil {
		return nil, err
	}
	reply.IssuedTokenType = string(oidc.AccessTokenType)
	return reply.response(), nil
}

func (s *Server) exchangeSubject(token string, tokenType oidc.TokenType) (string, error) {
	if tokenType == oidc.AccessTokenType {
		claims, err := s.verifyOwn(token)
		if err == nil && s.Revoked(claims.ID) {
			return "", errRevoked
		}
		return claims.Subject, err
	}
	claims, err := s.verifyForeign(token)
	if err != nil {
		return "", err
	}
	return claims.Subject, claims.ValidateWithLeeway(jwt.Expected{Time: s.options.Now()}, ClockSkew)
}

// foreignClaims are those of a JWT that a trusted issuer signed.
type foreignClaims struct {
	jwt.Claims
	ClientID string `json:"client_id"`
	Resource string `json:"resource"`
	Scope    string `json:"scope"`
}

// verifyForeign checks the signature of a trusted issuer's JWT. The caller checks audience and times.
func (s *Server) verifyForeign(token string) (foreignClaims, error) {
	var claims foreignClaims
	parsed, err := jwt.ParseSigned(token, keyAlgorithms)
	if err != nil {
		return claims, errNotJWT
	}
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return claims, errNotJWT
	}
	for _, trusted := range s.options.TrustedIssuers {
		if trusted.Issuer != claims.Issuer {
			continue
		}
		for _, key := range trusted.Keys.Keys {
			if parsed.Claims(key.Key, &claims) == nil {
				if claims.Subject == "" {
					return claims, errNoSubject
				}
				return claims, nil
			}
		}
		return claims, errSignature
	}
	return claims, errUntrusted
}

// clientCredentials reads client authentication the way the library does for the other grants.
func clientCredentials(header http.Header, form url.Values) (*op.ClientCredentials, error) {
	credentials := &op.ClientCredentials{
		ClientID:            form.Get("client_id"),
		ClientSecret:        form.Get("client_secret"),
		ClientAssertion:     form.Get("client_assertion"),
		ClientAssertionType: form.Get("client_assertion_type"),
	}
	id, secret, ok := (&http.Request{Header: header}).BasicAuth()
	if ok {
		if credentials.ClientSecret != "" || credentials.ClientAssertion != "" {
			return nil, oidc.ErrInvalidRequest().WithDescription("client authentication must not use more than one method")
		}
		var err error
		if credentials.ClientID, err = url.QueryUnescape(id); err != nil {
			return nil, invalidClient("invalid basic auth header")
		}
		if credentials.ClientSecret, err = url.QueryUnescape(secret); err != nil {
			return nil, invalidClient("invalid basic auth header")
		}
	}
	if credentials.ClientAssertion != "" && credentials.ClientAssertionType != oidc.ClientAssertionTypeJWTAssertion {
		return nil, oidc.ErrInvalidRequest().WithDescription("invalid client_assertion_type")
	}
	return credentials, nil
}
