// Package oauth speaks to authorization servers for the gateway: it finds the
// token endpoint (RFC 9728, RFC 8414, OpenID Connect Discovery), authenticates the
// client (RFC 6749 §2.3.1, RFC 7523 §2.2), performs one grant with
// golang.org/x/oauth2, and reads the answer strictly.
//
// It keeps no token and decides nothing about when to mint; package token does.
// It never follows a redirect with a credential in hand and never calls a URL
// that CheckURL refuses.
package oauth
