package jwk

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
)

// Private is a private key in the form that platform.Crypto signs with.
type Private struct {
	PKCS8  []byte // DER
	Public Public
	Kid    string // of the JWK it was read from, "" if it had none
	Alg    string // likewise
}

// ParsePrivate reads a private key in PEM (PKCS #8, PKCS #1 or SEC 1) or as a JWK. The
// error wraps ErrPrivate and says what is wrong.
func ParsePrivate(text string) (*Private, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") {
		return parseJWK(text)
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, fmt.Errorf("%w: neither PEM nor JWK", ErrPrivate)
	}
	switch block.Type {
	case "PRIVATE KEY":
		return ParsePKCS8(block.Bytes)
	case "RSA PRIVATE KEY":
		return parseRSA(block.Bytes)
	case "EC PRIVATE KEY":
		return parseEC(block.Bytes, false)
	case "ENCRYPTED PRIVATE KEY":
		return nil, fmt.Errorf("%w: it is encrypted with a passphrase; remove that first", ErrPrivate)
	}
	return nil, fmt.Errorf("%w: the PEM block is not a private key", ErrPrivate)
}

var errUnreadable = fmt.Errorf("%w: the PEM block is not readable", ErrPrivate)

// ParsePKCS8 reads a PrivateKeyInfo (RFC 5208 §5) or OneAsymmetricKey (RFC 5958 §2).
func ParsePKCS8(der []byte) (*Private, error) {
	outer := &reader{rest: der}
	info := outer.sequence(tagSequence)
	version := info.unsigned()
	algorithm := element(tagSequence, info.next(tagSequence))
	key := info.next(tagOctetString)
	if outer.end() != nil || info.err != nil || len(version) > 1 || len(version) == 1 && version[0] != 1 {
		return nil, errUnreadable
	}
	switch {
	case bytes.Equal(algorithm, algorithmP256):
		return parseEC(key, true)
	case bytes.Equal(algorithm, algorithmRSA):
		return parseRSA(key)
	case bytes.Equal(algorithm, algorithmEd25519):
		inner := &reader{rest: key}
		seed := inner.next(tagOctetString)
		if inner.end() != nil || len(seed) != ed25519.SeedSize {
			return nil, errUnreadable
		}
		return fromSeed(seed), nil
	}
	return nil, fmt.Errorf("%w: only RSA, P-256 and Ed25519", ErrPrivate)
}

// parseEC reads an ECPrivateKey (RFC 5915 §3). Within PKCS #8 the curve stands
// outside.
func parseEC(der []byte, curveKnown bool) (*Private, error) {
	outer := &reader{rest: der}
	r := outer.sequence(tagSequence)
	version := r.unsigned()
	d := r.next(tagOctetString)
	if outer.end() != nil || r.err != nil || !bytes.Equal(version, []byte{1}) {
		return nil, errUnreadable
	}
	const tagContext0 = 0xa0
	if r.has(tagContext0) {
		curveKnown = bytes.Equal(r.next(tagContext0), oidP256)
	}
	if !curveKnown {
		return nil, fmt.Errorf("%w: only the curve P-256", ErrPrivate)
	}
	if r.has(tagContext1) {
		r.next(tagContext1) // the public key: it is computed anew
	}
	if r.end() != nil {
		return nil, errUnreadable
	}
	return parseP256(d, errUnreadable)
}

func parseP256(d []byte, unreadable error) (*Private, error) {
	if len(d) < 32 { // some writers cut leading zeros off
		d = append(make([]byte, 32-len(d)), d...)
	}
	key, err := ecdh.P256().NewPrivateKey(d)
	if err != nil {
		return nil, unreadable
	}
	return fromP256(key), nil
}

