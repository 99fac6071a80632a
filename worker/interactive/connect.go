package interactive

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

// visitLife is how long the pages remember who visits.
const visitLife = 30 * time.Minute

// visit is a caller's stay at the pages. It is kept by the browser alone, sealed, and
// good for these pages only.
type visit struct {
	access.SignedIn
	Expires time.Time `json:"e"`
}

func (h *Handler) visitCookie(r *http.Request, value string) *http.Cookie {
	c := &http.Cookie{Name: "grantway_connect", Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: int(visitLife / time.Second)}
	if h.Sessions.Secure(r) {
		c.Name, c.Secure = "__Host-"+c.Name, true
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// admit signs a visitor in by the key in the form.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request, key string) (*access.Principal, access.SignedIn, error) {
	p, err := h.Sessions.Try(r, strings.TrimSpace(key))
	if err != nil {
		return nil, access.SignedIn{}, err
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(key)))
	in := access.SignedIn{KeyHash: sum[:], Since: time.Now().UTC()}
	return p, in, h.remember(w, r, in)
}

// Welcome begins the visit of somebody whom the identity provider has vouched for, and leads to
// the page to (IsPage). A redirect would still be the provider's navigation, on which a browser
// withholds the visit's SameSite=Strict cookie; a page's own is not.
func (h *Handler) Welcome(w http.ResponseWriter, r *http.Request, p *access.Principal, to string) error {
	q := *p
	q.JWT = ""
	if err := h.remember(w, r, access.SignedIn{Person: &q, Since: time.Now().UTC()}); err != nil {
		return err
	}
	w.Header().Set("Refresh", "0; url="+to)
	h.page(w, http.StatusOK, "Signed in", link(to, "Continue"))
	return nil
}

// maxPage bounds the address of a page to come back to, in bytes: it is kept in a cookie.
const maxPage = 2400

// IsPage reports whether s is the address of a page for everybody, to which signing in at the
// identity provider may lead: /connect, /connect/{server}, /authorize and /{server}/authorize
// with its query.
func IsPage(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.IsAbs() || u.Host != "" || strings.Contains(s, "#") || len(s) > maxPage {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' {
			return false
		}
	}
	first, second, two := strings.Cut(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	switch {
	case !strings.HasPrefix(s, "/") || strings.ContainsAny(second, "/%") || strings.Contains(first, "%"):
		return false
	case first == "connect":
		return u.RawQuery == "" && second != "." && second != ".."
	case two:
		return second == "authorize" && first != "" && first != "." && first != ".."
	}
	return first == "authorize"
}

// signIn is the way to the identity provider and back to a page; nothing where there is none.
func (h *Handler) signIn(r *http.Request, to, text string) piece {
	since, err := h.Sessions.PeopleSince(r.Context())
	if err != nil || since.IsZero() {
		return ""
	}
	if !IsPage(to) {
		to, text = ConnectPath, text+", then begin again in the application"
	}
	return link("/signin?return_to="+url.QueryEscape(to), text)
}

func (h *Handler) remember(w http.ResponseWriter, r *http.Request, in access.SignedIn) error {
	b, err := json.Marshal(visit{in, in.Since.Add(visitLife)})
	if err != nil {
		return err
	}
	value := base64.RawURLEncoding.EncodeToString(h.Keyring.Seal(b, "visit"))
	if len(value) > maxVisit {
		return problem.New(http.StatusForbidden, "session_too_large", "Too many grants match you: they do not fit into a cookie.")
	}
	http.SetCookie(w, h.visitCookie(r, value))
	return nil
}

// maxVisit bounds the cookie of a visit, in bytes.
const maxVisit = 3800

// visit opens the cookie of a visit; nil if there is none that is good.
func (h *Handler) visit(r *http.Request) *visit {
	c, err := r.Cookie(h.visitCookie(r, "x").Name)
	if err != nil || len(c.Value) > maxVisit || h.Sessions.GuardHTTPS(r) != nil {
		return nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return nil
	}
	b, err := h.Keyring.Open(sealed, "visit")
	v := &visit{}
	if err != nil || json.Unmarshal(b, v) != nil || !time.Now().Before(v.Expires) {
		return nil
	}
	return v
}

