package contract

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
	"errors"
	"fmt"
)

// memoryCrypto signs for the host "memory" with Go's own packages.
type memoryCrypto struct{}

func (memoryCrypto) Sign(_ context.Context, algorithm string, key, message []byte) ([]byte, error) {
	if algorithm == "HS256" {
		mac := hmac.New(sha256.New, key)
		mac.Write(message)
		return mac.Sum(nil), nil
	}
	private, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(message)
	switch private := private.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			return nil, err
		}
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signature, nil
	case *rsa.PrivateKey:
		if algorithm == "PS256" {
			return rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
	case ed25519.PrivateKey:
		return ed25519.Sign(private, message), nil
	}
	return nil, fmt.Errorf("%s with %T", algorithm, private)
}

func (memoryCrypto) Verify(context.Context, string, []byte, []byte, []byte) (bool, error) {
	return false, errors.ErrUnsupported
}
