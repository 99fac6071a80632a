package oauth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/grantway/grantway/worker/registry"
)

// assertion makes the client assertion of RFC 7523 §3: iss and sub are the client,
// aud the issuer (or what the record says, or the token endpoint while the issuer is
// unknown), a fresh jti, a short life.
func (e *Endpoint) assertion(ctx context.Context, g *Grant, secret string) (string, error) {
	audience := g.AssertionAudience
	if audience == "" {
		audience = g.Issuer
	}
	if audience == "" {
		audience = g.TokenURL
	}
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": g.ClientID, "sub": g.ClientID, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(e.AssertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	alg, kid, key := "HS256", "", []byte(secret)
	if g.Method == registry.PrivateKeyJWT {
		k, err := ParsePrivateKey(secret, g.KeyAlg, g.KeyID)
		if err != nil {
			return "", fail(Misconfigured, "client_key_invalid", "The private key of server "+g.Server+" cannot be used: "+err.Error()+".")
		}
		alg, kid, key = k.Algorithm, k.ID, k.PKCS8
	}
	signed, err := e.sign(ctx, alg, kid, key, claims)
	if err != nil {
		return "", fail(Misconfigured, "client_key_invalid", "The client assertion of server "+g.Server+" cannot be signed with "+alg+".")
	}
	return signed, nil
}

// sign makes a JWS in compact serialization (RFC 7515 §3.1).
func (e *Endpoint) sign(ctx context.Context, alg, kid string, key, claims []byte) (string, error) {
	header, err := json.Marshal(struct {
		Alg string `json:"alg"`
		Typ string `json:"typ"`
		Kid string `json:"kid,omitempty"`
	}{alg, "JWT", kid})
	if err != nil {
		return "", err
	}
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	signature, err := e.Crypto.Sign(ctx, alg, key, []byte(input))
	if err != nil {
		return "", err
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
