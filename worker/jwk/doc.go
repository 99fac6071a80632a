// Package jwk reads, makes and describes the asymmetric keys that the gateway uses:
// P-256 (ES256), RSA (RS256, PS256) and Ed25519 (EdDSA), as JSON Web Keys (RFC 7517,
// 7518 §6, 8037), PEM, PKCS #8 (RFC 5208, 5958) and SubjectPublicKeyInfo (RFC 5280).
//
// It never signs or verifies: package platform does. That is why it has its own
// small reader and writer of DER: crypto/x509 and crypto/ecdsa would bring every
// NIST curve and math/big into the module for nothing else.
package jwk

import "errors"

// Errors of this package wrap one of these; their text holds nothing of a key.
var (
	ErrPrivate = errors.New("private key")
	ErrPublic  = errors.New("public key")
)

// Algorithms of RFC 7518 §3.1 and RFC 8037 §3.1.
const (
	ES256 = "ES256"
	RS256 = "RS256"
	PS256 = "PS256"
	EdDSA = "EdDSA"
)

// Sizes of an RSA modulus in bits: RFC 7518 §3.3 asks for 2,048; a longer one than
// 8,192 only costs time.
const (
	MinRSABits = 2048
	MaxRSABits = 8192
)
