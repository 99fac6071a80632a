package interactive

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// relayToken serves the token endpoint (RFC 6749 §4.1.3, §6).
func (h *Handler) relayToken(w http.ResponseWriter, r *http.Request, rec *registry.Record, _ string) error {
	if preflightRelay(w, r) {
		return nil
	}
	if r.Method != http.MethodPost {
		return problem.New(http.StatusMethodNotAllowed, "invalid_request", "Ask for tokens with POST.")
	}
	if err := readForm(w, r); err != nil {
		return oauthError("invalid_request", "The form is malformed or too large.")
	}
	for _, values := range r.PostForm {
		if len(values) > 1 {
			return oauthError("invalid_request", "A parameter occurs twice.")
		}
	}
	f := r.PostForm
	// A published client was read when it asked for consent; a grant is bound to its client_id.
	if id := f.Get("client_id"); !strings.Contains(id, "://") {
		if _, err := h.relayClientOf(r.Context(), id, rec); err != nil {
			p := *problem.From(err)
			p.Status = http.StatusUnauthorized
			return &p
		}
	}
	switch f.Get("grant_type") {
	case "authorization_code":
		return h.relayRedeem(w, r, rec, f)
	case "refresh_token":
		return h.relayRefresh(w, r, rec, f)
	}
	return oauthError("unsupported_grant_type", "Only authorization_code and refresh_token are supported.")
}

// relayRedeem gives tokens for a code, which is spent whatever comes of it.
func (h *Handler) relayRedeem(w http.ResponseWriter, r *http.Request, rec *registry.Record, f url.Values) error {
	var g relayGrant
	code := f.Get("code")
	if code == "" || len(code) > maxTicket {
		return errNotGood
	}
	if err := h.store.take(r.Context(), kindCode, code, "", &g); err != nil {
		return notGood(err)
	}
	verifier := sha256.Sum256([]byte(f.Get("code_verifier")))
	want := base64.RawURLEncoding.EncodeToString(verifier[:])
	if g.RedirectURI != f.Get("redirect_uri") || len(f.Get("code_verifier")) < 43 || subtle.ConstantTimeCompare([]byte(want), []byte(g.Challenge)) != 1 {
		return oauthError("invalid_grant", "redirect_uri or code_verifier does not belong to this code.")
	}
	p, left, err := h.relayBearer(r.Context(), rec, &g, f.Get("client_id"))
	if err != nil {
		return err
	}
	ticket, secret := relayRefreshPrefix+random(), random()
	next := relayGrant{SignedIn: g.SignedIn, ServerID: g.ServerID, ClientID: g.ClientID}
	if err := h.store.put(r.Context(), kindRefresh, ticket, secret, next, min(relayRefreshLife, left)); err != nil {
		return err
	}
	return h.relayTokens(w, r, rec, p, next, ticket+"."+secret, left)
}

// relayRefresh gives tokens for a refresh token, which is replaced. Its first part names the
// grant and stays; the second is another one each time.
func (h *Handler) relayRefresh(w http.ResponseWriter, r *http.Request, rec *registry.Record, f url.Values) error {
	ticket, secret, _ := strings.Cut(f.Get("refresh_token"), ".")
	if ticket == "" || len(ticket)+len(secret) > maxTicket {
		return errNotGood
	}
	var g relayGrant
	if err := h.store.read(r.Context(), kindRefresh, ticket, &g); err != nil {
		return notGood(err)
	}
	p, left, err := h.relayBearer(r.Context(), rec, &g, f.Get("client_id"))
	if err != nil {
		return err
	}
	next := random()
	if err := h.store.replace(r.Context(), kindRefresh, ticket, secret, next, g, min(relayRefreshLife, left)); err != nil {
		return notGood(err)
	}
	return h.relayTokens(w, r, rec, p, g, ticket+"."+next, left)
}

// maxTicket bounds a code or refresh token, in bytes.
const maxTicket = 256

var errNotGood = oauthError("invalid_grant", "The code or refresh token is not known, expired, or was used before.")

func notGood(err error) error {
	if errors.Is(err, errNone) {
		return errNotGood
	}
	return err
}

// relayBearer answers in whose name a client with this grant acts, and how long it may at most.
func (h *Handler) relayBearer(ctx context.Context, rec *registry.Record, g *relayGrant, client string) (*access.Principal, time.Duration, error) {
	if g.ServerID != rec.ServerID || g.ClientID != digest(client) {
		return nil, 0, oauthError("invalid_grant", "The grant belongs to another client or server.")
	}
	p, err := h.Sessions.Principal(ctx, g.SignedIn)
	if err != nil && problem.From(err).Status >= http.StatusInternalServerError {
		return nil, 0, err // it may be known again in a moment: the grant is kept
	}
	left := h.relayLeft(g)
	if err != nil || left <= 0 || !p.MayCall(rec) {
		return nil, 0, oauthError("invalid_grant", "Who allowed this may not use the server any more, or has to allow it again.")
	}
	return p, left, nil
}

