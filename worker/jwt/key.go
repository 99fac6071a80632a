package jwt

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"math/big"
)

// The algorithms (RFC 7518 §3.1, RFC 8037 §3.1).
const (
	ES256 = "ES256"
	RS256 = "RS256"
	PS256 = "PS256"
	EdDSA = "EdDSA"
)

// Algorithms are all that can be verified.
var Algorithms = []string{ES256, RS256, PS256, EdDSA}

// Limits of a key set.
const (
	maxKeys    = 100  // keys looked at
	minRSABits = 2048 // NIST SP 800-131A
	maxRSABits = 8192 // a longer one only costs time
)

// Key is a public key of a key set (RFC 7517).
type Key struct {
	ID         string
	Algorithm  string // "" if the key set does not say
	algorithms []string
	spki       []byte
}

// ErrKeySet means that a document is not a JSON Web Key Set.
var ErrKeySet = errors.New("jwt: not a JSON Web Key Set")

// jwk is the part of RFC 7517 and RFC 7518 §6 that is read.
type jwk struct {
	Kty, Kid, Alg, Use string
	KeyOps             []string `json:"key_ops"`
	Crv, X, Y          string
	N, E               string
	D, K               *string // private parts
}

// ParseKeySet reads the usable keys of a key set. A key for something else than
// signatures, with a private part, too short, or of a kind that is not known is left out
// (RFC 7517 §5).
func ParseKeySet(body []byte) ([]Key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(body, &set) != nil || set.Keys == nil {
		return nil, ErrKeySet
	}
	var out []Key
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		var j jwk
		if json.Unmarshal(raw, &j) != nil {
			continue
		}
		if k, ok := j.key(); ok {
			out = append(out, k)
		}
	}
	return out, nil
}

func (j *jwk) key() (Key, bool) {
	if j.Use != "" && j.Use != "sig" || j.D != nil || j.K != nil {
		return Key{}, false
	}
	if j.KeyOps != nil && !contains(j.KeyOps, "verify") {
		return Key{}, false
	}
	k := Key{ID: j.Kid, Algorithm: j.Alg}
	var public any
	switch {
	case j.Kty == "EC" && j.Crv == "P-256":
		x, err := decode(j.X)
		y, err2 := decode(j.Y)
		if err != nil || err2 != nil || len(x) != 32 || len(y) != 32 {
			return Key{}, false
		}
		point := append(append([]byte{4}, x...), y...)
		p, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point) // refuses a point that is not on the curve
		if err != nil {
			return Key{}, false
		}
		public, k.algorithms = p, []string{ES256}
	case j.Kty == "RSA":
		n, err := decode(j.N)
		e, err2 := decode(j.E)
		if err != nil || err2 != nil || len(e) == 0 || len(e) > 4 {
			return Key{}, false
		}
		p := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		if bits := p.N.BitLen(); bits < minRSABits || bits > maxRSABits || p.E < 3 || p.E&1 == 0 {
			return Key{}, false
		}
		public, k.algorithms = p, []string{RS256, PS256}
	case j.Kty == "OKP" && j.Crv == "Ed25519":
		x, err := decode(j.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return Key{}, false
		}
		public, k.algorithms = ed25519.PublicKey(x), []string{EdDSA}
	default:
		return Key{}, false
	}
	if k.Algorithm != "" && !contains(k.algorithms, k.Algorithm) {
		return Key{}, false
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Key{}, false
	}
	k.spki = der
	return k, true
}

// fits reports whether this key may verify a token with this algorithm.
func (k *Key) fits(algorithm string) bool {
	return contains(k.algorithms, algorithm) && (k.Algorithm == "" || k.Algorithm == algorithm)
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
