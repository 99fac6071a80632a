// Package x509 stands in the module for crypto/x509, of which golang.org/x/oauth2 needs
// two names to compile, in a function that the gateway does not call. Package jwk reads keys.
package x509

import (
	"crypto/rsa"
	"errors"
)

var errNone = errors.New("x509: not part of this module")

func ParsePKCS1PrivateKey([]byte) (*rsa.PrivateKey, error) { return nil, errNone }
func ParsePKCS8PrivateKey([]byte) (any, error)             { return nil, errNone }
