package authserver

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

var (
	secretAlgorithms = []jose.SignatureAlgorithm{jose.HS256}
	keyAlgorithms    = []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256, jose.EdDSA}
)

// VerifyClient authenticates the client of a token request. The library has parsed the credentials (basic ones are
// form-decoded, RFC 6749 §2.3.1) and has refused more than one method.
func (p *protocol) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	method := MethodNone
	switch {
	case r.Data.ClientAssertion != "":
		return p.verifyAssertionClient(ctx, r.Data)
	case r.Header.Get("Authorization") != "":
		method = MethodBasic
	case r.Data.ClientSecret != "":
		method = MethodPost
	}
	client, ok := p.server.client(ctx, r.Data.ClientID)
	if !ok {
		return nil, invalidClient("unknown client")
	}
	if client.method() != method {
		return nil, invalidClient("the client is registered for %s", client.method())
	}
	if method != MethodNone && !secretMatches(client.Secrets, r.Data.ClientSecret) {
		return nil, invalidClient("wrong client secret")
	}
	return p.server.libraryClient(client), nil
}

func secretMatches(secrets []string, given string) bool {
	match := 0
	for _, s := range secrets {
		match |= subtle.ConstantTimeCompare([]byte(s), []byte(given))
	}
	return match == 1
}

// verifyAssertionClient checks a JWT client assertion (RFC 7523 §3): signature by the client's registered method, iss and
// sub equal to the client, aud naming this server, exp in the future, jti unused.
func (p *protocol) verifyAssertionClient(ctx context.Context, cc *op.ClientCredentials) (op.Client, error) {
	token, err := jwt.ParseSigned(cc.ClientAssertion, slices.Concat(secretAlgorithms, keyAlgorithms))
	if err != nil {
		return nil, invalidClient("the client assertion is not a JWT with a permitted algorithm")
	}
	var unverified jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&unverified); err != nil {
		return nil, invalidClient("the client assertion has malformed claims")
	}
	client, ok := p.server.client(ctx, unverified.Subject)
	if !ok {
		return nil, invalidClient("unknown client")
	}
	if cc.ClientID != "" && cc.ClientID != client.ID {
		return nil, invalidClient("client_id differs from the assertion's subject")
	}
	claims, err := verifyClientSignature(ctx, client, token)
	if err != nil {
		return nil, err
	}
	if claims.Issuer != client.ID {
		return nil, invalidClient("the assertion's issuer is not the client")
	}
	if !claims.Audience.Contains(p.server.options.Issuer) && !claims.Audience.Contains(p.server.TokenEndpoint()) {
		return nil, invalidClient("the assertion's audience is neither the issuer nor the token endpoint")
	}
	if err := p.server.checkAssertionTimes(client.ID, claims); err != nil {
		return nil, invalidClient("%s", err)
	}
	return p.server.libraryClient(client), nil
}

func verifyClientSignature(ctx context.Context, client Client, token *jwt.JSONWebToken) (claims jwt.Claims, err error) {
	algorithm := jose.SignatureAlgorithm(token.Headers[0].Algorithm)
	switch client.method() {
	case MethodSecret:
		for _, secret := range client.Secrets {
			if algorithm == jose.HS256 && token.Claims([]byte(secret), &claims) == nil {
				return claims, nil
			}
		}
	case MethodKey:
		keys := client.Keys
		if client.KeysURL != "" {
			if err := fetchJSON(ctx, client.KeysURL, &keys); err != nil {
				return claims, invalidClient("the client's keys cannot be read: %s", err)
			}
		}
		for _, key := range keys.Keys {
			if slices.Contains(keyAlgorithms, algorithm) && (token.Headers[0].KeyID == "" || token.Headers[0].KeyID == key.KeyID) &&
				(key.Algorithm == "" || key.Algorithm == string(algorithm)) && token.Claims(key.Key, &claims) == nil {
				return claims, nil
			}
		}
	default:
		return claims, invalidClient("the client is registered for %s", client.method())
	}
	return claims, invalidClient("no key of the client verifies the assertion")
}

// checkAssertionTimes checks exp, nbf and iat, and uses up the jti of owner.
func (s *Server) checkAssertionTimes(owner string, claims jwt.Claims) error {
	now := s.options.Now()
	switch {
	case claims.Expiry == nil:
		return fmt.Errorf("the assertion has no exp")
	case !now.Before(claims.Expiry.Time().Add(ClockSkew)):
		return fmt.Errorf("the assertion has expired")
	case claims.Expiry.Time().Sub(now) > MaxAssertionLifetime+ClockSkew:
		return fmt.Errorf("the assertion lives longer than %s", MaxAssertionLifetime)
	case claims.NotBefore != nil && now.Add(ClockSkew).Before(claims.NotBefore.Time()):
		return fmt.Errorf("the assertion is not valid yet")
	case claims.IssuedAt != nil && now.Add(ClockSkew).Before(claims.IssuedAt.Time()):
		return fmt.Errorf("the assertion was issued in the future")
	case claims.ID == "":
		return fmt.Errorf("the assertion has no jti")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, expiry := range s.usedAssertions {
		if now.After(expiry) {
			delete(s.usedAssertions, key)
		}
	}
	key := assertionID{owner, claims.ID}
	if _, used := s.usedAssertions[key]; used {
		return fmt.Errorf("the assertion was used before")
	}
	s.usedAssertions[key] = claims.Expiry.Time().Add(ClockSkew)
	return nil
}

type assertionID struct{ owner, id string }

func invalidClient(format string, args ...any) error {
	return op.NewStatusError(oidc.ErrInvalidClient().WithDescription(format, args...), http.StatusUnauthorized)
}
