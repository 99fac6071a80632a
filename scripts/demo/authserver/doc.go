// Package authserver is an OAuth 2 authorization server for the demo and for tests.
//
// The protocol work (routes, parsing, grant checks, error answers) is done by github.com/zitadel/oidc; this package
// supplies what such a library asks of its user: registered clients and their authentication, token minting (RFC 9068
// JWTs), keys, authorization codes and refresh tokens. Clients are really authenticated and requests are really
// refused; nothing answers from a canned reply.
//
// It keeps everything in memory and approves every authorization request without asking a person, so it must never
// guard anything real.
//
// Tests start it with [New] (an http.Handler) or [Listen] (on a loopback port), read [Server.Stats], and make it
// misbehave with [Server.Fail], which acts in front of the library and never inside it.
package authserver
