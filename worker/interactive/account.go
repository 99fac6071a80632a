package interactive

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/jwt"
	"github.com/grantway/grantway/worker/oauth"
)

// maxAccount bounds the name of an account, in bytes.
const maxAccount = 200

// account answers as whom a person authorized the gateway, for people to read; "" if nobody
// says. Nothing is decided by it. The word is the ID token's (OpenID Connect Core §3.1.3.7) or,
// without one, that of an access token that is a JWT of this authorization server (RFC 9068).
// Where that has no name but the subject's, the UserInfo endpoint is asked once.
func (h *Handler) account(ctx context.Context, f *flow, tok *oauth.Token) string {
	said, good := h.vouched(ctx, f, tok)
	if !good {
		return ""
	}
	if name := nameIn(said); name != "" {
		return name
	}
	if more := h.userInfo(ctx, f, tok); more != nil {
		// An ID token's subject must be the answer's, or the answer is another person's (§5.3.2).
		switch name := nameIn(more); {
		case tok.IDToken != "" && more.Text("sub") != said.Text("sub"):
		case name != "":
			return name
		case said.Text("sub") == "":
			said = more
		}
	}
	return printable(said.Text("sub"), maxAccount)
}

// vouched answers the claims of the ID token or, without one, of the access token: none if it
// is no JWT, or if there is nothing to verify one with. good false: there is an ID token whose
// signature, issuer, audience, times or nonce are wrong, and nothing of this answer is shown.
func (h *Handler) vouched(ctx context.Context, f *flow, tok *oauth.Token) (c *jwt.Claims, good bool) {
	want := jwt.Expected{Issuer: f.Issuer, Audiences: []string{f.Client.ClientID}, Types: []string{"jwt", ""}, Leeway: time.Minute}
	raw, none, id := tok.IDToken, &jwt.Claims{}, tok.IDToken != ""
	if !id {
		raw, want.Types = tok.AccessToken, []string{"at+jwt", "jwt", ""}
	}
	if f.KeysURL == "" || f.Issuer == "" || !jwt.Looks(raw) {
		return none, !id
	}
	t, err := jwt.Parse(raw)
	if err != nil {
		return none, !id
	}
	if !id {
		want.Audiences = t.Claims.Audience // the resource's business
	} else if !t.Claims.Answers(f.Client.ClientID, f.Nonce) {
		return none, false
	}
	err = jwt.Verify(ctx, h.Platform.Crypto(), t, want, func(ctx context.Context, id string) ([]jwt.Key, error) { return h.Keys.Find(ctx, f.KeysURL, id) })
	if err != nil {
		return none, !id
	}
	return &t.Claims, true
}

// userInfo answers what the issuer's UserInfo endpoint says; nil if there is none, openid was
// not granted, or the answer is of no use.
func (h *Handler) userInfo(ctx context.Context, f *flow, tok *oauth.Token) *jwt.Claims {
	granted := tok.Scope == "" && slices.Contains(f.Scopes, "openid") || slices.Contains(strings.Fields(tok.Scope), "openid")
	if f.UserInfoURL == "" || !granted {
		return nil
	}
	claims, err := h.Discovery.UserInfo(ctx, f.UserInfoURL, tok.AccessToken)
	if err != nil {
		h.log.InfoContext(ctx, "as whom a person is connected is not known: the UserInfo endpoint gave no answer")
		return nil
	}
	return &jwt.Claims{All: claims}
}

func nameIn(c *jwt.Claims) string {
	for _, name := range [...]string{"email", "preferred_username", "name"} {
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
