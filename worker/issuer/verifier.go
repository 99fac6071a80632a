package issuer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/jwt"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/recall"
)

// HeaderCloudflareAccess carries the token of Cloudflare Access.
const HeaderCloudflareAccess = "Cf-Access-Jwt-Assertion"

const (
	leeway = time.Minute // between the issuer's clock and ours
	// maxLife is the longest remaining life that is believed: a token that lives for
	// years is a mistake or an attack.
	maxLife = 7 * 24 * time.Hour
	// verifiedLife is how long a verified token is not verified again: the bound for a
	// change of keys to take effect on it.
	verifiedLife = 30 * time.Second
	maxVerified  = 4096 // tokens remembered
	maxMetadata  = 64   // issuers whose metadata is remembered
)

// accessTokenTypes are the typ values of tokens that may be access tokens (RFC 9068 §2.1;
// older issuers write JWT or nothing). Tokens made for something else (ID-JAG, logout,
// DPoP proofs, security events) name a type of their own.
var accessTokenTypes = []string{"at+jwt", "jwt", ""}

// Config is what a Verifier needs. All fields are required.
type Config struct {
	Crypto platform.Crypto
	Keys   *jwt.KeySets
	// Discovery finds the key set of an issuer without one in its entry.
	Discovery  *oauth.Discovery
	Background func(context.Context, func(context.Context))
	// Issuers answers the issuers in force, and the version of the settings that name them.
	Issuers func(context.Context) (list []Issuer, version int64, err error)
	// Audiences answers the names of the endpoint that a request is for.
	Audiences func(*http.Request) []string
}

// Verifier authenticates callers by token. It is an access.Authenticator that answers
// neither principal nor error for a request without a token of a configured issuer.
type Verifier struct {
	Config
	metadata *recall.Cache[string]

	mu       sync.Mutex
	verified map[[sha256.Size]byte]verified
}

type verified struct {
	principal *access.Principal
	until     time.Time
}

// New makes a Verifier.
func New(c Config) *Verifier {
	times := recall.Times{Fresh: time.Hour, Stale: 24 * time.Hour, Absent: 10 * time.Second}
	return &Verifier{Config: c, metadata: recall.New[string](c.Background, times, maxMetadata), verified: map[[sha256.Size]byte]verified{}}
}

var _ access.Authenticator = (*Verifier)(nil)

// Authenticate finds the principal of a request with a token.
func (v *Verifier) Authenticate(r *http.Request) (*access.Principal, error) {
	raw, cloudflare := presented(r)
	if raw == "" {
		return nil, nil
	}
	list, version, err := v.Issuers(r.Context())
	if err != nil {
		return nil, problem.New(http.StatusServiceUnavailable, "directory_unavailable", "The configured issuers cannot be read now.").Because(err)
	}
	p, err := v.verify(r.Context(), list, version, raw, cloudflare, v.Audiences(r))
	if err == nil && p != nil && cloudflare {
		err = access.GuardCSRF(r) // the browser adds the token by itself
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// presented answers the token of a request. A key in a header of its own decides who
// calls; then a token beside it is none of ours.
func presented(r *http.Request) (raw string, cloudflare bool) {
	for _, own := range [...]string{"X-Grantway-Key", "X-Litellm-Api-Key"} {
		if r.Header.Get(own) != "" {
			return "", false
		}
	}
	authorization := r.Header["Authorization"]
	if len(authorization) == 0 {
		return r.Header.Get(HeaderCloudflareAccess), true
	}
	scheme, token, _ := strings.Cut(authorization[0], " ")
	token = strings.TrimSpace(token)
	if len(authorization) > 1 || !strings.EqualFold(scheme, "Bearer") || !jwt.Looks(token) {
		return "", false
	}
	return token, false
}

// verify answers the principal of a token; neither principal nor error if no issuer is
// configured that it could be of.
func (v *Verifier) verify(ctx context.Context, list []Issuer, version int64, raw string, cloudflare bool, audiences []string) (*access.Principal, error) {
	usable := false
	for i := range list {
		usable = usable || list[i].CloudflareAccess == cloudflare
	}
	if !usable {
		return nil, nil
	}
	key := keyOf(raw, cloudflare, audiences, version)
	if p := v.remembered(key); p != nil {
		return p, nil
	}
	t, err := jwt.Parse(raw)
	if err != nil {
		return nil, Invalid("The access token is malformed.")
	}
	var s *Issuer
	for i := range list {
		if list[i].Issuer == t.Claims.Issuer && list[i].CloudflareAccess == cloudflare {
			s = &list[i]
		}
	}
	if s == nil {
		return nil, Invalid("The access token is of an issuer that this gateway does not accept.")
	}
	if _, bound := t.Claims.All["cnf"]; bound {
		return nil, Invalid("The access token is bound to a key of its holder (RFC 9449, RFC 8705), which this gateway does not check.")
	}
	want := jwt.Expected{Issuer: s.Issuer, Algorithms: s.Algorithms, Types: accessTokenTypes, Leeway: leeway, MaxAge: maxLife}
	if len(s.Algorithms) == 0 {
		want.Algorithms = jwt.Algorithms
	}
	want.Audiences = append(want.Audiences, s.Audiences...)
	if !cloudflare {
		want.Audiences = append(want.Audiences, audiences...)
	}
	err = jwt.Verify(ctx, v.Crypto, t, want, func(ctx context.Context, id string) ([]jwt.Key, error) {
		url, err := v.keysURL(ctx, s)
		if err != nil {
			return nil, err
		}
		return v.Keys.Find(ctx, url, id)
	})
	if err != nil {
		return nil, refusal(ctx, err, s)
	}
	p := s.principal(t, raw)
	if p == nil {
		return nil, insufficient(s)
	}
	v.remember(key, p, t.Claims.Expires)
	return p, nil
}

// keysURL answers where an issuer's keys are.
func (v *Verifier) keysURL(ctx context.Context, s *Issuer) (string, error) {
	if s.KeysURL != "" {
		return s.KeysURL, nil
	}
	if s.CloudflareAccess {
		return strings.TrimSuffix(s.Issuer, "/") + "/cdn-cgi/access/certs", nil
	}
	url, known, err := v.metadata.Get(ctx, s.Issuer, func(ctx context.Context) (string, bool, error) {
		m, err := v.Discovery.Server(ctx, s.Issuer)
		if err != nil {
			return "", false, nil // remembered for a short time: the issuer is not asked for every token
		}
		return m.KeysURL, m.KeysURL != "", nil
	})
	if err != nil {
		return "", err
	}
	if !known {
		return "", jwt.ErrUnreachable
	}
	return url, nil
}

// keyOf is under what a verified token is remembered: other settings know nothing of it.
func keyOf(raw string, cloudflare bool, audiences []string, version int64) (key [sha256.Size]byte) {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(version)))
	h.Write([]byte(raw))
	for _, a := range audiences {
		h.Write([]byte{0})
		h.Write([]byte(a))
	}
	if cloudflare {
		h.Write([]byte{1})
	}
	h.Sum(key[:0])
	return key
}

