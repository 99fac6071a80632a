package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/ratelimit"
	"github.com/grantway/grantway/worker/recall"
	"github.com/grantway/grantway/worker/seal"
)

// Lives of a browser session.
const (
	// SessionLife is how long a session lasts without use; it is renewed in its second half.
	SessionLife = time.Hour
	// SessionMax is how long it lasts at most.
	SessionMax = 12 * time.Hour
	// PersonMax is how long anything lasts at most that rests on what an identity provider
	// once said of a person.
	PersonMax = 30 * 24 * time.Hour
)

const (
	// CookieName is the session cookie over https. The prefix makes browsers insist on
	// Secure, Path=/ and no Domain (RFC 6265bis §4.1.3.2).
	CookieName = "__Host-grantway_session"
	// LoopbackCookieName is the cookie over http, which only this machine may use.
	LoopbackCookieName = "grantway_session"
	// CSRFHeader must be on every request that changes something and is
	// authenticated by the cookie. A page of another origin cannot set it.
	CSRFHeader = "X-Grantway-CSRF"
	// kvEnded + session id in KV CONFIG marks a session that was signed out; kvLeft + the hash of
	// a person's id holds when the person signed out everywhere.
	kvEnded = "session-ended/"
	kvLeft  = "person-left/"
)

// Session is a browser's sign-in. It is kept by the browser alone, sealed.
type Session struct {
	ID        string    `json:"i"`
	KeyHash   []byte    `json:"k"` // SHA-256 of the key that signed in
	CreatedAt time.Time `json:"c"`
	ExpiresAt time.Time `json:"e"`
	// Person is who signed in at an identity provider instead, with the role that was
	// granted then.
	Person *Principal `json:"p,omitempty"`
}

func (s *Session) signedIn() SignedIn { return SignedIn{s.KeyHash, s.Person, s.CreatedAt} }

// Sessions authenticates browsers by cookie and everybody else by key.
type Sessions struct {
	*Keys
	// Tokens knows the access tokens of other issuers; nil: none is accepted. It is
	// asked first, and answers no principal and no error for a request that carries no
	// such token. Set it before use.
	Tokens Authenticator
	// PeopleSince answers since when people may have signed in at the identity provider: the
	// sessions of those who did before have ended. nil: nobody may. Set it before use.
	PeopleSince func(context.Context) (time.Time, error)
	// Secure reports whether the browser of a request speaks https: then cookies are Secure and
	// carry the prefix __Host-. Set it before use.
	Secure func(*http.Request) bool
	// Refused is told of each request whose credential is missing or not accepted; nil:
	// nobody is. Set it before use.
	Refused func(r *http.Request, err error)

	keyring *seal.Keyring // nil: nobody can sign in
	kv      platform.KV
	ended   *recall.Cache[bool]
	left    *recall.Cache[time.Time] // when a person last signed out everywhere
	tries   ratelimit.Buckets        // by address
}

// NewSessions makes the authenticator around keys.
func NewSessions(p platform.Platform, keys *Keys, keyring *seal.Keyring) *Sessions {
	times := recall.Times{Fresh: 3 * time.Second, Stale: 5 * time.Second, Absent: 5 * time.Second}
	return &Sessions{
		Keys: keys, keyring: keyring, kv: p.KV(platform.Config),
		ended: recall.New[bool](p.Background, times, 1024), left: recall.New[time.Time](p.Background, times, 1024),
		tries: ratelimit.Buckets{Max: maxTries},
	}
}

var _ Authenticator = (*Sessions)(nil)

// Authenticate finds the principal of a request: by key if it presents one, else
// by cookie.
func (s *Sessions) Authenticate(r *http.Request) (*Principal, error) {
	p, err := s.authenticate(r)
	if err != nil && s.Refused != nil {
		s.Refused(r, err)
	}
	return p, err
}

