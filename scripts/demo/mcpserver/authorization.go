package mcpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/modelcontextprotocol/go-sdk/auth"
)

// Claims are those of an access token (RFC 9068 §2.2) that the server reads.
type Claims struct {
	jwt.Claims
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
}

type verifiedClaims struct{}

// authorize lets a request through whose access token is good (RFC 6750, RFC 9728 §5.1).
func (s *Server) authorize(path string, next http.Handler) http.Handler {
	// The SDK's own check hands the caller's identity to tools and binds sessions to it; ours has run before it.
	next = auth.RequireBearerToken(func(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
		claims, ok := ctx.Value(verifiedClaims{}).(Claims)
		if !ok {
			return nil, auth.ErrInvalidToken
		}
		return &auth.TokenInfo{
			Scopes: strings.Fields(claims.Scope),
			UserID: claims.Subject,
			Extra:  map[string]any{"claims": claims},
		}, nil
	}, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true})(next)

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse := func(status int, code, scope, description string) {
			challenge := []string{fmt.Sprintf("resource_metadata=%q", s.options.BaseURL+MetadataPath+path), fmt.Sprintf("scope=%q", scope)}
			if code != "" {
				challenge = append(challenge, fmt.Sprintf("error=%q", code), fmt.Sprintf("error_description=%q", description))
			}
			w.Header().Set("WWW-Authenticate", "Bearer "+strings.Join(challenge, ", "))
			http.Error(w, description, status)
		}
		for name, value := range s.options.Credentials {
			if r.Header.Get(name) == value {
				r = r.Clone(context.WithValue(r.Context(), verifiedClaims{}, s.fixed(name)))
				r.Header.Set("Authorization", "Bearer "+name) // the SDK wants one
				next.ServeHTTP(w, r)
				return
			}
		}
		all := ScopeRead + " " + ScopeCall
		kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(kind, "Bearer") {
			refuse(http.StatusUnauthorized, "", all, "a bearer token is required")
			return
		}
		claims, err := s.verify(token)
		if err != nil {
			s.mu.Lock()
			s.refused++
			s.mu.Unlock()
			refuse(http.StatusUnauthorized, "invalid_token", all, err.Error())
			return
		}
		required := []string{ScopeRead}
		if callsTool(r) {
			required = append(required, ScopeCall)
		}
		granted := strings.Fields(claims.Scope)
		for _, scope := range required {
			if !slices.Contains(granted, scope) {
				refuse(http.StatusForbidden, "insufficient_scope", strings.Join(required, " "), "the token lacks scope "+scope)
				return
			}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), verifiedClaims{}, claims)))
	})
}

// fixed answers the claims of a request with a credential that is not a token: the header that carries it is its client.
func (s *Server) fixed(header string) Claims {
	return Claims{
		Claims:   jwt.Claims{Subject: header, Expiry: jwt.NewNumericDate(s.options.Now().Add(time.Hour))},
		ClientID: header, Scope: ScopeRead + " " + ScopeCall,
	}
}

// verify checks an access token. Its errors never contain the token.
func (s *Server) verify(token string) (Claims, error) {
	var claims Claims
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		return claims, errors.New("the token is not a signed JWT")
	}
	if typ, _ := parsed.Headers[0].ExtraHeaders["typ"].(string); !strings.EqualFold(strings.TrimPrefix(typ, "application/"), "at+jwt") {
		return claims, errors.New("the token is not an access token")
	}
	key, err := s.keys.key(parsed.Headers[0].KeyID)
	if err != nil {
		return claims, err
	}
	if err := parsed.Claims(key.Key, &claims); err != nil {
		return claims, errors.New("the signature does not verify")
	}
	if claims.Expiry == nil || claims.Subject == "" {
		return claims, errors.New("the token lacks exp or sub")
	}
	err = claims.ValidateWithLeeway(jwt.Expected{
		Issuer: s.options.Issuer, AnyAudience: s.options.Audiences, Time: s.options.Now(),
	}, 0)
	if err != nil {
		return claims, err
	}
	if s.options.Revoked != nil && s.options.Revoked(claims.ID) {
		return claims, errors.New("the token was revoked")
	}
	return claims, nil
}

// callsTool looks into a request's body and leaves it unread.
func callsTool(r *http.Request) bool {
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return false
	}
	type message struct {
		Method string `json:"method"`
	}
	var one message
	if json.Unmarshal(body, &one) == nil {
		return one.Method == "tools/call"
	}
	var batch []message
	return json.Unmarshal(body, &batch) == nil && slices.Contains(batch, message{"tools/call"})
}
