package authserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// authorizationCode is a grant that waits for its exchange.
type authorizationCode struct {
	grant       grant
	redirectURI string
	state       string
	challenge   string
	nonce       string
	expiry      time.Time
}

// refreshToken continues a grant. Its family is the chain of tokens that began with one code.
type refreshToken struct {
	grant  grant
	family string
	expiry time.Time
	used   bool
}

// VerifyAuthRequest finds the client. A request without scope asks for all that the client may have.
func (p *protocol) VerifyAuthRequest(ctx context.Context, r *op.Request[oidc.AuthRequest]) (*op.ClientRequest[oidc.AuthRequest], error) {
	client, ok := p.server.client(ctx, r.Data.ClientID)
	if !ok {
		return nil, invalidClient("unknown client")
	}
	c := p.server.libraryClient(client)
	if len(r.Data.Scopes) == 0 {
		r.Data.Scopes = slices.Clone(c.scopes)
	}
	return &op.ClientRequest[oidc.AuthRequest]{Request: r, Client: c}, nil
}

// Authorize sends the user agent back with a code (RFC 6749 §4.1.2, RFC 9207), or first to the page that asks the person.
func (p *protocol) Authorize(_ context.Context, r *op.ClientRequest[oidc.AuthRequest]) (*op.Redirect, error) {
	client := r.Client.(*libraryClient)
	switch {
	case r.Data.RequestParam != "":
		return nil, oidc.ErrRequestNotSupported()
	case !op.ValidateGrantType(client, oidc.GrantTypeCode):
		return nil, oidc.ErrUnauthorizedClient().WithDescription("the client may not use authorization codes")
	case r.Data.ResponseType != oidc.ResponseTypeCode:
		return nil, oidc.ErrInvalidRequest().WithDescription("only response_type code is supported")
	case r.Data.CodeChallenge == "" || r.Data.CodeChallengeMethod != oidc.CodeChallengeMethodS256:
		return nil, oidc.ErrInvalidRequest().WithDescription("PKCE with S256 is required (RFC 7636)")
	}
	audience, err := p.server.grantedAudience(client.Client, r.Form)
	if err != nil {
		return nil, err
	}
	request := authorizationCode{
		grant:       grant{client: client.Client, audience: audience, scopes: r.Data.Scopes},
		redirectURI: r.Data.RedirectURI,
		state:       r.Data.State,
		challenge:   r.Data.CodeChallenge,
		nonce:       r.Data.Nonce,
		expiry:      p.server.options.Now().Add(CodeLifetime),
	}
	target, err := url.Parse(r.Data.RedirectURI)
	if err != nil {
		return nil, oidc.ErrInvalidRequestRedirectURI()
	}
	if len(p.server.options.People) > 0 {
		return op.NewRedirect(p.server.ask(request)), nil
	}
	return op.NewRedirect(p.server.approve(request, target, Person{Subject: p.server.options.Subject})), nil
}

// approve makes a code for the person and answers where the user agent goes with it.
func (s *Server) approve(request authorizationCode, target *url.URL, person Person) string {
	request.grant.subject, request.grant.person = person.Subject, &person
	request.expiry = s.options.Now().Add(CodeLifetime)
	code := rand.Text()
	s.mu.Lock()
	s.codes[code] = request
	s.mu.Unlock()
	return s.back(request, target, "code", code)
}

// back answers the redirect URI with the response's parameters.
func (s *Server) back(request authorizationCode, target *url.URL, name, value string) string {
	query := target.Query()
	query.Set(name, value)
	query.Set("iss", s.options.Issuer)
	if request.state != "" {
		query.Set("state", request.state)
	}
	target.RawQuery = query.Encode()
	return target.String()
}

// CodeExchange spends a code once (RFC 6749 §4.1.3) and checks PKCE (RFC 7636 §4.6).
func (p *protocol) CodeExchange(_ context.Context, r *op.ClientRequest[oidc.AccessTokenRequest]) (*op.Response, error) {
	s := p.server
	s.mu.Lock()
	code, ok := s.codes[r.Data.Code]
	delete(s.codes, r.Data.Code)
	s.mu.Unlock()
	sum := sha256.Sum256([]byte(r.Data.CodeVerifier))
	switch {
	case !ok || !s.options.Now().Before(code.expiry):
		return nil, oidc.ErrInvalidGrant().WithDescription("unknown, used or expired code")
	case code.grant.client.ID != r.Client.GetID():
		return nil, oidc.ErrInvalidGrant().WithDescription("the code was issued to another client")
	case code.redirectURI != r.Data.RedirectURI:
		return nil, oidc.ErrInvalidGrant().WithDescription("redirect_uri differs from the authorization request")
	case base64.RawURLEncoding.EncodeToString(sum[:]) != code.challenge:
		return nil, oidc.ErrInvalidGrant().WithDescription("code_verifier does not match")
	}
	reply, err := s.mintWithRefresh(code.grant, rand.Text(), op.ValidateGrantType(r.Client, oidc.GrantTypeRefreshToken))
	if err != nil {
		return nil, err
	}
	if slices.Contains(code.grant.scopes, oidc.ScopeOpenID) {
		if reply.IDToken, err = s.idToken(code.grant, code.nonce); err != nil {
			return nil, err
		}
	}
	return reply.response(), nil
}