func (s *Sessions) authenticate(r *http.Request) (*Principal, error) {
	if s.Tokens != nil {
		if p, err := s.Tokens.Authenticate(r); p != nil || err != nil {
			return p, err
		}
	}
	if Presented(r) != "" {
		return s.Keys.Authenticate(r)
	}
	session := s.read(r)
	if session == nil {
		return s.Keys.Authenticate(r) // says what to present
	}
	p, err := s.principal(r.Context(), session)
	if err != nil {
		return nil, err
	}
	if err := GuardCSRF(r); err != nil {
		return nil, err
	}
	return p, nil
}

const (
	// signInsPerMinute bounds the attempts to sign in from one address, per instance.
	signInsPerMinute = 20
	// maxTries bounds the addresses whose attempts an instance remembers.
	maxTries = 4096
)

// SignIn makes a session for the key. Only keys that may look at the management
// API sign in.
func (s *Sessions) SignIn(r *http.Request, secret string) (*Principal, *http.Cookie, error) {
	p, err := s.Try(r, secret)
	if err != nil {
		return nil, nil, err
	}
	if p.Role != RoleAdmin && p.Role != RoleViewer {
		return nil, nil, problem.New(http.StatusForbidden, "session_role", "This key calls servers; sign in with an admin or viewer key.")
	}
	sum := sha256.Sum256([]byte(secret))
	now := time.Now().UTC()
	session := &Session{ID: rand.Text(), KeyHash: sum[:], CreatedAt: now, ExpiresAt: now.Add(SessionLife)}
	return withSession(p, session), s.cookie(r, session), nil
}

// Renew answers a cookie that prolongs the principal's session, or nil if it has
// none or it is young.
func (s *Sessions) Renew(r *http.Request, p *Principal) *http.Cookie {
	session := p.session
	if session == nil || time.Until(session.ExpiresAt) > SessionLife/2 {
		return nil
	}
	next := *session
	next.ExpiresAt = time.Now().UTC().Add(SessionLife)
	if last := session.CreatedAt.Add(SessionMax); next.ExpiresAt.After(last) {
		next.ExpiresAt = last
	}
	if !next.ExpiresAt.After(session.ExpiresAt) {
		return nil
	}
	return s.cookie(r, &next)
}

// SignOut ends the session everywhere and answers the cookie that removes it from the
// browser.
func (s *Sessions) SignOut(r *http.Request, session *Session) (*http.Cookie, error) {
	s.ended.Put(session.ID, true, true)
	ttl := max(time.Minute, time.Until(session.CreatedAt.Add(SessionMax)).Round(time.Second))
	return s.mark(r, kvEnded+session.ID, "1", ttl)
}

// SignOutPerson ends every session that an identity provider's word has made for the person.
func (s *Sessions) SignOutPerson(r *http.Request, p *Principal) (*http.Cookie, error) {
	now := time.Now().UTC()
	s.left.Put(leftKey(p), now, true)
	return s.mark(r, leftKey(p), now.Format(time.RFC3339Nano), PersonMax)
}

func (s *Sessions) mark(r *http.Request, key, value string, ttl time.Duration) (*http.Cookie, error) {
	if err := s.kv.Put(r.Context(), key, []byte(value), ttl); err != nil {
		return nil, problem.New(http.StatusServiceUnavailable, "sign_out_failed", "The session could not be ended everywhere; try again.").Because(err)
	}
	return s.RemovalCookie(r), nil
}

func leftKey(p *Principal) string {
	sum := sha256.Sum256([]byte(p.ID))
	return kvLeft + base64.RawURLEncoding.EncodeToString(sum[:])
}

// RemovalCookie removes the session's cookie from the browser.
func (s *Sessions) RemovalCookie(r *http.Request) *http.Cookie {
	c := s.cookie(r, nil)
	c.MaxAge = -1
	return c
}

// Session answers the browser session of the principal, or nil.
func (p *Principal) Session() *Session { return p.session }

func withSession(p *Principal, s *Session) *Principal {
	q := *p
	q.session = s
	return &q
}

