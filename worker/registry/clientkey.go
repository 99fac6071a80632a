package registry

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// ErrClientKey means that a private key cannot be used; its text says why and
// holds nothing of the key.
var ErrClientKey = errors.New("private key")

// minRSABits is the shortest RSA key that is accepted (RFC 7518 §3.3).
const minRSABits = 2048

// ParseClientKey reads a private key in PEM (PKCS #8, PKCS #1 or SEC 1) or as a JWK
// and answers its PKCS #8 form, which is what is sealed, and its description. alg
// may be blank where the key itself says it; id may be blank: then it is the
// key's thumbprint (RFC 7638).
func ParseClientKey(text, alg, id string) ([]byte, *ClientKey, error) {
	text = strings.TrimSpace(text)
	var key crypto.Signer
	var err error
	if strings.HasPrefix(text, "{") {
		var inside jwk
		key, inside, err = parseJWK(text)
		if alg == "" {
			alg = inside.Alg
		}
		if id == "" {
			id = inside.Kid
		}
	} else {
		key, err = parsePEM(text)
	}
	if err != nil {
		return nil, nil, err
	}
	return describe(key, alg, id)
}

// GenerateClientKey makes a key for ES256 or EdDSA.
func GenerateClientKey(alg, id string) ([]byte, *ClientKey, error) {
	var key crypto.Signer
	var err error
	switch alg {
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, nil, fmt.Errorf("%w: the gateway makes keys for ES256 and EdDSA", ErrClientKey)
	}
	if err != nil {
		return nil, nil, err
	}
	der, k, err := describe(key, alg, id)
	if err == nil {
		k.Generated = true
	}
	return der, k, err
}

func parsePEM(text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, fmt.Errorf("%w: neither PEM nor JWK", ErrClientKey)
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, fmt.Errorf("%w: it is encrypted with a passphrase; remove that first", ErrClientKey)
	default:
		return nil, fmt.Errorf("%w: the PEM block is not a private key", ErrClientKey)
	}
	if signer, ok := key.(crypto.Signer); err == nil && ok {
		return signer, nil
	}
	return nil, fmt.Errorf("%w: the PEM block is not readable", ErrClientKey)
}

// jwk holds the members of RFC 7517, 7518 and 8037 that are used here.
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv,omitempty"`
	Kid string `json:"kid,omitempty"`
	Alg string `json:"alg,omitempty"`
	Use string `json:"use,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
	D   string `json:"d,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	P   string `json:"p,omitempty"`
	Q   string `json:"q,omitempty"`
}

func parseJWK(text string) (crypto.Signer, jwk, error) {
	var j jwk
	bad := func(why string) (crypto.Signer, jwk, error) {
		return nil, j, fmt.Errorf("%w: the JWK %s", ErrClientKey, why)
	}
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return bad("is not readable")
	}
	raw := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			return nil
		}
		return b
	}
	num := func(s string) *big.Int { return new(big.Int).SetBytes(raw(s)) }
	switch {
	case j.Kty == "EC" && j.Crv == "P-256":
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw(j.D))
		if err != nil {
			return bad("holds no valid P-256 key")
		}
		return key, j, nil
	case j.Kty == "OKP" && j.Crv == "Ed25519":
		d := raw(j.D)
		if len(d) != ed25519.SeedSize {
			return bad("holds no valid Ed25519 key")
		}
		return ed25519.NewKeyFromSeed(d), j, nil
	case j.Kty == "RSA":
		e := num(j.E)
		if !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
			return bad("has no valid exponent")
		}
		key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: num(j.N), E: int(e.Int64())}, D: num(j.D), Primes: []*big.Int{num(j.P), num(j.Q)}}
		if bits := key.N.BitLen(); bits < minRSABits || bits > 8192 {
			return bad("is not an RSA key of 2,048 to 8,192 bits")
		}
		if err := key.Validate(); err != nil {
			return bad("is not a valid RSA key")
		}
		key.Precompute()
		return key, j, nil
	}
	return bad("is of a kind that is not supported: RSA, EC with P-256, OKP with Ed25519")
}

func describe(key crypto.Signer, alg, id string) ([]byte, *ClientKey, error) {
	var pub jwk
	var fits []string
	var canonical string // RFC 7638 §3.2: the required members in order
	b64 := base64.RawURLEncoding.EncodeToString
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve != elliptic.P256() {
			return nil, nil, fmt.Errorf("%w: only the curve P-256", ErrClientKey)
		}
		point, err := k.PublicKey.Bytes()
		if err != nil {
			return nil, nil, fmt.Errorf("%w: not a valid P-256 key", ErrClientKey)
		}
		pub = jwk{Kty: "EC", Crv: "P-256", X: b64(point[1:33]), Y: b64(point[33:])}
		canonical = fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, pub.X, pub.Y)
		fits = []string{"ES256"}
	case ed25519.PrivateKey:
		pub = jwk{Kty: "OKP", Crv: "Ed25519", X: b64(k.Public().(ed25519.PublicKey))}
		canonical = fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, pub.X)
		fits = []string{"EdDSA"}
	case *rsa.PrivateKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > 8192 {
			return nil, nil, fmt.Errorf("%w: an RSA key must have 2,048 to 8,192 bits", ErrClientKey)
		}
		pub = jwk{Kty: "RSA", N: b64(k.N.Bytes()), E: b64(big.NewInt(int64(k.E)).Bytes())}
		canonical = fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, pub.E, pub.N)
		fits = []string{"RS256", "PS256"}
	default:
		return nil, nil, fmt.Errorf("%w: only RSA, P-256 and Ed25519", ErrClientKey)
	}
	if alg == "" {
		alg = fits[0]
	}
	if alg != fits[0] && alg != fits[len(fits)-1] {
		return nil, nil, fmt.Errorf("%w: it cannot sign %s; it fits %s", ErrClientKey, alg, strings.Join(fits, " and "))
	}
	if id == "" {
		sum := sha256.Sum256([]byte(canonical))
		id = b64(sum[:])
	}
	pub.Kid, pub.Alg, pub.Use = id, alg, "sig"
	doc, err := json.Marshal(pub)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: not a valid key", ErrClientKey)
	}
	return der, &ClientKey{ID: id, Algorithm: alg, PublicJWK: string(doc)}, nil
}
