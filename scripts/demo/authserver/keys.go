package authserver

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// rsaKeyBits is the size of RS256 signing keys.
const rsaKeyBits = 2048

// signingKey is a private key with its public half as published in the key set (RFC 7517).
type signingKey struct {
	private jose.JSONWebKey
	public  jose.JSONWebKey
}

func newSigningKey(algorithm jose.SignatureAlgorithm) (signingKey, error) {
	var private crypto.Signer
	var err error
	switch algorithm {
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.RS256:
		private, err = rsa.GenerateKey(rand.Reader, rsaKeyBits)
	default:
		err = fmt.Errorf("authserver: unsupported signing algorithm %q", algorithm)
	}
	if err != nil {
		return signingKey{}, err
	}
	key := jose.JSONWebKey{Key: private, KeyID: rand.Text(), Algorithm: string(algorithm), Use: "sig"}
	return signingKey{private: key, public: key.Public()}, nil
}

// RotateKeys signs new tokens with a new key. With keepOld the earlier keys stay published, so tokens signed with them
// remain valid; without it they are withdrawn at once.
func (s *Server) RotateKeys(keepOld bool) error {
	key, err := newSigningKey(s.options.Algorithm)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if keepOld {
		s.keys = append([]signingKey{key}, s.keys...)
	} else {
		s.keys = []signingKey{key}
	}
	return nil
}

// Keys is the published key set.
func (s *Server) Keys() jose.JSONWebKeySet {
	s.mu.Lock()
	defer s.mu.Unlock()
	var set jose.JSONWebKeySet
	for _, key := range s.keys {
		set.Keys = append(set.Keys, key.public)
	}
	return set
}
