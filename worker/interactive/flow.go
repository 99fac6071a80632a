package interactive

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// flow is one authorization under way.
type flow struct {
	ServerID    string             `json:"server_id"`
	Subject     string             `json:"subject"`
	By          access.Principal   `json:"by"`
	Verifier    string             `json:"verifier"`
	RedirectURI string             `json:"redirect_uri"`
	Issuer      string             `json:"issuer"`
	IssRequired bool               `json:"iss_required"`
	TokenURL    string             `json:"token_url"`
	RevokeURL   string             `json:"revoke_url"`
	KeysURL     string             `json:"keys_url"`        // of the issuer, "" if not known
	UserInfoURL string             `json:"userinfo_url"`    // likewise
	Nonce       string             `json:"nonce,omitempty"` // for an ID token
	Client      oauth.Registration `json:"client"`
	Own         bool               `json:"own"`
	Resource    string             `json:"resource"`
	Scopes      []string           `json:"scopes"`
	ReturnTo    string             `json:"return_to"`
	Relay       *relayRequest      `json:"relay,omitempty"` // whom to tell afterwards
}

// started is a flow that a browser is to be sent on.
type started struct {
	URL    string
	Host   string // of URL, for people
	Cookie *http.Cookie
}

// start begins a flow for a browser: the answer's cookie binds it to that one.
func (h *Handler) start(r *http.Request, rec *registry.Record, p *access.Principal, subject, returnTo string, relay *relayRequest) (*started, error) {
	if err := h.Sessions.GuardHTTPS(r); err != nil {
		return nil, err
	}
	base := h.base(r)
	a, err := h.authority(r.Context(), rec, base, subject)
	if err != nil {
		return nil, err
	}
	by := *p
	by.JWT = ""
	f := &flow{
		ServerID: rec.ServerID, Subject: subject, By: by, Verifier: random(), RedirectURI: base + CallbackPath, Issuer: a.Issuer, IssRequired: a.IssuerInResponse,
		TokenURL: a.TokenURL, RevokeURL: a.RevocationURL, KeysURL: a.KeysURL, UserInfoURL: a.UserInfoURL, Nonce: nonce(a.scopes), Client: a.client, Own: a.own, Resource: a.resource, Scopes: a.scopes, ReturnTo: returnTo, Relay: relay,
	}
	state, half := random(), random()
	if err := h.store.put(r.Context(), kindFlow, state, half, f, FlowLife); err != nil {
		return nil, err
	}
	u, err := url.Parse(a.AuthorizationURL)
	if err != nil {
		return nil, problem.New(http.StatusBadGateway, "authorization_url_refused", "The authorization endpoint is malformed.")
	}
	challenge := sha256.Sum256([]byte(f.Verifier))
	q := u.Query()
	q.Set("response_type", "code")
	q.Set("client_id", a.client.ClientID)
	q.Set("redirect_uri", f.RedirectURI)
	q.Set("state", state)
	q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(challenge[:]))
	q.Set("code_challenge_method", "S256")
	if len(a.scopes) > 0 {
		q.Set("scope", strings.Join(a.scopes, " "))
	}
	if a.resource != "" {
		q.Set("resource", a.resource)
	}
	if rec.Audience != "" {
		q.Set("audience", rec.Audience)
	}
	if f.Nonce != "" {
		q.Set("nonce", f.Nonce)
	}
	u.RawQuery = q.Encode()
	return &started{URL: u.String(), Host: u.Host, Cookie: h.flowCookie(r, state, half)}, nil
}

func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// flowCookie binds a flow to the browser. Each flow has its own, so that two in one
// browser do not disturb each other. half "" removes it.
func (h *Handler) flowCookie(r *http.Request, state, half string) *http.Cookie {
	c := &http.Cookie{
		Name: "grantway_flow_" + digest(state)[:12], Value: half, Path: "/", HttpOnly: true,
		SameSite: http.SameSiteLaxMode, // it comes back on a navigation from the authorization server
		MaxAge:   int(FlowLife / time.Second),
	}
	if h.Sessions.Secure(r) {
		c.Name, c.Secure = "__Host-"+c.Name, true
	}
	if half == "" {
		c.MaxAge = -1
	}
	return c
}

// Callback serves GET /callback, where authorization servers send the browser back
// (RFC 6749 §4.1.2).
func (h *Handler) Callback(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		pr := problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "Authorization servers send the browser here with GET.")
		pr.Header = http.Header{"Allow": {"GET"}}
		problem.Write(w, r, pr)
		return
	}
	f, rec, err := h.finish(w, r)
	switch {
	case err != nil && f != nil && f.Relay != nil:
		h.log.WarnContext(r.Context(), "authorization failed", slog.String("error", problem.From(err).Code), slog.String("request_id", problem.RequestID(r.Context())))
		h.relayBack(w, r, f.Relay, "", "access_denied")
	case err != nil:
		h.log.WarnContext(r.Context(), "authorization failed", slog.String("error", problem.From(err).Code), slog.String("request_id", problem.RequestID(r.Context())))
		h.failPage(w, r, err)
	case f.Relay != nil:
		h.relayCode(w, r, rec, f.Relay)
	case f.ReturnTo != "":
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Location", f.ReturnTo)
		w.WriteHeader(http.StatusSeeOther)
	default:
		h.page(w, http.StatusOK, "Connected", paragraph("The gateway is connected to "+rec.ServerName+". You can close this window."), link(ConnectPath, "All connections"))
	}
}

