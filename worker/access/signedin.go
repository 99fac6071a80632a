package access

import (
	"context"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/problem"
)

// SignedIn is on whose word the gateway believes who somebody is: the bearer's of an access
// key, or an identity provider's. It is kept where nobody can read or change it.
type SignedIn struct {
	KeyHash []byte `json:"k,omitempty"` // SHA-256 of the access key
	// Person is who an identity provider said it was instead, with what was granted then.
	Person *Principal `json:"p,omitempty"`
	// Since is when. Signing out everywhere ends what began before it; the zero time of a key
	// means that nothing but the key's own end does.
	Since time.Time `json:"b,omitzero"`
}

// Principal answers who that is now, or why it is nobody any more: the key has ended, the
// identity provider is no longer the configured one, the person has signed out everywhere.
func (s *Sessions) Principal(ctx context.Context, in SignedIn) (*Principal, error) {
	if in.Person != nil {
		if err := s.stillPerson(ctx, in); err != nil {
			return nil, err
		}
		return in.Person, nil
	}
	if len(in.KeyHash) != sha256.Size {
		return nil, signedOut()
	}
	p, since, err := s.byHash(ctx, [sha256.Size]byte(in.KeyHash))
	if err != nil {
		return nil, err
	}
	if p == nil || !in.Since.IsZero() && !in.Since.After(since) {
		return nil, signedOut()
	}
	return p, nil
}

func (s *Sessions) stillPerson(ctx context.Context, in SignedIn) error {
	if s.PeopleSince == nil {
		return signedOut()
	}
	since, err := s.PeopleSince(ctx)
	var left time.Time
	if err == nil {
		left, err = s.leftAt(ctx, in.Person)
	}
	if err != nil {
		return unverified(err)
	}
	if since.IsZero() || !in.Since.After(since) || !in.Since.After(left) {
		return signedOut()
	}
	return nil
}

// leftAt answers when a person last signed out everywhere; the zero time: never, or so long
// ago that every session of then has ended.
func (s *Sessions) leftAt(ctx context.Context, p *Principal) (time.Time, error) {
	key := leftKey(p)
	at, _, err := s.left.Get(ctx, key, func(ctx context.Context) (at time.Time, found bool, err error) {
		known, found := s.left.Peek(key)
		b, err := s.kv.Get(ctx, key)
		if isAbsent(err) {
			return known, found, nil
		}
		if err == nil {
			at, err = time.Parse(time.RFC3339Nano, string(b))
		}
		if known.After(at) {
			at = known // KV lags behind
		}
		return at, err == nil, err
	})
	return at, err
}

// Browser answers who is signed in to the UI in the browser of this request; nil if nobody is.
// It is for pages, which must find out by themselves whether they sent a form.
func (s *Sessions) Browser(r *http.Request) (*Principal, SignedIn) {
	session := s.read(r)
	if session == nil {
		return nil, SignedIn{}
	}
	p, err := s.principal(r.Context(), session)
	if err != nil {
		return nil, SignedIn{}
	}
	return p, session.signedIn()
}

func signedOut() *problem.Problem { return Unauthorized("The session has ended; sign in again.") }

func unverified(err error) *problem.Problem {
	return problem.New(http.StatusServiceUnavailable, "session_unverified", "The session cannot be checked now; try again.").Because(err)
}
