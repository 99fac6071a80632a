package interactive

import (
	"context"
	"slices"
	"time"

	"github.com/grantway/grantway/worker/jwt"
	"github.com/grantway/grantway/worker/oauth"
)

// maxAccount bounds the name of an account, in bytes.
const maxAccount = 200

// account answers as whom a person authorized the gateway, for people to read: a claim of
// the ID token (OpenID Connect Core §3.1.3.7) or, without one, of an access token that is a
// JWT of this authorization server (RFC 9068). Only a token whose signature, issuer, times
// and nonce are right says anything; "" if none does. Nothing is decided by it.
func (h *Handler) account(ctx context.Context, f *flow, tok *oauth.Token) string {
	want := jwt.Expected{Issuer: f.Issuer, Audiences: []string{f.Client.ClientID}, Types: []string{"jwt", ""}, Leeway: time.Minute}
	raw := tok.IDToken
	if raw == "" {
		raw, want.Types = tok.AccessToken, []string{"at+jwt", "jwt", ""}
	}
	if f.KeysURL == "" || f.Issuer == "" || !jwt.Looks(raw) {
		return ""
	}
	t, err := jwt.Parse(raw)
	if err != nil {
		return ""
	}
	c := &t.Claims
	if tok.IDToken == "" {
		want.Audiences = c.Audience // the resource's business
	} else if !c.Answers(f.Client.ClientID, f.Nonce) {
		return ""
	}
	if jwt.Verify(ctx, h.Platform.Crypto(), t, want, func(ctx context.Context, id string) ([]jwt.Key, error) { return h.Keys.Find(ctx, f.KeysURL, id) }) != nil {
		return ""
	}
	for _, name := range [...]string{"email", "preferred_username", "name", "sub"} {
		if s := printable(c.Text(name), maxAccount); s != "" {
			return s
		}
	}
	return ""
}

// nonce answers one for a flow that will bring an ID token, "" for another.
func nonce(scopes []string) string {
	if slices.Contains(scopes, "openid") {
		return random()
	}
	return ""
}
