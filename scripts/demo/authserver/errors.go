package authserver

import "errors"

var (
	errNotJWT    = errors.New("not a JWT with a permitted algorithm")
	errNoSubject = errors.New("no subject")
	errRevoked   = errors.New("the token was revoked")
	errSignature = errors.New("no key of the issuer verifies it")
	errUntrusted = errors.New("the issuer is not trusted")
)
