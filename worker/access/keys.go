package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/recall"
)

// Lives of what an instance remembers of keys and of the bootstrap key's state.
// With Workers KV's own delay of up to 60 s they make the bound of docs/storage.md
// for a revocation to reach every instance.
var keyTimes = recall.Times{Fresh: 3 * time.Second, Stale: 5 * time.Second, Absent: 3 * time.Second}

// maxKeysRemembered bounds the keys and wrong keys in memory, in entries.
const maxKeysRemembered = 4096

// KV CONFIG: the stored form of a key under its hash, and the state of the
// bootstrap key.
const (
	KVKey       = "key/"      // + SHA-256 of the secret, hexadecimal
	KVBootstrap = "bootstrap" // a Bootstrap
)

// ErrNoKey means that no access key has this hash or id.
var ErrNoKey = errors.New("access: no such key")

// Bootstrap is the state of the bootstrap admin key.
type Bootstrap struct {
	Disabled      bool      `json:"disabled"`
	SignedInSince time.Time `json:"signed_in_since"` // sessions that began before it have ended
	Version       int64     `json:"version"`         // of the settings
}

// Origin is the truth behind KV: the Directory.
type Origin interface {
	// FindKey answers the key with this hash, or ErrNoKey.
	FindKey(ctx context.Context, hash string) (*Key, error)
	// Bootstrap answers the state of the bootstrap key.
	Bootstrap(ctx context.Context) (Bootstrap, error)
}

// Keys authenticates callers by access key. A hot key costs one hash and one map
// lookup.
type Keys struct {
	kv        platform.KV
	origin    Origin
	log       *slog.Logger
	bootstrap [sha256.Size]byte
	enabled   bool // there is a bootstrap key
	keys      *recall.Cache[*known]
	state     *recall.Cache[Bootstrap]

	mu    sync.Mutex
	edits map[string]keyEdit   // by key id: what this instance has itself changed
	used  map[string]time.Time // by key id: last use since TakeUsed
}

type known struct {
	key            *Key
	principal      *Principal
	hash, previous []byte // decoded
}

func know(key *Key) *known {
	kn := &known{key: key, principal: key.Principal()}
	kn.hash, _ = hex.DecodeString(key.Hash)
	kn.previous, _ = hex.DecodeString(key.PreviousHash)
	return kn
}

type keyEdit struct {
	key  *Key // nil: revoked
	seq  int64
	seen time.Time
}

// editMemory is how long an instance knows better than a KV that lags behind an
// edit which this instance has made.
const editMemory = 2 * time.Minute

var _ Authenticator = (*Keys)(nil)

// NewKeys makes the authenticator. The bootstrap admin key is GRANTWAY_ADMIN_KEY.
func NewKeys(p platform.Platform, origin Origin) *Keys {
	k := &Keys{
		kv: p.KV(platform.Config), origin: origin, log: p.Log(), edits: map[string]keyEdit{}, used: map[string]time.Time{},
		keys:  recall.New[*known](p.Background, keyTimes, maxKeysRemembered),
		state: recall.New[Bootstrap](p.Background, keyTimes, 1),
	}
	if s := p.Env("GRANTWAY_ADMIN_KEY"); s != "" {
		k.bootstrap, k.enabled = sha256.Sum256([]byte(s)), true
	}
	return k
}

// Presented answers the access key of a request: from X-Grantway-Key,
// x-litellm-api-key (with or without "Bearer ") or Authorization: Bearer, or "".
func Presented(r *http.Request) string {
	for _, name := range [...]string{"X-Grantway-Key", "X-Litellm-Api-Key"} {
		if v := r.Header.Get(name); v != "" {
			if s, ok := bearer(v); ok {
				return s
			}
			return v
		}
	}
	s, _ := bearer(r.Header.Get("Authorization"))
	return s
}

func bearer(v string) (string, bool) {
	if len(v) > 7 && strings.EqualFold(v[:7], "bearer ") {
		return strings.TrimSpace(v[7:]), true
	}
	return "", false
}

// Authenticate finds the principal of a request.
func (k *Keys) Authenticate(r *http.Request) (*Principal, error) {
	secret := Presented(r)
	if secret == "" {
		return nil, Unauthorized("Present an access key: Authorization: Bearer, or X-Grantway-Key.")
	}
	return k.Verify(r.Context(), secret)
}

// Verify finds the principal whose secret this is.
func (k *Keys) Verify(ctx context.Context, secret string) (*Principal, error) {
	if len(secret) > MaxPresented {
		return nil, wrongKey()
	}
	sum := sha256.Sum256([]byte(secret))
	if k.enabled && subtle.ConstantTimeCompare(sum[:], k.bootstrap[:]) == 1 {
		p, _, err := k.bootstrapPrincipal(ctx)
		return p, err
	}
	if !WellFormed(secret) {
		return nil, wrongKey()
	}
	kn, err := k.lookup(ctx, sum)
	if err != nil {
		return nil, err
	}
	return kn.principal, nil
}

// Remembered answers the principal whose secret this is if that needs no waiting, or nil.
func (k *Keys) Remembered(secret string) *Principal {
	if !strings.HasPrefix(secret, keyPrefix) || len(secret) > MaxPresented {
		return nil
	}
	sum := sha256.Sum256([]byte(secret))
	if k.enabled && subtle.ConstantTimeCompare(sum[:], k.bootstrap[:]) == 1 {
		if b, ok := k.state.Fresh(""); ok && !b.Disabled {
			return bootstrapAdmin
		}
		return nil
	}
	kn, ok := k.keys.Fresh(string(sum[:]))
	if !ok || !kn.opens(sum, time.Now()) || usable(kn.key) != nil {
		return nil
	}
	k.touch(kn.key.ID)
	return kn.principal
}

