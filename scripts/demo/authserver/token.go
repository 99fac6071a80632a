package authserver

import (
	"context"
	"crypto/rand"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// AccessTokenType is the typ header of access tokens (RFC 9068 §2.1).
const AccessTokenType = "at+jwt"

// accessClaims are the claims of an access token (RFC 9068 §2.2).
type accessClaims struct {
	jwt.Claims
	ClientID string `json:"client_id"`
	Scope    string `json:"scope,omitempty"`
	Actor    *actor `json:"act,omitempty"`
}

// actor is who acts for the subject (RFC 8693 §4.1).
type actor struct {
	Subject string `json:"sub"`
}

// grant is what a token request was granted.
type grant struct {
	client   Client
	subject  string
	audience []string
	scopes   []string
	actor    string
	person   *Person // who approved
}

// tokenReply is the body of a successful token response (RFC 6749 §5.1, RFC 8693 §2.2.1).
type tokenReply struct {
	AccessToken     string `json:"access_token"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"`
	Scope           string `json:"scope,omitempty"`
	RefreshToken    string `json:"refresh_token,omitempty"`
	IssuedTokenType string `json:"issued_token_type,omitempty"`
	IDToken         string `json:"id_token,omitempty"`
}

func (r *tokenReply) response() *op.Response {
	response := op.NewResponse(r)
	response.Header.Set("Cache-Control", "no-store")
	response.Header.Set("Pragma", "no-cache")
	return response
}

// mint signs an access token for g and counts it.
func (s *Server) mint(g grant) (*tokenReply, error) {
	lifetime := s.options.TokenLifetime
	if g.client.TokenLifetime != 0 {
		lifetime = g.client.TokenLifetime
	}
	now := s.options.Now()
	claims := accessClaims{
		Claims: jwt.Claims{
			Issuer:    s.options.Issuer,
			Subject:   g.subject,
			Audience:  g.audience,
			Expiry:    jwt.NewNumericDate(now.Add(lifetime)),
			NotBefore: jwt.NewNumericDate(now),
			IssuedAt:  jwt.NewNumericDate(now),
			ID:        rand.Text(),
		},
		ClientID: g.client.ID,
		Scope:    strings.Join(g.scopes, " "),
	}
	if g.actor != "" {
		claims.Actor = &actor{g.actor}
	}
	s.mu.Lock()
	key := s.keys[0]
	s.mints[g.client.ID]++
	s.issued[claims.ID] = issuedToken{claims: claims}
	s.mu.Unlock()
	token, err := sign(key, AccessTokenType, claims)
	if err != nil {
		return nil, err
	}
	return &tokenReply{
		AccessToken: token,
		TokenType:   "Bearer",
		ExpiresIn:   int64(lifetime / time.Second),
		Scope:       claims.Scope,
	}, nil
}

func sign(key signingKey, kind jose.ContentType, claims any) (string, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.private.Algorithm), Key: key.private},
		(&jose.SignerOptions{}).WithType(kind))
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// grantedScopes checks what was asked for against what the client may have; nothing asked for means all of it.
func grantedScopes(client *libraryClient, asked []string) ([]string, error) {
	if len(asked) == 0 {
		return client.scopes, nil
	}
	for _, scope := range asked {
		if !client.IsScopeAllowed(scope) {
			return nil, oidc.ErrInvalidScope().WithDescription("the client may not have scope %q", scope)
		}
	}
	return asked, nil
}

// grantedAudience takes the resource (RFC 8707) and audience parameters of a request.
func (s *Server) grantedAudience(client Client, form url.Values) ([]string, error) {
	var audience []string
	for _, resource := range form["resource"] {
		u, err := url.Parse(resource)
		if err != nil || !u.IsAbs() || strings.Contains(resource, "#") {
			return nil, oidc.ErrInvalidTarget().WithDescription("a resource must be an absolute URI without fragment")
		}
		audience = append(audience, resource)
	}
	audience = append(audience, form["audience"]...)
	for _, a := range audience {
		if client.Audiences != nil && !slices.Contains(client.Audiences, a) {
			return nil, oidc.ErrInvalidTarget().WithDescription("the client may not ask for %q", a)
		}
	}
	switch {
	case len(audience) > 0:
	case client.DefaultAudience != "":
		audience = []string{client.DefaultAudience}
	default:
		audience = []string{s.options.Audience}
	}
	return audience, nil
}

type issuedToken struct {
	claims  accessClaims
	revoked bool
}

// RevokeAccessToken makes introspection and [Server.Revoked] call a token dead before its exp. The token may be given
// whole or by its jti.
func (s *Server) RevokeAccessToken(token string) bool {
	id := token
	if claims, err := s.verifyOwn(token); err == nil {
		id = claims.ID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	issued, ok := s.issued[id]
	issued.revoked = true
	if ok {
		s.issued[id] = issued
	}
	return ok
}

// RevokeAll revokes every access token issued so far.
func (s *Server) RevokeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, issued := range s.issued {
		issued.revoked = true
		s.issued[id] = issued
	}
}

// Revoked says whether the access token with this jti was revoked. A resource server that only checks JWTs cannot
// know; one that shares the process can ask here.
func (s *Server) Revoked(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issued[id].revoked
}

// verifyOwn checks an access token of this server: signature, issuer and times.
func (s *Server) verifyOwn(token string) (accessClaims, error) {
	var claims accessClaims
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{s.options.Algorithm})
	if err != nil {
		return claims, err
	}
	set := s.Keys()
	if err := parsed.Claims(&set, &claims); err != nil {
		return claims, err
	}
	return claims, claims.ValidateWithLeeway(jwt.Expected{Issuer: s.options.Issuer, Time: s.options.Now()}, 0)
}

func (p *protocol) Keys(_ context.Context, _ *op.Request[struct{}]) (*op.Response, error) {
	response := op.NewResponse(p.server.Keys())
	response.Header.Set("Cache-Control", "max-age=0")
	return response, nil
}
