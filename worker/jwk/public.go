package jwk

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// Public holds the public members of a JWK. Values are base64url without padding.
type Public struct {
	Kty string `json:"kty"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
}

// SPKI answers the key as SubjectPublicKeyInfo in DER. It refuses a point that is not
// on the curve, an RSA key outside MinRSABits … MaxRSABits or with an impossible
// exponent, and kinds that are not known, with an error that wraps ErrPublic.
func (p *Public) SPKI() ([]byte, error) {
	switch {
	case p.Kty == "EC" && p.Crv == "P-256":
		x, y := decode(p.X), decode(p.Y)
		if len(x) != 32 || len(y) != 32 {
			return nil, fmt.Errorf("%w: coordinates of P-256 have 32 bytes", ErrPublic)
		}
		point := append(append([]byte{4}, x...), y...)
		if _, err := ecdh.P256().NewPublicKey(point); err != nil {
			return nil, fmt.Errorf("%w: the point is not on the curve", ErrPublic)
		}
		return element(tagSequence, algorithmP256, bitString(point)), nil
	case p.Kty == "RSA":
		n, e := decode(p.N), decode(p.E)
		if err := checkRSA(n, e); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPublic, err)
		}
		return element(tagSequence, algorithmRSA, bitString(element(tagSequence, integer(n), integer(e)))), nil
	case p.Kty == "OKP" && p.Crv == "Ed25519":
		x := decode(p.X)
		if len(x) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("%w: an Ed25519 key has 32 bytes", ErrPublic)
		}
		return element(tagSequence, algorithmEd25519, bitString(x)), nil
	}
	return nil, fmt.Errorf("%w: only RSA, EC with P-256, and OKP with Ed25519", ErrPublic)
}

// Algorithms answers what a key of this kind can verify, the usual one first.
func (p *Public) Algorithms() []string {
	switch p.Kty {
	case "EC":
		return []string{ES256}
	case "OKP":
		return []string{EdDSA}
	}
	return []string{RS256, PS256}
}

// Thumbprint is the key's SHA-256 thumbprint in base64url (RFC 7638 §3).
func (p *Public) Thumbprint() string {
	var canonical string // the required members in lexicographic order
	switch p.Kty {
	case "EC":
		canonical = `{"crv":"` + p.Crv + `","kty":"EC","x":"` + p.X + `","y":"` + p.Y + `"}`
	case "OKP":
		canonical = `{"crv":"` + p.Crv + `","kty":"OKP","x":"` + p.X + `"}`
	default:
		canonical = `{"e":"` + p.E + `","kty":"RSA","n":"` + p.N + `"}`
	}
	sum := sha256.Sum256([]byte(canonical))
	return encode(sum[:])
}

var (
	errRSASize     = fmt.Errorf("an RSA key must have %d to %d bits", MinRSABits, MaxRSABits)
	errRSAExponent = fmt.Errorf("the RSA exponent must be odd, at least 3, and of at most 32 bits")
)

func checkRSA(n, e []byte) error {
	n, e = trim(n), trim(e)
	if size := bits(n); size < MinRSABits || size > MaxRSABits || n[len(n)-1]&1 == 0 {
		return errRSASize
	}
	if len(e) == 0 || bits(e) > 31 || e[len(e)-1]&1 == 0 || len(e) == 1 && e[0] < 3 {
		return errRSAExponent
	}
	return nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// decode answers nil for what is not base64url.
func decode(s string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}
