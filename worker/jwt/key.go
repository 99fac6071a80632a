package jwt

import (
	"encoding/json"
	"errors"

	"github.com/grantway/grantway/worker/jwk"
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

// maxKeys is how many keys of a key set are looked at.
const maxKeys = 100

// Key is a public key of a key set (RFC 7517).
type Key struct {
	ID         string
	Algorithm  string // "" if the key set does not say
	algorithms []string
	spki       []byte
}

// ErrKeySet means that a document is not a JSON Web Key Set.
var ErrKeySet = errors.New("jwt: not a JSON Web Key Set")

// member is the part of RFC 7517 and RFC 7518 §6 that is read.
type member struct {
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
		var j member
		if json.Unmarshal(raw, &j) != nil {
			continue
		}
		if k, ok := j.key(); ok {
			out = append(out, k)
		}
	}
	return out, nil
}

func (j *member) key() (Key, bool) {
	if j.Use != "" && j.Use != "sig" || j.D != nil || j.K != nil {
		return Key{}, false
	}
	if j.KeyOps != nil && !contains(j.KeyOps, "verify") {
		return Key{}, false
	}
	public := jwk.Public{Kty: j.Kty, Crv: j.Crv, X: j.X, Y: j.Y, N: j.N, E: j.E}
	spki, err := public.SPKI() // refuses a point that is not on the curve, a short RSA key, other kinds
	if err != nil {
		return Key{}, false
	}
	k := Key{ID: j.Kid, Algorithm: j.Alg, algorithms: public.Algorithms(), spki: spki}
	if k.Algorithm != "" && !contains(k.algorithms, k.Algorithm) {
		return Key{}, false
	}
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