// lookup answers the usable key with this hash.
func (k *Keys) lookup(ctx context.Context, sum [sha256.Size]byte) (*known, error) {
	kn, exists, err := k.keys.Get(ctx, string(sum[:]), func(ctx context.Context) (*known, bool, error) { return k.load(ctx, sum) })
	if err != nil {
		return nil, err
	}
	// The stored hash is compared again in constant time: a store that answers
	// another row than the one asked for must not let anybody in.
	if !exists || !kn.opens(sum, time.Now()) {
		return nil, wrongKey()
	}
	if err := usable(kn.key); err != nil {
		return nil, err
	}
	k.touch(kn.key.ID)
	return kn, nil
}

// byHash answers the principal whose secret has this hash, and the time before
// which its sessions have ended.
func (k *Keys) byHash(ctx context.Context, sum [sha256.Size]byte) (*Principal, time.Time, error) {
	if k.enabled && subtle.ConstantTimeCompare(sum[:], k.bootstrap[:]) == 1 {
		return k.bootstrapPrincipal(ctx)
	}
	kn, err := k.lookup(ctx, sum)
	if err != nil {
		return nil, time.Time{}, err
	}
	return kn.principal, kn.key.SignedInSince, nil
}

func (kn *known) opens(sum [sha256.Size]byte, now time.Time) bool {
	return subtle.ConstantTimeCompare(kn.hash, sum[:]) == 1 ||
		kn.key.PreviousExpiresAt != nil && now.Before(*kn.key.PreviousExpiresAt) && subtle.ConstantTimeCompare(kn.previous, sum[:]) == 1
}

func usable(key *Key) error {
	switch key.Status(time.Now()) {
	case "disabled":
		return Unauthorized("The access key is disabled.")
	case "expired":
		return Unauthorized("The access key has expired.")
	}
	return nil
}

func (k *Keys) load(ctx context.Context, sum [sha256.Size]byte) (*known, bool, error) {
	hash := hex.EncodeToString(sum[:])
	key, err := k.published(ctx, hash)
	if err != nil {
		if !errors.Is(err, platform.ErrNotFound) {
			k.log.WarnContext(ctx, "CONFIG is not readable; asking the Directory", slog.String("error", err.Error()))
		}
		key, err = k.origin.FindKey(ctx, hash)
		if errors.Is(err, ErrNoKey) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if e, ok := k.edits[key.ID]; ok && time.Since(e.seen) < editMemory && e.seq > key.Version {
		key = e.key
	}
	if key == nil {
		return nil, false, nil
	}
	return know(key), true, nil
}

func (k *Keys) published(ctx context.Context, hash string) (*Key, error) {
	b, err := k.kv.Get(ctx, KVKey+hash)
	if err != nil {
		return nil, err
	}
	key := &Key{}
	return key, json.Unmarshal(b, key)
}

// Edited makes a change of a key effective in this instance at once. key nil
// means that old was revoked; old nil means that key is new.
func (k *Keys) Edited(old, key *Key, seq int64) {
	k.mu.Lock()
	for id, e := range k.edits {
		if time.Since(e.seen) >= editMemory {
			delete(k.edits, id)
		}
	}
	for _, x := range [...]*Key{old, key} {
		if x != nil {
			k.edits[x.ID] = keyEdit{key, seq, time.Now()}
		}
	}
	k.mu.Unlock()
	put := func(x *Key, kn *known) {
		for _, h := range x.Hashes() {
			if b, err := hex.DecodeString(h); err == nil && len(b) == sha256.Size {
				k.keys.Put(string(b), kn, kn != nil)
			}
		}
	}
	if old != nil {
		put(old, nil)
	}
	if key != nil {
		put(key, know(key))
	}
}

// BootstrapEdited makes a change of the bootstrap key's state effective in this
// instance at once.
func (k *Keys) BootstrapEdited(b Bootstrap) { k.state.Put("", b, true) }

func (k *Keys) bootstrapPrincipal(ctx context.Context) (*Principal, time.Time, error) {
	b, _, err := k.state.Get(ctx, "", func(ctx context.Context) (Bootstrap, bool, error) {
		var b Bootstrap
		raw, err := k.kv.Get(ctx, KVBootstrap)
		if err == nil {
			err = json.Unmarshal(raw, &b)
		}
		if err != nil {
			b, err = k.origin.Bootstrap(ctx)
		}
		if known, ok := k.state.Peek(""); ok && err == nil && known.Version > b.Version {
			b = known // KV lags behind
		}
		return b, true, err
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	if b.Disabled {
		return nil, time.Time{}, Unauthorized("The bootstrap key is disabled; use an admin key.")
	}
	return bootstrapAdmin, b.SignedInSince, nil
}

// bootstrapAdmin is who presents the bootstrap key. Principals are shared and never changed.
var bootstrapAdmin = &Principal{ID: "bootstrap", Name: "bootstrap admin", Role: RoleAdmin, AllServers: true}

// touch remembers that a key was used.
func (k *Keys) touch(id string) {
	now := time.Now()
	k.mu.Lock()
	k.used[id] = now
	k.mu.Unlock()
}

// TakeUsed answers the last uses by key id since it was last asked.
func (k *Keys) TakeUsed() map[string]time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	used := k.used
	k.used = map[string]time.Time{}
	return used
}

// Unauthorized is the answer to a caller who is not known (RFC 6750 §3).
func Unauthorized(message string) *problem.Problem {
	p := problem.New(http.StatusUnauthorized, "unauthorized", message)
	p.Header = http.Header{"Www-Authenticate": {`Bearer realm="grantway"`}}
	return p
}

func isAbsent(err error) bool { return errors.Is(err, platform.ErrNotFound) }

func wrongKey() *problem.Problem { return Unauthorized("The access key is not valid.") }