func (v *Verifier) remembered(key [sha256.Size]byte) *access.Principal {
	v.mu.Lock()
	defer v.mu.Unlock()
	if k, ok := v.verified[key]; ok && time.Now().Before(k.until) {
		return k.principal
	}
	return nil
}

func (v *Verifier) remember(key [sha256.Size]byte, p *access.Principal, expires time.Time) {
	until := time.Now().Add(verifiedLife)
	if expires.Before(until) {
		until = expires
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.verified) >= maxVerified {
		clear(v.verified)
	}
	v.verified[key] = verified{p, until}
}

// Invalid is the refusal of a token (RFC 6750 §3.1).
func Invalid(message string) *problem.Problem {
	p := access.Unauthorized(message)
	p.Code = "invalid_token"
	p.Header = http.Header{"Www-Authenticate": {`Bearer error="invalid_token"`}}
	return p
}

func refusal(ctx context.Context, err error, s *Issuer) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, jwt.ErrUnreachable) {
		p := problem.New(http.StatusServiceUnavailable, "issuer_unavailable", "The keys of the token's issuer cannot be read now.")
		p.RetryAfter = 10
		return p.Because(err)
	}
	for known, message := range map[error]string{
		jwt.ErrAlgorithm: "The access token is signed with an algorithm that is not allowed.",
		jwt.ErrNoKey:     "The access token is signed with a key that its issuer does not publish.",
		jwt.ErrSignature: "The access token's signature is not valid.",
		jwt.ErrAudience:  "The access token was issued for another resource.",
		jwt.ErrType:      "This is a token, but not an access token.",
		jwt.ErrExpired:   "The access token has expired.",
		jwt.ErrNotYet:    "The access token is not valid yet, or for too long.",
		jwt.ErrNoExpiry:  "The access token has no expiry.",
		jwt.ErrIssuer:    "The access token is of another issuer.",
	} {
		if errors.Is(err, known) {
			return Invalid(message).Because(err)
		}
	}
	return problem.New(http.StatusServiceUnavailable, "token_unverified", "The access token cannot be checked now.").Because(err)
}

// insufficient is the answer to a good token that grants nothing (RFC 6750 §3.1).
func insufficient(s *Issuer) *problem.Problem {
	p := problem.New(http.StatusForbidden, "insufficient_scope", "The access token is valid and grants nothing here.")
	challenge := `Bearer error="insufficient_scope"`
	if scopes := s.wanted(); len(scopes) > 0 {
		challenge += `, scope="` + strings.Join(scopes, " ") + `"`
	}
	p.Header = http.Header{"Www-Authenticate": {challenge}}
	return p
}
