// Package signin signs people in to the UI at an OpenID provider: the authorization code
// flow with PKCE (OpenID Connect Core §3.1, RFC 7636), an ID token, and a session with the
// role that the token's claims are mapped to.
//
//	GET /signin            begins it (?return_to=/ui/…)
//	GET /signin/callback   ends it
//	GET /signin/status     {"enabled": true}
//
// A browser that is refused is shown a page, other clients get JSON.
//
// What is under way is kept in a cookie of five minutes, sealed: the browser can neither read
// nor make it, and it is the proof that the browser is the same one.
package signin

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/issuer"
	"github.com/grantway/grantway/worker/jwt"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/recall"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/seal"
)

// Path is where signing in begins.
const Path = "/signin"

const (
	flowLife = 5 * time.Minute
	leeway   = time.Minute
	home     = "/ui/"
)

// Config is what a Handler needs. All fields are required.
type Config struct {
	Crypto    platform.Crypto
	Keyring   *seal.Keyring
	Keys      *jwt.KeySets
	Discovery *oauth.Discovery
	Endpoint  *oauth.Endpoint
	Sessions  *access.Sessions
	Provider  func(context.Context) (*issuer.SignIn, error) // nil: there is none
	Base      func(*http.Request) (base string, fixed bool)
	// Welcome begins a visit to the pages for everybody and leads to the page to, of which
	// IsPage knows: the UI is for administrators and viewers.
	Welcome func(w http.ResponseWriter, r *http.Request, p *access.Principal, to string) error
	IsPage  func(to string) bool
	// Fail shows a person why signing in failed.
	Fail  func(w http.ResponseWriter, r *http.Request, err error)
	Audit func(context.Context, audit.Entry)
	Log   *slog.Logger
}

// Handler serves the three paths.
type Handler struct {
	Config
	metadata *recall.Cache[metadata] // by issuer
}

// New makes a Handler. background runs a function beside the request that began it and beyond
// its end (platform.Platform has it).
func New(c Config, background func(context.Context, func(context.Context))) *Handler {
	return &Handler{c, recall.New[metadata](background, metadataTimes, 1)}
}

// under is a sign-in under way.
type under struct {
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"`
	ReturnTo string    `json:"r"`
	Issuer   string    `json:"i"`
	Expires  time.Time `json:"e"`
}

// ServeHTTP serves a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	var err error
	switch {
	case r.Method != http.MethodGet:
		p := problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "Signing in is done with GET.")
		p.Header = http.Header{"Allow": {"GET"}}
		err = p
	case r.URL.Path == Path:
		err = h.begin(w, r)
	case r.URL.Path == Path+"/callback":
		err = h.end(w, r)
	case r.URL.Path == Path+"/status":
		err = h.status(w, r)
	default:
		err = problem.New(http.StatusNotFound, "not_found", "Nothing is served at this path.")
	}
	if err != nil {
		h.Log.WarnContext(r.Context(), "sign-in failed", slog.String("code", problem.From(err).Code), slog.String("request_id", problem.RequestID(r.Context())))
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			h.Fail(w, r, err)
			return
		}
		problem.Write(w, r, err)
	}
}

func (h *Handler) status(w http.ResponseWriter, r *http.Request) error {
	s, err := h.Provider(r.Context())
	if err != nil {
		return err
	}
	b, err := json.Marshal(map[string]any{"enabled": s != nil, "url": Path})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
	return nil
}

func (h *Handler) redirectURI(r *http.Request) string {
	base, _ := h.Base(r)
	return base + Path + "/callback"
}

func (h *Handler) begin(w http.ResponseWriter, r *http.Request) error {
	if err := h.Sessions.GuardHTTPS(r); err != nil {
		return err
	}
	s, m, err := h.provider(r.Context())
	if err != nil {
		return err
	}
	u := under{State: random(), Nonce: random(), Verifier: random(), ReturnTo: h.returnPath(r.URL.Query().Get("return_to")), Issuer: s.Issuer, Expires: time.Now().Add(flowLife)}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // a page's query fits into a cookie only as it is
	if err := e.Encode(u); err != nil {
		return err
	}
	http.SetCookie(w, h.cookie(r, base64.RawURLEncoding.EncodeToString(h.Keyring.Seal(b.Bytes(), "sign-in"))))
	challenge := sha256.Sum256([]byte(u.Verifier))
	to, err := url.Parse(m.AuthorizationURL)
	if err != nil {
		return err
	}
	q := to.Query()
	for name, value := range map[string]string{
		"response_type": "code", "client_id": s.ClientID, "redirect_uri": h.redirectURI(r), "state": u.State, "nonce": u.Nonce,
		"scope":          strings.Join(append([]string{"openid"}, s.Scopes...), " "),
		"code_challenge": base64.RawURLEncoding.EncodeToString(challenge[:]), "code_challenge_method": "S256",
	} {
		q.Set(name, value)
	}
	to.RawQuery = q.Encode()
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusFound)
	return nil
}

