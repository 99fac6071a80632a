package oauth

import (
	"crypto"
	"crypto/ecdh"
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
	"math/big"
	"strings"

	"github.com/grantway/grantway/worker/registry"
)

// Bounds of private keys.
const (
	// MaxPrivateKeyLength of a PEM or JWK text, in bytes.
	MaxPrivateKeyLength = 16 << 10
	minRSABits          = 2048
	maxRSABits          = 4096
)

// PrivateKey is a key of private_key_jwt, ready for platform.Crypto.
type PrivateKey struct {
	ID        string // kid: as given, else the JWK thumbprint (RFC 7638)
	Algorithm string // ES256, RS256, PS256, EdDSA
	PKCS8     []byte // DER
	PublicJWK string // RFC 7517, with kid, alg and use
}

// ParsePrivateKey reads a private key as PKCS #8 PEM (also the older PEM forms of EC
// and RSA keys) or as a JWK. alg may be "" where the kind of key leaves one choice (EC
// P-256: ES256, Ed25519: EdDSA, RSA: RS256). Its errors contain nothing of the key.
func ParsePrivateKey(text, alg, kid string) (*PrivateKey, error) {
	if len(text) > MaxPrivateKeyLength {
		return nil, errors.New("the key is longer than 16 KiB")
	}
	text = strings.TrimSpace(text)
	var signer crypto.Signer
	var err error
	if strings.HasPrefix(text, "{") {
		var jwk privateJWK
		if json.Unmarshal([]byte(text), &jwk) != nil {
			return nil, errors.New("the JWK is not valid JSON")
		}
		if alg == "" {
			alg = jwk.Alg
		}
		if kid == "" {
			kid = jwk.Kid
		}
		signer, err = jwk.signer()
	} else {
		signer, err = parsePEM(text)
	}
	if err != nil {
		return nil, err
	}
	return describe(signer, alg, kid)
}

// GeneratePrivateKey makes a key for this algorithm. The text (PKCS #8 PEM) is to be
// sealed at once as client_private_key; only the public half ever leaves the gateway.
func GeneratePrivateKey(alg string) (text string, key registry.ClientKey, err error) {
	var signer crypto.Signer
	switch alg {
	case "ES256":
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256", "PS256":
		signer, err = rsa.GenerateKey(rand.Reader, minRSABits)
	case "EdDSA":
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = errors.New("the algorithm is not one of ES256, RS256, PS256, EdDSA")
	}
	if err != nil {
		return "", key, err
	}
	k, err := describe(signer, alg, "")
	if err != nil {
		return "", key, err
	}
	return k.PEM(), registry.ClientKey{ID: k.ID, Algorithm: k.Algorithm, PublicJWK: k.PublicJWK, Generated: true}, nil
}

// PEM answers the key as PKCS #8 PEM, the form in which it is stored.
func (k *PrivateKey) PEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k.PKCS8}))
}

func parsePEM(text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("it is neither PEM nor a JWK")
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("the PEM is encrypted: remove its passphrase first")
	default:
		return nil, errors.New("the PEM holds no private key")
	}
	if err != nil {
		return nil, errors.New("the PEM does not hold a valid private key")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("this kind of key cannot sign")
	}
	return signer, nil
}

