package jwt

import (
	"context"
	"errors"
	"time"

	"github.com/grantway/grantway/worker/platform"
)

// Expected is what a token must say.
type Expected struct {
	Issuer     string   // iss, compared as text
	Audiences  []string // aud must contain one of them
	Algorithms []string // allowed; nil: Algorithms
	Types      []string // allowed typ, lower case; "" allows an absent one; nil: do not look
	Leeway     time.Duration
	MaxAge     time.Duration // longest exp − now that is believed; 0: any
}

// Errors of Verify. They are for people and say nothing of the token's content.
var (
	ErrAlgorithm = errors.New("jwt: algorithm not allowed")
	ErrNoKey     = errors.New("jwt: no key of the issuer fits")
	ErrSignature = errors.New("jwt: signature does not verify")
	ErrIssuer    = errors.New("jwt: another issuer")
	ErrAudience  = errors.New("jwt: issued for another audience")
	ErrType      = errors.New("jwt: another type of token")
	ErrExpired   = errors.New("jwt: expired")
	ErrNotYet    = errors.New("jwt: not valid yet")
	ErrNoExpiry  = errors.New("jwt: no expiry")
)

// maxTries bounds the keys tried for a token that names none.
const maxTries = 4

// Keys answers the issuer's keys with this id, or all of them for "".
type Keys func(ctx context.Context, id string) ([]Key, error)

// Verify checks a token: what it claims first, which costs nothing, then its
// signature with a key of the issuer.
func Verify(ctx context.Context, crypto platform.Crypto, t *Token, want Expected, keys Keys) error {
	allowed := want.Algorithms
	if allowed == nil {
		allowed = Algorithms
	}
	if !contains(Algorithms, t.Algorithm) || !contains(allowed, t.Algorithm) {
		return ErrAlgorithm
	}
	if err := t.check(want, time.Now()); err != nil {
		return err
	}
	found, err := keys(ctx, t.KeyID)
	if err != nil {
		return err
	}
	tries := 0
	for i := range found {
		k := &found[i]
		if t.KeyID != "" && k.ID != t.KeyID || !k.fits(t.Algorithm) {
			continue
		}
		if tries++; tries > maxTries {
			break
		}
		ok, err := crypto.Verify(ctx, t.Algorithm, k.spki, []byte(t.input), t.signature)
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
	}
	if tries == 0 {
		return ErrNoKey
	}
	return ErrSignature
}

func (t *Token) check(want Expected, now time.Time) error {
	c := &t.Claims
	if c.Issuer == "" || c.Issuer != want.Issuer {
		return ErrIssuer
	}
	if want.Types != nil && !contains(want.Types, t.Type) {
		return ErrType
	}
	aimed := false
	for _, a := range c.Audience {
		aimed = aimed || a != "" && contains(want.Audiences, a)
	}
	switch {
	case !aimed:
		return ErrAudience
	case c.Expires.IsZero():
		return ErrNoExpiry
	case !now.Before(c.Expires.Add(want.Leeway)):
		return ErrExpired
	case want.MaxAge > 0 && c.Expires.Sub(now) > want.MaxAge:
		return ErrNotYet
	case c.NotBefore.After(now.Add(want.Leeway)), c.IssuedAt.After(now.Add(want.Leeway)):
		return ErrNotYet
	}
	return nil
}
