package token

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/seal"
)

const (
	// minStoredLife is Workers KV's shortest TTL: a token that ends sooner stays in
	// L1 and in the minter.
	minStoredLife = time.Minute
	// tombstoneLife covers KV's delay of up to 60 s and every instance's recheck.
	tombstoneLife = 10 * time.Minute
)

// store is L2: KV TOKENS. Keys are "token/" and the identity key; values are
// sealed for that key, the token endpoint's origin and the upstream's origin.
type store struct {
	kv      platform.KV
	keyring *seal.Keyring
	timeout time.Duration
}

var (
	errAbsent     = errors.New("token: not stored")
	errUnreadable = errors.New("token: stored value does not open")
)

// get answers what is stored, or an error: errAbsent, errUnreadable, or that KV
// cannot be reached.
func (s *store) get(ctx context.Context, t *target) (stored, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	sealed, err := s.kv.Get(ctx, "token/"+t.identity)
	if errors.Is(err, platform.ErrNotFound) {
		return stored{}, errAbsent
	}
	if err != nil {
		return stored{}, err
	}
	return s.open(sealed, t)
}

func (s *store) open(sealed []byte, t *target) (stored, error) {
	plain, err := s.keyring.Open(sealed, t.aad()...)
	if err != nil {
		return stored{}, errors.Join(errUnreadable, err)
	}
	v, ok := decodeStored(plain)
	if !ok {
		return stored{}, errUnreadable
	}
	return v, nil
}

func (s *store) seal(v *stored, t *target) []byte { return s.keyring.Seal(v.encode(), t.aad()...) }

// put stores a sealed token that ends at this time.
func (s *store) put(ctx context.Context, t *target, sealed []byte, expires time.Time) error {
	left := time.Until(expires)
	if left < minStoredLife {
		return nil
	}
	return s.kv.Put(ctx, "token/"+t.identity, sealed, left.Truncate(time.Second))
}

// bury puts a tombstone in the token's place.
func (s *store) bury(ctx context.Context, t *target, generation int64) error {
	now := time.Now().UnixMilli()
	v := stored{Generation: generation, Purged: true, IssuedAt: now, ExpiresAt: now}
	return s.kv.Put(ctx, "token/"+t.identity, s.seal(&v, t), tombstoneLife)
}

// share puts a token into KV. purged answers the generation of a purge that came meanwhile, 0 for
// none: what this has written over the purge's tombstone is then replaced by one.
func (e *Engine) share(ctx context.Context, t *target, sealed []byte, expires time.Time, server string, purged func() int64) {
	err := e.store.put(ctx, t, sealed, expires)
	if err != nil {
		e.count.degraded("kv")
		e.log.WarnContext(ctx, "token store unreachable", slog.String("server", server), slog.String("error", err.Error()))
	}
	if generation := purged(); generation > 0 {
		e.entomb(ctx, t, generation, server)
	}
}

// entomb puts a tombstone into KV, and tries it again in the background if it does not succeed:
// Workers KV takes one write a second for a key.
func (e *Engine) entomb(ctx context.Context, t *target, generation int64, server string) {
	if e.store.bury(ctx, t, generation) == nil {
		return
	}
	e.platform.Background(ctx, func(ctx context.Context) {
		var err error
		for pause := firstBurial; pause < 8*firstBurial; pause *= 2 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			if err = e.store.bury(ctx, t, generation); err == nil {
				return
			}
		}
		e.count.degraded("kv")
		e.log.WarnContext(ctx, "token store unreachable, a purged token may be read for its rest of life", slog.String("server", server), slog.String("error", err.Error()))
	})
}

// firstBurial is the first pause before a tombstone is tried again.
const firstBurial = 1500 * time.Millisecond
