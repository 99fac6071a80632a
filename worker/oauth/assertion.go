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
		alg, kid, key, err = g.signingKey()
		if err != nil {
			return "", fail(Misconfigured, "client_key_invalid", "The private key of server "+g.Server+" cannot be used: "+err.Error()+".")
		}
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

// signingKey answers the private key as PKCS #8. It is stored so; a PEM or JWK of an
// unsaved record is read first.
func (g *Grant) signingKey() (alg, kid string, der []byte, err error) {
	if g.KeyAlg != "" && len(g.PrivateKey) > 0 && g.PrivateKey[0] == 0x30 { // ASN.1 SEQUENCE
		return g.KeyAlg, g.KeyID, g.PrivateKey, nil
	}
	der, key, err := registry.ParseClientKey(string(g.PrivateKey), g.KeyAlg, g.KeyID)
	if err != nil {
		return "", "", nil, err
	}
	return key.Algorithm, key.ID, der, nil
}
