package memory

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/platform"
)

// KV is a namespace with Workers KV's rules (keys ≤ 512 bytes, TTL ≥ 60 s) and
// none of its delay.
type KV struct {
	name   string
	fault  func(op, target, key string) error
	mu     sync.Mutex
	values map[string]kvValue
}

type kvValue struct {
	b       []byte
	expires time.Time
}

func (k *KV) Get(_ context.Context, key string) ([]byte, error) {
	if err := k.fault("kv.get", k.name, key); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.values[key]
	if !ok || (!v.expires.IsZero() && !time.Now().Before(v.expires)) {
		return nil, platform.ErrNotFound
	}
	return slices.Clone(v.b), nil
}

func (k *KV) Put(_ context.Context, key string, value []byte, ttl time.Duration) error {
	if err := k.fault("kv.put", k.name, key); err != nil {
		return err
	}
	if key == "" || len(key) > 512 || (ttl != 0 && ttl < time.Minute) {
		return &platform.Error{Op: "kv.put", Code: platform.CodeInvalid, Message: "key or ttl"}
	}
	v := kvValue{b: slices.Clone(value)}
	if ttl > 0 {
		v.expires = time.Now().Add(ttl)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.values[key] = v
	return nil
}

func (k *KV) Delete(_ context.Context, key string) error {
	if err := k.fault("kv.delete", k.name, key); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.values, key)
	return nil
}

// List answers keys in byte order; the cursor is the last key of the page.
func (k *KV) List(_ context.Context, prefix string, limit int, cursor string) ([]string, string, error) {
	if err := k.fault("kv.list", k.name, prefix); err != nil {
		return nil, "", err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	var keys []string
	for key, v := range k.values {
		if strings.HasPrefix(key, prefix) && key > cursor && (v.expires.IsZero() || now.Before(v.expires)) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if limit > 0 && len(keys) > limit {
		return keys[:limit], keys[limit-1], nil
	}
	return keys, "", nil
}