func (h *Handler) end(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	stale := problem.New(http.StatusBadRequest, "invalid_callback", "This sign-in was not begun in this browser, was finished already, or took longer than five minutes. Begin again.")
	c, err := r.Cookie(h.cookie(r, "x").Name)
	if err != nil {
		return stale
	}
	http.SetCookie(w, h.cookie(r, ""))
	var u under
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err == nil {
		sealed, err = h.Keyring.Open(sealed, "sign-in")
	}
	if err != nil || json.Unmarshal(sealed, &u) != nil || !time.Now().Before(u.Expires) || len(q["state"]) != 1 || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(u.State)) != 1 {
		return stale
	}
	s, m, err := h.provider(r.Context())
	if err != nil {
		return err
	}
	if u.Issuer != s.Issuer || (q.Has("iss") || m.IssuerInResponse) && q.Get("iss") != s.Issuer {
		return problem.New(http.StatusBadRequest, "issuer_mismatch", "The response comes from another identity provider than the one that was asked.")
	}
	if len(q["code"]) != 1 {
		return problem.New(http.StatusForbidden, "sign_in_denied", "The identity provider did not sign you in.")
	}
	p, err := h.person(r, s, m, &u, q.Get("code"))
	var session *http.Cookie
	switch {
	case err != nil:
	case h.IsPage(u.ReturnTo):
		err = h.Welcome(w, r, p, u.ReturnTo)
	default:
		session, err = h.Sessions.SignInPerson(r, p)
	}
	e := audit.Entry{Time: time.Now(), Action: "session.create", Outcome: audit.OK, Target: audit.Target{Type: "session"}, Actor: audit.Actor{ID: "anonymous"}, RequestID: problem.RequestID(r.Context())}
	if p != nil {
		e.Actor, e.Target.Name = audit.Actor{ID: p.ID, Name: p.Name}, p.Name
	}
	if err != nil {
		e.Outcome = audit.Denied
		h.Audit(r.Context(), e)
		return err
	}
	h.Audit(r.Context(), e)
	if session == nil {
		return nil // the visitor has been led on
	}
	http.SetCookie(w, session)
	w.Header().Set("Location", u.ReturnTo)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// person exchanges the code and checks the ID token (OpenID Connect Core §3.1.3.7).
func (h *Handler) person(r *http.Request, s *issuer.SignIn, m *oauth.Server, u *under, code string) (*access.Principal, error) {
	g := &oauth.Grant{
		Server: "sign-in", Flow: registry.FlowAuthorizationCode, TokenURL: m.TokenURL, Issuer: s.Issuer, ClientID: s.ClientID,
		Method: oauth.ChooseMethod(m.AuthMethods, len(s.Secret) > 0), Code: code, Verifier: u.Verifier, RedirectURI: h.redirectURI(r),
	}
	if len(s.Secret) > 0 {
		secret, err := h.Keyring.Open(s.Secret, "sign-in secret", s.Issuer, s.ClientID)
		if err != nil {
			return nil, problem.New(http.StatusServiceUnavailable, oauth.CodeSecretUnreadable, "The client secret of the identity provider cannot be opened. Restore the sealing key or enter the secret again.").Because(err)
		}
		g.Secret = string(secret)
	}
	tok, err := h.Endpoint.Token(r.Context(), g)
	if err != nil {
		f := oauth.FailureOf(err)
		return nil, f.Problem(f.RetryAfter)
	}
	bad := problem.New(http.StatusForbidden, "id_token_invalid", "The identity provider's ID token is not acceptable.")
	t, err := jwt.Parse(tok.IDToken)
	if err != nil {
		return nil, bad.Because(err)
	}
	want := jwt.Expected{Issuer: s.Issuer, Audiences: []string{s.ClientID}, Types: []string{"jwt", ""}, Leeway: leeway}
	err = jwt.Verify(r.Context(), h.Crypto, t, want, func(ctx context.Context, id string) ([]jwt.Key, error) {
		return h.Keys.Find(ctx, m.KeysURL, id)
	})
	if err != nil {
		return nil, bad.Because(err)
	}
	if !t.Claims.Answers(s.ClientID, u.Nonce) {
		return nil, bad
	}
	p := s.Person(t)
	if p == nil {
		return nil, problem.New(http.StatusForbidden, "sign_in_not_granted", "You are signed in at the identity provider, but nothing is granted to you here.")
	}
	return p, nil
}

func (h *Handler) cookie(r *http.Request, value string) *http.Cookie {
	c := &http.Cookie{Name: "grantway_signin", Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(flowLife / time.Second)}
	if h.Sessions.Secure(r) {
		c.Name, c.Secure = "__Host-"+c.Name, true
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// returnPath answers a path of the UI or a page for everybody, and the UI's start for
// anything else.
func (h *Handler) returnPath(s string) string {
	if h.IsPage(s) {
		return s
	}
	u, err := url.Parse(s)
	if err != nil || u.IsAbs() || u.Host != "" || len(s) > 512 || strings.ContainsAny(s, "\\\r\n\t") || !strings.HasPrefix(s, home) || slices.Contains(strings.Split(u.Path, "/"), "..") {
		return home
	}
	return s
}
