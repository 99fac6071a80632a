package interactive

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
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
	var g relayGrant
	switch f.Get("grant_type") {
	case "authorization_code":
		if err := h.relayTake(r.Context(), kindCode, f.Get("code"), &g); err != nil {
			return err
		}
		verifier := sha256.Sum256([]byte(f.Get("code_verifier")))
		want := base64.RawURLEncoding.EncodeToString(verifier[:])
		if g.RedirectURI != f.Get("redirect_uri") || len(f.Get("code_verifier")) < 43 || subtle.ConstantTimeCompare([]byte(want), []byte(g.Challenge)) != 1 {
			return oauthError("invalid_grant", "redirect_uri or code_verifier does not belong to this code.")
		}
	case "refresh_token":
		if err := h.relayTake(r.Context(), kindRefresh, f.Get("refresh_token"), &g); err != nil {
			return err
		}
	default:
		return oauthError("unsupported_grant_type", "Only authorization_code and refresh_token are supported.")
	}
	if g.ServerID != rec.ServerID || g.ClientID != digest(f.Get("client_id")) {
		return oauthError("invalid_grant", "The grant belongs to another client or server.")
	}
	p, err := h.relayPrincipal(r.Context(), &g)
	if err != nil || !p.MayCall(rec) {
		return oauthError("invalid_grant", "The access key behind this grant may not use the server any more.")
	}
	refresh := relayRefreshPrefix + random()
	next := relayGrant{ServerID: g.ServerID, ClientID: g.ClientID, KeyHash: g.KeyHash}
	if err := h.store.put(r.Context(), kindRefresh, refresh, "", next, relayRefreshLife); err != nil {
		return err
	}
	next.Expires = time.Now().Add(relayTokenLife).Unix()
	b, err := json.Marshal(next)
	if err != nil {
		return err
	}
	h.record(r, "relay.token", p, rec, audit.OK)
	return reply(w, http.StatusOK, map[string]any{
		"access_token": relayTokenPrefix + base64.RawURLEncoding.EncodeToString(h.Keyring.Seal(b, "relay token")),
		"token_type":   "Bearer", "expires_in": int(relayTokenLife / time.Second), "refresh_token": refresh,
	})
}

func (h *Handler) relayTake(ctx context.Context, k kind, ticket string, g *relayGrant) error {
	if ticket == "" || len(ticket) > 256 {
		return oauthError("invalid_grant", "The code or refresh token is missing or malformed.")
	}
	err := h.store.take(ctx, k, ticket, "", g)
	if errors.Is(err, errNone) {
		return oauthError("invalid_grant", "The code or refresh token is not known, expired, or was used before.")
	}
	return err
}

func (h *Handler) relayPrincipal(ctx context.Context, g *relayGrant) (*access.Principal, error) {
	if len(g.KeyHash) != sha256.Size {
		return nil, errNone
	}
	return h.Sessions.ByHash(ctx, [sha256.Size]byte(g.KeyHash))
}

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
	if err != nil || len(text) > 2048 {
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
	p, err := h.relayPrincipal(r.Context(), &g)
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
