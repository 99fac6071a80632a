// Package jwt reads and verifies signed JSON Web Tokens (RFC 7515, RFC 7519) of
// other issuers, with the platform's signature check and nothing else.
//
// It is small on purpose. One serialization (compact), four algorithms (ES256,
// RS256, PS256, EdDSA), public keys only from the issuer's key set at an address that an
// administrator configured or the issuer's own metadata names. What a token says of its
// key (jku, jwk, x5u, x5c) is never followed, its kid is a name to compare and
// nothing else, and a token that needs more to be understood (crit, b64, zip, enc) is
// refused. There is no symmetric algorithm and no none to confuse a key with.
package jwt