// relayLeft answers how long the word counts that a grant rests on.
func (h *Handler) relayLeft(g *relayGrant) time.Duration {
	if g.Person == nil {
		return relayRefreshLife // the key's own end is looked at each time
	}
	return time.Until(g.Since.Add(h.PersonGrant))
}

// relayTokens answers an access token for g, which the principal p stands behind, and the
// refresh token.
func (h *Handler) relayTokens(w http.ResponseWriter, r *http.Request, rec *registry.Record, p *access.Principal, g relayGrant, refresh string, left time.Duration) error {
	life := min(relayTokenLife, left)
	g.Expires = time.Now().Add(life).Unix()
	if g.Person != nil {
		g.Person = onlyFor(rec, g.Person)
	}
	b, err := json.Marshal(g)
	if err != nil {
		return err
	}
	h.record(r, "relay.token", p, rec, audit.OK)
	return reply(w, http.StatusOK, map[string]any{
		"access_token": relayTokenPrefix + base64.RawURLEncoding.EncodeToString(h.Keyring.Seal(b, "relay token")),
		"token_type":   "Bearer", "expires_in": int(life / time.Second), "refresh_token": refresh,
	})
}

// onlyFor answers a person with no other grants than those by which this server may be called:
// what is in a token goes over the wire with each call.
func onlyFor(rec *registry.Record, p *access.Principal) *access.Principal {
	q := &access.Principal{ID: p.ID, Name: p.Name, Subject: p.Subject, Role: access.RoleCaller, AllServers: p.AllServers || p.Role == access.RoleAdmin}
	if slices.Contains(p.Servers, rec.ServerID) {
		q.Servers = []string{rec.ServerID}
	}
	for _, group := range rec.Groups {
		if slices.Contains(p.Groups, group) {
			q.Groups = append(q.Groups, group)
		}
	}
	return q
}

// maxRelayToken bounds an access token, in bytes: a person as the cookie of a visit holds one
// (maxVisit), a server and a client.
const maxRelayToken = maxVisit + 512

// Authenticate accepts the relay's access tokens, at the endpoint of the server that they
// were issued for and nowhere else. It answers neither principal nor error for a request
// without one.
func (h *Handler) Authenticate(r *http.Request) (*access.Principal, error) {
	authorization := r.Header["Authorization"]
	if len(authorization) != 1 || r.Header.Get("X-Grantway-Key") != "" || r.Header.Get("X-Litellm-Api-Key") != "" {
		return nil, nil
	}
	scheme, text, _ := strings.Cut(authorization[0], " ")
	text = strings.TrimSpace(text)
	if !strings.EqualFold(scheme, "Bearer") || !strings.HasPrefix(text, relayTokenPrefix) {
		return nil, nil
	}
	invalid := access.Unauthorized("The access token is not valid for this endpoint, or has expired.")
	invalid.Code = "invalid_token"
	invalid.Header = http.Header{"Www-Authenticate": {`Bearer error="invalid_token"`}}
	sealed, err := base64.RawURLEncoding.DecodeString(text[len(relayTokenPrefix):])
	if err != nil || len(text) > maxRelayToken {
		return nil, invalid
	}
	b, err := h.Keyring.Open(sealed, "relay token")
	var g relayGrant
	if err != nil || json.Unmarshal(b, &g) != nil || time.Now().Unix() >= g.Expires {
		return nil, invalid
	}
	server, ok := serverIn(r.URL.Path)
	if !ok {
		return nil, invalid
	}
	rec, err := h.Source.Lookup(r.Context(), server)
	if err != nil || rec.ServerID != g.ServerID {
		return nil, invalid
	}
	p, err := h.Sessions.Principal(r.Context(), g.SignedIn)
	if err != nil {
		return nil, err
	}
	if !p.MayCall(rec) {
		return nil, invalid
	}
	// The token calls this server in its bearer's name and does nothing else.
	q := *p
	q.Role, q.AllServers, q.Servers, q.Groups = access.RoleCaller, false, []string{rec.ServerID}, nil
	return &q, nil
}

// serverIn takes the server out of /mcp/{server} or /{server}/mcp.
func serverIn(path string) (string, bool) {
	head, rest, two := strings.Cut(strings.Trim(path, "/"), "/")
	switch {
	case !two || rest == "" || strings.Contains(rest, "/"):
		return "", false
	case head == "mcp":
		return rest, true
	}
	return head, rest == "mcp"
}
