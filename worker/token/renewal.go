package token

import (
	"context"
	"log/slog"
	"slices"

	"github.com/grantway/grantway/worker/oauth"
)

// renew asks for the next access token of a connection. A connection whose refresh token is
// refused has ended, and so has one whose server now names another authorization server: its
// refresh token is good for nothing there, and is sent to nobody else.
func (e *Engine) renew(ctx context.Context, req *mintRequest, g *oauth.Grant, c *Connection, row Mint) (*oauth.Token, error) {
	refused := req.Cause == CauseUnauthorized
	if refused && e.moved(ctx, req, c) {
		return nil, connectionMoved(req.Grant.Server)
	}
	tok, err := e.mint(ctx, g, row)
	switch {
	case err == nil:
		return tok, nil
	case oauth.FailureOf(err).OAuthError == "invalid_grant":
		return nil, connectionEnded(req.Grant.Server)
	case !refused && e.moved(ctx, req, c):
		return nil, connectionMoved(req.Grant.Server)
	}
	return nil, err
}

// moved says whether the server's metadata names authorization servers, and not the one of the
// connection (RFC 9728 §2).
func (e *Engine) moved(ctx context.Context, req *mintRequest, c *Connection) bool {
	if req.ServerURL == "" || c.Issuer == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, e.settings.MetadataTimeout)
	defer cancel()
	r, err := e.discover.Resource(ctx, req.ServerURL)
	if err != nil || len(r.Issuers) == 0 || slices.Contains(r.Issuers, c.Issuer) {
		return false
	}
	e.log.WarnContext(ctx, "connection ended: the server names another authorization server", slog.String("server", req.Grant.Server))
	return true
}

func connectionMoved(server string) *oauth.Failure {
	return &oauth.Failure{Class: oauth.Rejected, Code: CodeConnectionEnded, Message: "Server " + server + " has changed its authorization server: connect your account again at /connect/" + server + "."}
}

// rotate takes over what a renewal brought: the next refresh token (RFC 6749 §6), or
// that there will be none. A connection that was replaced meanwhile is left alone.
func (e *Engine) rotate(st *minterState, identity string, used *Connection, tok *oauth.Token, failed error) error {
	c, err := e.openConnection(st, identity, used.Subject)
	if err != nil || c == nil || c.RefreshToken != used.RefreshToken {
		return err
	}
	switch {
	case failed != nil && oauth.FailureOf(failed).Code == CodeConnectionEnded:
		c.Ended, c.RefreshToken = true, ""
	case failed == nil && tok.RefreshToken != "":
		c.RefreshToken = tok.RefreshToken
	default:
		return nil
	}
	return e.keepConnection(st, identity, c)
}

// renewal completes the grant of a mint with the object's connection. A failure here is
// not one of the authorization server and is not remembered.
func (e *Engine) renewal(st *minterState, identity string, req *mintRequest) (*oauth.Grant, *Connection, error) {
	c, err := e.openConnection(st, identity, req.Subject)
	if err != nil {
		return nil, nil, oauth.FailureOf(err)
	}
	switch {
	case c == nil:
		return nil, nil, notConnected(req.Grant.Server)
	case c.Ended || c.RefreshToken == "":
		return nil, nil, connectionEnded(req.Grant.Server)
	}
	g := req.Grant
	g.TokenURL, g.Issuer, g.ClientID, g.Method, g.Resource, g.Scopes = c.TokenURL, c.Issuer, c.ClientID, c.Method, c.Resource, nil
	g.RefreshToken = c.RefreshToken
	if c.Registered {
		g.Secret, g.NextSecret, g.PrivateKey = c.ClientSecret, "", nil
	}
	return &g, c, nil
}