// idToken says who has approved (OpenID Connect Core §2), with the person's claims and the address SUBJECT@example.com.
func (s *Server) idToken(g grant, nonce string) (string, error) {
	now := s.options.Now()
	s.mu.Lock()
	key := s.keys[0]
	s.mu.Unlock()
	claims := map[string]any{}
	if s.options.UserInfoURL == "" {
		claims["email"] = g.subject + "@example.com"
		if g.person != nil {
			maps.Copy(claims, g.person.Claims)
		}
	}
	maps.Copy(claims, map[string]any{
		"iss": s.options.Issuer, "sub": g.subject, "aud": g.client.ID, "iat": now.Unix(), "exp": now.Add(s.options.TokenLifetime).Unix(), "nonce": nonce,
	})
	return sign(key, "JWT", claims)
}

// RefreshToken rotates: each refresh token is good once. A second use revokes the whole family (RFC 9700 §4.14.2).
func (p *protocol) RefreshToken(_ context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	s := p.server
	s.mu.Lock()
	token, ok := s.refreshTokens[r.Data.RefreshToken]
	switch {
	case !ok || !s.options.Now().Before(token.expiry) || token.grant.client.ID != r.Client.GetID():
		s.mu.Unlock()
		return nil, oidc.ErrInvalidGrant().WithDescription("unknown or expired refresh token")
	case token.used:
		for id, other := range s.refreshTokens {
			if other.family == token.family {
				delete(s.refreshTokens, id)
			}
		}
		s.mu.Unlock()
		return nil, oidc.ErrInvalidGrant().WithDescription("the refresh token was used before")
	}
	granted := token.grant
	for _, scope := range r.Data.Scopes {
		if !slices.Contains(granted.scopes, scope) {
			s.mu.Unlock()
			return nil, oidc.ErrInvalidScope().WithDescription("scope %q was not granted", scope)
		}
	}
	token.used = true
	s.refreshTokens[r.Data.RefreshToken] = token
	s.mu.Unlock()
	if len(r.Data.Scopes) > 0 {
		granted.scopes = r.Data.Scopes
	}
	reply, err := s.mintWithRefresh(granted, token.family, true)
	if err != nil {
		return nil, err
	}
	return reply.response(), nil
}

func (s *Server) mintWithRefresh(g grant, family string, refresh bool) (*tokenReply, error) {
	reply, err := s.mint(g)
	if err != nil {
		return nil, err
	}
	if refresh {
		reply.RefreshToken = "rt-" + rand.Text()
		s.mu.Lock()
		s.refreshTokens[reply.RefreshToken] = refreshToken{grant: g, family: family, expiry: s.options.Now().Add(s.options.RefreshLifetime)}
		s.mu.Unlock()
	}
	return reply, nil
}

// RevokeRefreshTokens makes every refresh token of a client unusable.
func (s *Server) RevokeRefreshTokens(clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, token := range s.refreshTokens {
		if token.grant.client.ID == clientID {
			delete(s.refreshTokens, id)
		}
	}
}

// Revocation is RFC 7009: a token of another client is left alone, an unknown one is not an error.
func (p *protocol) Revocation(_ context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	s := p.server
	s.mu.Lock()
	token, isRefresh := s.refreshTokens[r.Data.Token]
	if isRefresh && token.grant.client.ID == r.Client.GetID() {
		delete(s.refreshTokens, r.Data.Token)
	}
	s.mu.Unlock()
	if claims, err := s.verifyOwn(r.Data.Token); err == nil && claims.ClientID == r.Client.GetID() {
		s.RevokeAccessToken(claims.ID)
	}
	return op.NewResponse(nil), nil
}

// Introspect is RFC 7662 for access tokens.
func (p *protocol) Introspect(ctx context.Context, r *op.Request[op.IntrospectionRequest]) (*op.Response, error) {
	_, err := p.VerifyClient(ctx, &op.Request[op.ClientCredentials]{
		Method: r.Method, URL: r.URL, Header: r.Header, Form: r.Form, Data: r.Data.ClientCredentials,
	})
	if err != nil {
		return nil, err
	}
	claims, err := p.server.verifyOwn(r.Data.Token)
	if err != nil || p.server.Revoked(claims.ID) {
		return op.NewResponse(map[string]any{"active": false}), nil
	}
	return op.NewResponse(struct {
		Active    bool   `json:"active"`
		TokenType string `json:"token_type"`
		accessClaims
	}{true, "Bearer", claims}), nil
}
