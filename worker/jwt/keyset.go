package jwt

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// Times of a key set in memory.
const (
	keysFresh  = 10 * time.Minute // used without looking
	keysStale  = time.Hour        // used on while the issuer cannot be reached
	keysPause  = 30 * time.Second // shortest time between two fetches for a kid that is not known
	keysFailed = 10 * time.Second // pause after a failed fetch
	maxKeySets = 256              // in memory
)

// ErrUnreachable means that an issuer's key set cannot be had now.
var ErrUnreachable = errors.New("jwt: the issuer's key set is out of reach")

// KeySets fetches key sets and remembers them. An unknown kid causes one new fetch, at
// most every 30 seconds and issuer, so that a rotation is noticed at once and an invented
// kid costs the issuer nothing. Set the fields before use. Safe for concurrent use.
type KeySets struct {
	HTTP       http.RoundTripper // refuses what must not be called; follows no redirect
	Background func(context.Context, func(context.Context))
	Timeout    time.Duration // of one fetch
	Limit      int           // of a key set, in bytes

	mu   sync.Mutex
	sets map[string]*keySet
}

type keySet struct {
	mu      sync.Mutex
	keys    []Key
	loaded  time.Time // of keys
	asked   time.Time // last attempt
	failed  bool      // it failed
	flight  chan struct{}
	touched time.Time
}

// Find answers the keys at this URL that have this id, all of them for "". It answers
// none, and no error, for an id that the issuer does not have.
func (k *KeySets) Find(ctx context.Context, url, id string) ([]Key, error) {
	s := k.set(url)
	for range 2 {
		now := time.Now()
		s.mu.Lock()
		keys, age := s.keys, now.Sub(s.loaded)
		known := !s.loaded.IsZero() && age < keysStale
		found := known && has(keys, id)
		pause := keysPause
		if s.failed {
			pause = keysFailed
		}
		mayAsk := s.asked.IsZero() || now.Sub(s.asked) >= pause
		if found && (age < keysFresh || !mayAsk) {
			s.mu.Unlock()
			return pick(keys, id), nil
		}
		if !mayAsk && s.flight == nil {
			s.mu.Unlock()
			if known {
				return nil, nil
			}
			return nil, ErrUnreachable
		}
		done := k.fly(ctx, s, url, now)
		s.mu.Unlock()
		if found { // the renewal goes on beside
			return pick(keys, id), nil
		}
		select {
		case <-done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded.IsZero() || time.Since(s.loaded) >= keysStale {
		return nil, ErrUnreachable
	}
	return pick(s.keys, id), nil
}

// fly joins or begins the one fetch of this set. The set is locked.
func (k *KeySets) fly(ctx context.Context, s *keySet, url string, now time.Time) chan struct{} {
	if s.flight != nil {
		return s.flight
	}
	done := make(chan struct{})
	s.flight, s.asked = done, now
	k.Background(ctx, func(ctx context.Context) {
		keys, err := k.fetch(ctx, url)
		s.mu.Lock()
		s.flight, s.failed = nil, err != nil
		if err == nil {
			s.keys, s.loaded = keys, time.Now()
		}
		s.mu.Unlock()
		close(done)
	})
	return done
}

func (k *KeySets) fetch(ctx context.Context, url string) ([]Key, error) {
	ctx, cancel := context.WithTimeout(ctx, k.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "grantway")
	resp, err := k.HTTP.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, ErrUnreachable
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(k.Limit)+1))
	if err != nil {
		return nil, err
	}
	if len(body) > k.Limit {
		return nil, ErrKeySet
	}
	return ParseKeySet(body)
}

func (k *KeySets) set(url string) *keySet {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.sets[url]
	if s == nil {
		if k.sets == nil {
			k.sets = map[string]*keySet{}
		}
		if len(k.sets) >= maxKeySets {
			k.evict()
		}
		s = &keySet{}
		k.sets[url] = s
	}
	s.touched = time.Now()
	return s
}

func (k *KeySets) evict() {
	oldest := ""
	for url, s := range k.sets {
		if oldest == "" || s.touched.Before(k.sets[oldest].touched) {
			oldest = url
		}
	}
	delete(k.sets, oldest)
}

func has(keys []Key, id string) bool {
	if id == "" {
		return len(keys) > 0
	}
	for i := range keys {
		if keys[i].ID == id {
			return true
		}
	}
	return false
}

func pick(keys []Key, id string) []Key {
	if id == "" {
		return keys
	}
	var out []Key
	for i := range keys {
		if keys[i].ID == id {
			out = append(out, keys[i])
		}
	}
	return out
}
