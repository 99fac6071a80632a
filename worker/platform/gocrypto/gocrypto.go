// Package gocrypto implements platform.Crypto with Go's standard library: what the
// wazero host runs natively, and what unit tests use. It must never be linked into
// the module where the host has a faster implementation: package resident asks the host.
//
// Algorithms are those of RFC 7518 §3.1 and RFC 8037 §3.1: ES256 (P-256, SHA-256,
// signature r‖s), RS256 (PKCS #1 v1.5), PS256 (salt of 32 bytes), EdDSA (Ed25519) and HS256.
package gocrypto

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/big"
	"sync"

	"github.com/grantway/grantway/worker/platform"
)

const (
	// es256Size is the length of r and of s, in bytes (RFC 7518 §3.4).
	es256Size = 32
	// minRSABits is the shortest RSA key accepted (RFC 7518 §3.3).
	minRSABits = 2048
	// maxKeys is the most parsed keys that are kept.
	maxKeys = 256
)

var pssOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}

// Crypto keeps the keys that it has parsed: decoding and checking an RSA key costs
// as much as a signature. It is safe for concurrent use. The zero value is ready.
type Crypto struct {
	mu   sync.Mutex
	keys map[[sha256.Size]byte]any
}

var _ platform.Crypto = (*Crypto)(nil)

// Sign signs message with a PKCS #8 private key (raw bytes for HS256).
func (c *Crypto) Sign(_ context.Context, alg string, key, message []byte) ([]byte, error) {
	if alg == "HS256" {
		return mac(key, message)
	}
	parsed, err := c.parse(key, func(der []byte) (any, error) { return x509.ParsePKCS8PrivateKey(der) })
	if err != nil {
		return nil, invalid("sign", "private key: not PKCS #8")
	}
	sum := sha256.Sum256(message)
	switch k := parsed.(type) {
	case *ecdsa.PrivateKey:
		if alg == "ES256" && k.Curve == elliptic.P256() {
			return signES256(k, sum[:])
		}
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSABits {
			return nil, invalid("sign", "RSA key below 2048 bits")
		}
		switch alg {
		case "RS256":
			return rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:])
		case "PS256":
			return rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum[:], pssOptions)
		}
	case ed25519.PrivateKey:
		if alg == "EdDSA" {
			return ed25519.Sign(k, message), nil
		}
	}
	return nil, invalid("sign", fmt.Sprintf("%q does not fit a key of type %T", alg, parsed))
}

// Verify checks a signature with an SPKI public key (raw bytes for HS256).
func (c *Crypto) Verify(_ context.Context, alg string, key, message, signature []byte) (bool, error) {
	if alg == "HS256" {
		want, err := mac(key, message)
		return err == nil && hmac.Equal(want, signature), err
	}
	parsed, err := c.parse(key, x509.ParsePKIXPublicKey)
	if err != nil {
		return false, invalid("verify", "public key: not SPKI")
	}
	sum := sha256.Sum256(message)
	switch k := parsed.(type) {
	case *ecdsa.PublicKey:
		if alg == "ES256" && k.Curve == elliptic.P256() {
			if len(signature) != 2*es256Size {
				return false, nil
			}
			r, s := new(big.Int).SetBytes(signature[:es256Size]), new(big.Int).SetBytes(signature[es256Size:])
			return ecdsa.Verify(k, sum[:], r, s), nil
		}
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSABits {
			return false, invalid("verify", "RSA key below 2048 bits")
		}
		switch alg {
		case "RS256":
			return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], signature) == nil, nil
		case "PS256":
			return rsa.VerifyPSS(k, crypto.SHA256, sum[:], signature, pssOptions) == nil, nil
		}
	case ed25519.PublicKey:
		if alg == "EdDSA" {
			return len(signature) == ed25519.SignatureSize && ed25519.Verify(k, message, signature), nil
		}
	}
	return false, invalid("verify", fmt.Sprintf("%q does not fit a key of type %T", alg, parsed))
}

// Generate makes a private key, as PKCS #8.
func (c *Crypto) Generate(_ context.Context, alg string) ([]byte, error) {
	var key any
	var err error
	switch alg {
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256", "PS256":
		key, err = rsa.GenerateKey(rand.Reader, minRSABits)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, invalid("generate", fmt.Sprintf("%q has no private key", alg))
	}
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(key)
}

func signES256(k *ecdsa.PrivateKey, sum []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, k, sum)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 2*es256Size)
	r.FillBytes(out[:es256Size])
	s.FillBytes(out[es256Size:])
	return out, nil
}

// mac is HMAC SHA-256. An empty key is refused: it is always a mistake.
func mac(key, message []byte) ([]byte, error) {
	if len(key) == 0 {
		return nil, invalid("HS256", "empty key")
	}
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil), nil
}

// parse decodes a key, or answers the one decoded before.
func (c *Crypto) parse(der []byte, decode func([]byte) (any, error)) (any, error) {
	id := sha256.Sum256(der)
	c.mu.Lock()
	k, ok := c.keys[id]
	c.mu.Unlock()
	if ok {
		return k, nil
	}
	k, err := decode(der)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil || len(c.keys) >= maxKeys {
		c.keys = make(map[[sha256.Size]byte]any)
	}
	c.keys[id] = k
	return k, nil
}

func invalid(op, message string) error {
	return &platform.Error{Op: op, Code: platform.CodeInvalid, Message: message}
}