// publicJWK has the members in the order of RFC 7638 for each kind; encoding/json
// keeps the order of fields.
type publicJWK struct {
	Crv string `json:"crv,omitempty"`
	E   string `json:"e,omitempty"`
	Kty string `json:"kty"`
	N   string `json:"n,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
}

type namedJWK struct {
	publicJWK
	Kid string `json:"kid"`
	Alg string `json:"alg"`
	Use string `json:"use"`
}

func describe(signer crypto.Signer, alg, kid string) (*PrivateKey, error) {
	var pub publicJWK
	var choices []string
	switch k := signer.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve != elliptic.P256() {
			return nil, errors.New("the curve is not P-256")
		}
		point, err := k.PublicKey.Bytes()
		if err != nil {
			return nil, errors.New("the public half is not valid")
		}
		pub = publicJWK{Kty: "EC", Crv: "P-256", X: b64(point[1:33]), Y: b64(point[33:])}
		choices = []string{"ES256"}
	case ed25519.PrivateKey:
		pub = publicJWK{Kty: "OKP", Crv: "Ed25519", X: b64(k.Public().(ed25519.PublicKey))}
		choices = []string{"EdDSA"}
	case *rsa.PrivateKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, errors.New("an RSA key must have 2048 to 4096 bits")
		}
		pub = publicJWK{Kty: "RSA", N: b64(k.N.Bytes()), E: b64(big.NewInt(int64(k.E)).Bytes())}
		choices = []string{"RS256", "PS256"}
	default:
		return nil, errors.New("the key is not EC P-256, RSA or Ed25519")
	}
	if alg == "" {
		alg = choices[0]
	}
	if alg != choices[0] && (len(choices) < 2 || alg != choices[1]) {
		return nil, errors.New("the key cannot be used with " + clip(alg) + ", only with " + strings.Join(choices, " or "))
	}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, errors.New("the key cannot be written as PKCS #8")
	}
	if kid == "" {
		canonical, err := json.Marshal(pub)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(canonical)
		kid = b64(sum[:])
	}
	named, err := json.Marshal(namedJWK{pub, kid, alg, "sig"})
	if err != nil {
		return nil, err
	}
	return &PrivateKey{ID: kid, Algorithm: alg, PKCS8: der, PublicJWK: string(named)}, nil
}

func clip(s string) string { return s[:min(len(s), 16)] }

// privateJWK is a private key as JWK (RFC 7518 §6, RFC 8037 §2).
type privateJWK struct {
	Kty, Crv, Kid, Alg string
	D, X, Y, N, E      string
	P, Q               string
}

func (j privateJWK) signer() (crypto.Signer, error) {
	broken := errors.New("the JWK is not a valid private key")
	d, err := unb64(j.D)
	if err != nil || len(d) == 0 {
		return nil, errors.New("the JWK holds no private half (d)")
	}
	switch {
	case j.Kty == "EC" && j.Crv == "P-256":
		if len(d) != 32 {
			return nil, broken
		}
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
		if err != nil {
			return nil, broken
		}
		if _, err := ecdh.P256().NewPrivateKey(d); err != nil {
			return nil, broken
		}
		if point, err := key.PublicKey.Bytes(); err != nil || j.X != "" && j.X != b64(point[1:33]) {
			return nil, errors.New("the halves of the JWK do not belong together")
		}
		return key, nil
	case j.Kty == "OKP" && j.Crv == "Ed25519":
		if len(d) != ed25519.SeedSize {
			return nil, broken
		}
		key := ed25519.NewKeyFromSeed(d)
		if j.X != "" && j.X != b64(key.Public().(ed25519.PublicKey)) {
			return nil, errors.New("the halves of the JWK do not belong together")
		}
		return key, nil
	case j.Kty == "RSA":
		n, e1 := unb64(j.N)
		e, e2 := unb64(j.E)
		p, e3 := unb64(j.P)
		q, e4 := unb64(j.Q)
		if e1 != nil || e2 != nil || e3 != nil || e4 != nil || len(p) == 0 || len(q) == 0 || len(e) == 0 || len(e) > 4 {
			return nil, errors.New("the RSA JWK lacks n, e, p or q")
		}
		key := &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())},
			D:         new(big.Int).SetBytes(d),
			Primes:    []*big.Int{new(big.Int).SetBytes(p), new(big.Int).SetBytes(q)},
		}
		if key.N.BitLen() > maxRSABits || key.Validate() != nil {
			return nil, broken
		}
		key.Precompute()
		return key, nil
	}
	return nil, errors.New("the JWK is not EC P-256, RSA or Ed25519")
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func unb64(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}
