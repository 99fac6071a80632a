package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/grantway/grantway/worker/jwk"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

// ErrClientKey means that a private key cannot be used; its text says why and
// holds nothing of the key.
var ErrClientKey = jwk.ErrPrivate

// ParseClientKey reads a private key in PEM (PKCS #8, PKCS #1 or SEC 1) or as a JWK
// and answers its PKCS #8 form, which is what is sealed, and its description. alg
// may be blank where the key itself says it; id may be blank: then it is the
// key's thumbprint (RFC 7638).
func ParseClientKey(text, alg, id string) ([]byte, *ClientKey, error) {
	key, err := jwk.ParsePrivate(text)
	if err != nil {
		return nil, nil, err
	}
	if alg == "" {
		alg = key.Alg
	}
	if id == "" {
		id = key.Kid
	}
	return describe(key, alg, id)
}

// GenerateClientKey has the host make a key for ES256, EdDSA, RS256 or PS256.
func GenerateClientKey(ctx context.Context, host platform.Crypto, alg, id string) ([]byte, *ClientKey, error) {
	made, err := host.Generate(ctx, alg)
	if errors.Is(err, platform.ErrUnsupported) {
		return nil, nil, problem.New(http.StatusNotImplemented, "key_generation_unsupported", "This host is older than the gateway and cannot make keys. Update the host, or give a private key.")
	}
	if err != nil {
		return nil, nil, err
	}
	key, err := jwk.ParsePKCS8(made)
	if err != nil {
		return nil, nil, err
	}
	der, k, err := describe(key, alg, id)
	if err == nil {
		k.Generated = true
	}
	return der, k, err
}

func describe(key *jwk.Private, alg, id string) ([]byte, *ClientKey, error) {
	fits := key.Public.Algorithms()
	if alg == "" {
		alg = fits[0]
	}
	if !slices.Contains(fits, alg) {
		return nil, nil, fmt.Errorf("%w: it cannot sign %s; it fits %s", ErrClientKey, alg, strings.Join(fits, " and "))
	}
	if id == "" {
		id = key.Public.Thumbprint()
	}
	doc, err := json.Marshal(struct {
		jwk.Public
		Kid string `json:"kid"`
		Alg string `json:"alg"`
		Use string `json:"use"`
	}{key.Public, id, alg, "sig"})
	if err != nil {
		return nil, nil, err
	}
	return key.PKCS8, &ClientKey{ID: id, Algorithm: alg, PublicJWK: string(doc)}, nil
}