func (s *Sessions) cookie(r *http.Request, session *Session) *http.Cookie {
	c := &http.Cookie{Name: LoopbackCookieName, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if s.Secure(r) {
		c.Name, c.Secure = CookieName, true
	}
	if session != nil {
		b, err := json.Marshal(session)
		if err != nil {
			panic("access: session: " + err.Error()) // it holds only text, bytes and times
		}
		c.Value = base64.RawURLEncoding.EncodeToString(s.keyring.Seal(b, "session"))
		c.MaxAge = int(time.Until(session.ExpiresAt) / time.Second)
	}
	return c
}

// read answers the session of the request's cookie, or nil if there is none that
// opens and has not expired.
func (s *Sessions) read(r *http.Request) *Session {
	if s.keyring == nil {
		return nil
	}
	name := LoopbackCookieName
	if s.Secure(r) {
		name = CookieName
	} else if !loopback(r) {
		return nil
	}
	c, err := r.Cookie(name)
	if err != nil || len(c.Value) > maxCookie {
		return nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return nil
	}
	b, err := s.keyring.Open(sealed, "session")
	session := &Session{}
	if err != nil || json.Unmarshal(b, session) != nil || !time.Now().Before(session.ExpiresAt) {
		return nil
	}
	return session
}

func (s *Sessions) principal(ctx context.Context, session *Session) (*Principal, error) {
	ended, _, err := s.ended.Get(ctx, session.ID, func(ctx context.Context) (bool, bool, error) {
		if known, _ := s.ended.Peek(session.ID); known {
			return true, true, nil // whatever KV, which may lag behind, says
		}
		_, err := s.kv.Get(ctx, kvEnded+session.ID)
		if isAbsent(err) {
			return false, false, nil
		}
		return err == nil, err == nil, err
	})
	if err != nil {
		return nil, unverified(err)
	}
	if ended {
		return nil, signedOut()
	}
	p, err := s.Principal(ctx, session.signedIn())
	if err != nil {
		return nil, err
	}
	return withSession(p, session), nil
}

// SignInPerson makes a session for somebody whom an identity provider has vouched for.
func (s *Sessions) SignInPerson(r *http.Request, p *Principal) (*http.Cookie, error) {
	if p.Role != RoleAdmin && p.Role != RoleViewer {
		return nil, problem.New(http.StatusForbidden, "session_role", "You may call servers, but neither see nor change the configuration.")
	}
	q := *p
	q.JWT = ""
	now := time.Now().UTC()
	c := s.cookie(r, &Session{ID: rand.Text(), CreatedAt: now, ExpiresAt: now.Add(SessionLife), Person: &q})
	if len(c.Value) > maxCookie {
		return nil, problem.New(http.StatusForbidden, "session_too_large", "Too many grants match you: they do not fit into a session.")
	}
	return c, nil
}

// maxCookie bounds a session's cookie, in bytes.
const maxCookie = 3800

// GuardCSRF refuses a change that a browser may have been made to send. It is for
// every credential that a browser adds by itself.
func GuardCSRF(r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if r.Header.Get(CSRFHeader) == "" || foreignOrigin(r) {
		return csrfRejected()
	}
	return nil
}

func csrfRejected() *problem.Problem {
	return problem.New(http.StatusForbidden, "csrf_rejected", "A change with a session cookie needs the header "+CSRFHeader+" and must come from the gateway's own pages.")
}

// foreignOrigin reports whether a browser says that another site sends this request.
func foreignOrigin(r *http.Request) bool {
	// The browser's own word comes first: behind a proxy the Host may be another than the page's.
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site != "same-origin" && site != "none"
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}

func loopback(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

type clientIPKey struct{}

// WithClientIP answers a context of a request that a trusted proxy has passed on for this address.
func WithClientIP(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, clientIPKey{}, address)
}

// ClientIP answers the address from which a trusted proxy, else the host, says the request came.
func ClientIP(r *http.Request) string {
	if address, ok := r.Context().Value(clientIPKey{}).(string); ok {
		return address
	}
	if h, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return h
	}
	return r.RemoteAddr
}