// finish takes the flow and brings it to its end. A flow is answered with an error only
// once it is known that the response is of the right authorization server.
func (h *Handler) finish(w http.ResponseWriter, r *http.Request) (*flow, *registry.Record, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, nil, badCallback("The response is malformed.")
	}
	for _, name := range []string{"state", "code", "iss", "error"} {
		if len(q[name]) > 1 || len(q.Get(name)) > maxParameter {
			return nil, nil, badCallback("The response is malformed.")
		}
	}
	state := q.Get("state")
	if state == "" {
		return nil, nil, badCallback("The response has no state.")
	}
	cookie, err := r.Cookie(h.flowCookie(r, state, "x").Name)
	if err != nil {
		return nil, nil, badCallback("This authorization was not begun in this browser, was finished already, or took longer than five minutes. Begin again.")
	}
	http.SetCookie(w, h.flowCookie(r, state, ""))
	f := &flow{}
	if err := h.store.take(r.Context(), kindFlow, state, cookie.Value, f); err != nil {
		if errors.Is(err, errNone) {
			err = badCallback("This authorization was not begun in this browser, was finished already, or took longer than five minutes. Begin again.")
		}
		return nil, nil, err
	}
	// RFC 9207 §2.4, compared as text. A flow whose issuer is not known (explicit endpoints
	// of a record without one) cannot compare.
	iss := q.Get("iss")
	if f.Issuer != "" && (iss != "" || f.IssRequired) && subtle.ConstantTimeCompare([]byte(iss), []byte(f.Issuer)) != 1 {
		return nil, nil, problem.New(http.StatusBadRequest, "issuer_mismatch", "The response comes from another authorization server than the one that was asked. Nothing was done.")
	}
	rec, err := h.Source.Lookup(r.Context(), f.ServerID)
	if err == nil {
		err = check(rec)
	}
	if err == nil && !f.By.MayCall(rec) {
		err = problem.New(http.StatusForbidden, "forbidden", "You may not use this server any more.")
	}
	if err != nil {
		return f, nil, err
	}
	if code := q.Get("error"); code != "" {
		h.record(r, "connection.create", &f.By, rec, audit.Denied)
		return f, rec, problem.New(http.StatusBadRequest, "authorization_denied", "The authorization server did not authorize the gateway ("+safeCode(code)+").")
	}
	if q.Get("code") == "" {
		return f, rec, badCallback("The response has no code.")
	}
	return f, rec, h.exchange(r.Context(), r, f, rec, q.Get("code"))
}

func (h *Handler) exchange(ctx context.Context, r *http.Request, f *flow, rec *registry.Record, code string) error {
	g := oauth.Grant{
		Server: rec.Slug, Flow: registry.FlowAuthorizationCode, TokenURL: f.TokenURL, Issuer: f.Issuer, ClientID: f.Client.ClientID, Method: f.Client.Method,
		Resource: f.Resource, Code: code, Verifier: f.Verifier, RedirectURI: f.RedirectURI,
	}
	if f.Own {
		g.Secret = f.Client.Secret
	} else {
		g.AssertionAudience = rec.AssertionAudience
		if rec.ClientKey != nil {
			g.KeyID, g.KeyAlg = rec.ClientKey.ID, rec.ClientKey.Algorithm
		}
	}
	tok, err := h.Engine.Exchange(ctx, rec, g, f.Own, &f.By)
	if err == nil {
		c := f.connection(f.By.ID)
		c.RefreshToken, c.Account = tok.RefreshToken, h.account(ctx, f, tok)
		err = h.Engine.Connect(ctx, rec, c, tok)
	}
	if err != nil {
		h.record(r, "connection.create", &f.By, rec, audit.Failed)
		return problemOf(err)
	}
	h.record(r, "connection.create", &f.By, rec, audit.OK)
	return nil
}

func badCallback(message string) *problem.Problem {
	return problem.New(http.StatusBadRequest, "invalid_callback", message)
}

// safeCode answers an error code if it looks like one (RFC 6749 §4.1.2.1).
func safeCode(s string) string {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && c != '_' && (c < '0' || c > '9') || i > 60 {
			return "an error"
		}
	}
	return s
}

// returnPath answers where a browser may be sent back to: a path of the gateway's own
// pages, or "".
func returnPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.IsAbs() || u.Host != "" || len(s) > 512 || strings.ContainsAny(s, "\\\r\n\t") || slices.Contains(strings.Split(u.Path, "/"), "..") {
		return ""
	}
	if !strings.HasPrefix(s, "/ui/") && s != ConnectPath {
		return ""
	}
	return s
}
