package memory

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/big"

	"github.com/grantway/grantway/worker/platform"
)

// Crypto is platform.Crypto with Go's own implementation.
type Crypto struct{}

var _ platform.Crypto = Crypto{}

func (Crypto) Sign(_ context.Context, alg string, key, message []byte) ([]byte, error) {
	sum := sha256.Sum256(message)
	if alg == "HS256" {
		mac := hmac.New(sha256.New, key)
		mac.Write(message)
		return mac.Sum(nil), nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	switch k := parsed.(type) {
	case *ecdsa.PrivateKey:
		if alg == "ES256" {
			r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
			if err != nil {
				return nil, err
			}
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
		}
	case ed25519.PrivateKey:
		if alg == "EdDSA" {
			return ed25519.Sign(k, message), nil
		}
	case *rsa.PrivateKey:
		switch alg {
		case "RS256":
			return rsa.SignPKCS1v15(nil, k, crypto.SHA256, sum[:])
		case "PS256":
			return rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
	}
	return nil, fmt.Errorf("memory: key does not fit %s", alg)
}

func (Crypto) Verify(_ context.Context, alg string, key, message, signature []byte) (bool, error) {
	sum := sha256.Sum256(message)
	if alg == "HS256" {
		mac := hmac.New(sha256.New, key)
		mac.Write(message)
		return hmac.Equal(mac.Sum(nil), signature), nil
	}
	parsed, err := x509.ParsePKIXPublicKey(key)
	if err != nil {
		return false, err
	}
	switch k := parsed.(type) {
	case *ecdsa.PublicKey:
		if alg == "ES256" && len(signature) == 64 {
			return ecdsa.Verify(k, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])), nil
		}
	case ed25519.PublicKey:
		if alg == "EdDSA" {
			return ed25519.Verify(k, message, signature), nil
		}
	case *rsa.PublicKey:
		switch alg {
		case "RS256":
			return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], signature) == nil, nil
		case "PS256":
			return rsa.VerifyPSS(k, crypto.SHA256, sum[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil, nil
		}
	}
	return false, nil
}