// visitor answers who visits, or nil.
func (h *Handler) visitor(r *http.Request) (*access.Principal, access.SignedIn) {
	v := h.visit(r)
	if v == nil {
		return nil, access.SignedIn{}
	}
	p, err := h.Sessions.Principal(r.Context(), v.SignedIn)
	if err != nil {
		return nil, access.SignedIn{}
	}
	return p, v.SignedIn
}

// Pages serves /connect and below.
func (h *Handler) Pages(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case stylePath:
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("Cache-Control", "public, max-age=3600")
		_, _ = io.WriteString(w, style)
		return
	case DocumentPath:
		h.document(w, r)
		return
	}
	server := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, ConnectPath), "/")
	if strings.Contains(server, "/") {
		problem.Write(w, r, problem.New(http.StatusNotFound, "not_found", "Nothing is served at this path."))
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		p, _ := h.visitor(r)
		h.showConnections(w, r, p, server, "")
	case http.MethodPost:
		h.changeConnection(w, r, server)
	default:
		pr := problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "This page does not have that method.")
		pr.Header = http.Header{"Allow": {"GET, POST"}}
		problem.Write(w, r, pr)
	}
}

// document serves the client metadata document (draft-ietf-oauth-client-id-metadata-document):
// the gateway's client_id at authorization servers that read such documents is this URL.
func (h *Handler) document(w http.ResponseWriter, r *http.Request) {
	base := h.base(r)
	m := oauth.NewMetadata(base, base+CallbackPath)
	m.ClientID = base + DocumentPath
	b, err := json.Marshal(m)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	_, _ = w.Write(b)
}

// maxForm bounds a form, in bytes.
const maxForm = 16 << 10

func readForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return problem.New(http.StatusBadRequest, "invalid_form", "The form is malformed or too large.")
	}
	return nil
}

func (h *Handler) changeConnection(w http.ResponseWriter, r *http.Request, server string) {
	err := readForm(w, r)
	if err == nil && !access.SameOrigin(r) {
		err = problem.New(http.StatusForbidden, "csrf_rejected", "This form was not sent by the gateway's own page.")
	}
	if err != nil {
		h.failPage(w, r, err)
		return
	}
	p, _ := h.visitor(r)
	if key := r.PostForm.Get("key"); key != "" {
		if p, _, err = h.admit(w, r, key); err != nil {
			h.showConnections(w, r, nil, server, problem.From(err).Message)
			return
		}
	}
	switch action := r.PostForm.Get("action"); {
	case p == nil:
		h.showConnections(w, r, nil, server, "Sign in first.")
	case action == "leave":
		http.SetCookie(w, h.visitCookie(r, ""))
		h.showConnections(w, r, nil, server, "")
	case server == "" || action == "":
		h.showConnections(w, r, p, server, "")
	case action == "disconnect":
		rec, err := h.find(r.Context(), server, p)
		if err == nil {
			err = h.disconnect(r, rec, p, p.ID)
		}
		if err != nil {
			h.failPage(w, r, err)
			return
		}
		h.showConnections(w, r, p, "", "")
	default:
		rec, err := h.find(r.Context(), server, p)
		var s *started
		if err == nil {
			s, err = h.start(r, rec, p, p.ID, "", nil)
		}
		if err != nil {
			h.failPage(w, r, err)
			return
		}
		http.SetCookie(w, s.Cookie)
		h.leave(w, s.URL, s.Host)
	}
}