func fromP256(key *ecdh.PrivateKey) *Private {
	point := key.PublicKey().Bytes()
	inner := element(tagSequence, integer([]byte{1}), element(tagOctetString, key.Bytes()), element(tagContext1, bitString(point)))
	return &Private{
		PKCS8:  element(tagSequence, integer(nil), algorithmP256, element(tagOctetString, inner)),
		Public: Public{Kty: "EC", Crv: "P-256", X: encode(point[1:33]), Y: encode(point[33:])},
	}
}

func fromSeed(seed []byte) *Private {
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	return &Private{
		PKCS8:  element(tagSequence, integer(nil), algorithmEd25519, element(tagOctetString, element(tagOctetString, seed))),
		Public: Public{Kty: "OKP", Crv: "Ed25519", X: encode(public)},
	}
}

// rsaNumbers is how many INTEGERs follow the version of an RSAPrivateKey (RFC 8017
// A.1.2): n, e, d, p, q, dp, dq, qi.
const rsaNumbers = 8

func parseRSA(der []byte) (*Private, error) {
	outer := &reader{rest: der}
	r := outer.sequence(tagSequence)
	version := r.unsigned()
	var numbers [rsaNumbers][]byte
	for i := range numbers {
		numbers[i] = r.unsigned()
	}
	if outer.end() != nil || r.end() != nil || len(version) > 0 {
		return nil, errUnreadable
	}
	return fromRSA(numbers)
}

// fromRSA checks what can be checked without arithmetic on the primes; whether they
// fit shows when the key first signs.
func fromRSA(numbers [rsaNumbers][]byte) (*Private, error) {
	n, e := numbers[0], numbers[1]
	if err := checkRSA(n, e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPrivate, err)
	}
	parts := [][]byte{integer(nil)}
	for _, v := range numbers {
		if len(trim(v)) == 0 || bits(v) > bits(n) {
			return nil, fmt.Errorf("%w: not a valid RSA key", ErrPrivate)
		}
		parts = append(parts, integer(v))
	}
	return &Private{
		PKCS8:  element(tagSequence, integer(nil), algorithmRSA, element(tagOctetString, element(tagSequence, parts...))),
		Public: Public{Kty: "RSA", N: encode(trim(n)), E: encode(trim(e))},
	}, nil
}

func parseJWK(text string) (*Private, error) {
	var j struct {
		Public
		Kid string `json:"kid"`
		Alg string `json:"alg"`
		D   string `json:"d"`
		P   string `json:"p"`
		Q   string `json:"q"`
		DP  string `json:"dp"`
		DQ  string `json:"dq"`
		QI  string `json:"qi"`
	}
	bad := func(why string) error { return fmt.Errorf("%w: the JWK %s", ErrPrivate, why) }
	if json.Unmarshal([]byte(text), &j) != nil {
		return nil, bad("is not readable")
	}
	var key *Private
	var err error
	switch {
	case j.Kty == "EC" && j.Crv == "P-256":
		d := decode(j.D)
		if len(d) != 32 {
			return nil, bad("holds no valid P-256 key")
		}
		key, err = parseP256(d, bad("holds no valid P-256 key"))
	case j.Kty == "OKP" && j.Crv == "Ed25519":
		d := decode(j.D)
		if len(d) != ed25519.SeedSize {
			return nil, bad("holds no valid Ed25519 key")
		}
		key = fromSeed(d)
	case j.Kty == "RSA":
		if j.D == "" || j.P == "" || j.Q == "" || j.DP == "" || j.DQ == "" || j.QI == "" {
			return nil, bad("needs d, p, q, dp, dq and qi (RFC 7518 §6.3.2)")
		}
		key, err = fromRSA([rsaNumbers][]byte{
			decode(j.N), decode(j.E), decode(j.D), decode(j.P), decode(j.Q), decode(j.DP), decode(j.DQ), decode(j.QI),
		})
	default:
		return nil, bad("is of a kind that is not supported: RSA, EC with P-256, OKP with Ed25519")
	}
	if err != nil {
		return nil, err
	}
	key.Kid, key.Alg = j.Kid, j.Alg
	return key, nil
}
