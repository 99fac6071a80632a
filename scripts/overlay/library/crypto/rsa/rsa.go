// Package rsa stands in the module for crypto/rsa, of which golang.org/x/oauth2 needs a
// name to compile. The hosts sign and verify.
package rsa

type PrivateKey struct{}