// showConnections shows who visits and what is connected; nil p: asks for the key.
func (h *Handler) showConnections(w http.ResponseWriter, r *http.Request, p *access.Principal, server, message string) {
	var inside []piece
	if message != "" {
		inside = append(inside, paragraph(message))
	}
	if p == nil {
		status := http.StatusOK
		if message != "" {
			status = http.StatusForbidden
		}
		text := "Servers that act in your name need your authorization once. Sign in with your access key to connect your accounts."
		inside = append(inside, paragraph(text), form(r.URL.Path, keyInput(true), button("action", "", "Sign in")), h.signIn(r, r.URL.Path, "Sign in with your organization instead"))
		h.page(w, status, "Connections", inside...)
		return
	}
	list, err := h.connections(r, p)
	if err != nil {
		h.failPage(w, r, err)
		return
	}
	inside = append(inside, paragraph("Signed in as "+p.Name+"."))
	shown := 0
	for _, c := range list {
		if server != "" && c.Server.Slug != server && c.Server.ServerID != server {
			continue
		}
		shown++
		at := ConnectPath + "/" + c.Server.Slug
		state, buttons := "not connected", form(at, button("action", "connect", "Connect"))
		pairs := []string{}
		switch own := c.Own; {
		case own.Connected:
			state, buttons = "connected", form(at, button("action", "connect", "Connect again"), button("action", "disconnect", "Disconnect"))
			if own.Account != "" {
				pairs = append(pairs, "Account", own.Account)
			}
			if own.ExpiresAt != nil {
				pairs = append(pairs, "Token expires", own.ExpiresAt.Format(time.RFC1123))
			}
			if len(own.Wanted) > 0 {
				pairs = append(pairs, "The server asks for", strings.Join(own.Wanted, " "))
			}
		case own.Ended:
			state, buttons = "ended: connect again", form(at, button("action", "connect", "Connect"), button("action", "disconnect", "Forget"))
		case c.Shared.Connected:
			state = "served by the shared identity; connect to use your own"
		}
		inside = append(inside, section(c.Server.ServerName, facts(append([]string{"State", state}, pairs...)...), buttons))
	}
	if shown == 0 {
		inside = append(inside, paragraph("There is no server here that needs your authorization."))
	}
	inside = append(inside, form(ConnectPath, button("action", "leave", "Sign out")))
	h.page(w, http.StatusOK, "Connections", inside...)
}

// Connections of one interactive server.
type connections struct {
	Server *registry.Record
	Own    *token.ConnectionStatus
	Shared *token.ConnectionStatus
}

// maxListed bounds the servers on one page.
const maxListed = 100

func (h *Handler) connections(r *http.Request, p *access.Principal) ([]connections, error) {
	all, err := h.Source.All(r.Context())
	if err != nil {
		return nil, problem.New(http.StatusServiceUnavailable, "directory_unavailable", "The servers' records cannot be read now.").Because(err)
	}
	var out []connections
	for _, rec := range all {
		if check(rec) != nil || !p.MayCall(rec) || len(out) >= maxListed {
			continue
		}
		c := connections{Server: rec}
		if c.Own, err = h.Engine.ConnectionStatus(r.Context(), rec, p.ID); err != nil {
			return nil, err
		}
		if c.Shared, err = h.Engine.ConnectionStatus(r.Context(), rec, token.SharedSubject); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// disconnect forgets a connection here and, where it can be told, at the authorization
// server.
func (h *Handler) disconnect(r *http.Request, rec *registry.Record, p *access.Principal, subject string) error {
	old, err := h.Engine.Disconnect(r.Context(), rec, subject)
	if err != nil {
		return problemOf(err)
	}
	if old == nil {
		return problem.New(http.StatusNotFound, "not_connected", "There is no connection.")
	}
	h.record(r, "connection.delete", p, rec, audit.OK)
	if old.RevokeURL == "" || old.RefreshToken == "" {
		return nil
	}
	secret := old.ClientSecret
	if !old.Registered {
		if secret, err = oauth.SecretOf(h.Keyring, rec, registry.SecretClientSecret); err != nil {
			return nil
		}
	}
	if err := h.Endpoint.Revoke(r.Context(), old.RevokeURL, old.RefreshToken, old.ClientID, secret, old.Method); err != nil && !errors.Is(err, r.Context().Err()) {
		h.log.WarnContext(r.Context(), "refresh token not revoked at the authorization server", slog.String("server", rec.Slug))
	}
	return nil
}
