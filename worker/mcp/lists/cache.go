package lists

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/registry"
)

// entry is a remembered page.
type entry struct {
	items   []json.RawMessage
	next    *string
	until   time.Time
	private bool
	size    int
	used    time.Time
	seen    time.Time // in KV, or put there
}

type cache struct {
	mu      sync.Mutex
	entries map[string]*entry
	bytes   int
}

// kvList begins the keys of pages in KV CONFIG. Only first pages are there: later
// ones are of use with the same first one only.
const kvList = "list/"

// minKVLife is the shortest life for which a page is worth a write to KV.
const minKVLife = time.Minute

// recheck is for how long a page that is in KV too is believed without a look there: another
// instance may have forgotten it.
const recheck = 30 * time.Second

// authContext answers the authorization context in which a server's answers may be shared: one for
// all callers where they all reach the server with the same credential, else the caller.
func authContext(t upstream.Target) string {
	rec := t.Record
	if len(rec.ForwardHeaders) == 0 && (rec.AuthType != registry.AuthOAuth2 || rec.OAuth2Flow == registry.FlowClientCredentials) {
		return "shared"
	}
	sum := sha256.Sum256([]byte(t.Caller.ID))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func prefix(rec *registry.Record, method string) string {
	return rec.ServerID + "/" + strconv.FormatInt(rec.Version, 10) + "/" + method + "/"
}

func key(t upstream.Target, method string, cursor *string) string {
	k := prefix(t.Record, method) + authContext(t)
	if cursor != nil {
		k += "/" + *cursor
	}
	return k
}

// remembered answers a fresh page, or nil.
func (l *Lists) remembered(ctx context.Context, t upstream.Target, method string, cursor *string) *Page {
	if t.Record.ServerID == "" {
		return nil
	}
	k := key(t, method, cursor)
	now := time.Now()
	l.cache.mu.Lock()
	e := l.cache.entries[k]
	if e != nil && (!now.Before(e.until) || !e.seen.IsZero() && now.Sub(e.seen) >= recheck) {
		l.cache.remove(k)
		e = nil
	}
	if e != nil {
		e.used = now
	}
	l.cache.mu.Unlock()
	if e == nil && cursor == nil && l.KV != nil && l.worthKV(t) {
		if e = l.load(ctx, t, method, k, now); e == nil {
			return nil
		}
		l.cache.add(k, e, l.Limits)
	}
	if e == nil {
		return nil
	}
	return &Page{Items: e.items, Next: e.next, TTL: e.until.Sub(now), Private: e.private}
}

// worthKV reports whether lists of this server can be in KV at all.
func (l *Lists) worthKV(t upstream.Target) bool {
	s := t.Record.ListCacheSeconds
	return s == nil || time.Duration(*s)*time.Second >= minKVLife
}

// stored is a page in KV.
type stored struct {
	Items   json.RawMessage `json:"items"`
	Next    *string         `json:"next,omitempty"`
	Until   time.Time       `json:"until"`
	Private bool            `json:"private,omitempty"`
}

func (l *Lists) load(ctx context.Context, t upstream.Target, method, k string, now time.Time) *entry {
	b, err := l.KV.Get(ctx, kvList+k)
	if err != nil {
		return nil
	}
	var s stored
	if json.Unmarshal(b, &s) != nil || !now.Before(s.Until) || s.Until.Sub(now) > l.Limits.MaxLife {
		return nil
	}
	items, err := rawjson.ParseArray(s.Items)
	if err != nil {
		return nil
	}
	if method == "tools/list" {
		items = l.Learn(t.Record, items)
	}
	return &entry{items: items, next: s.Next, until: s.Until, private: s.Private, size: len(b), used: now, seen: now}
}

func (l *Lists) store(ctx context.Context, t upstream.Target, method string, cursor *string, p *Page) {
	if p.TTL <= 0 || t.Record.ServerID == "" {
		return
	}
	k := key(t, method, cursor)
	now := time.Now()
	e := &entry{items: p.Items, next: p.Next, until: now.Add(p.TTL), private: p.Private, used: now}
	for _, i := range p.Items {
		e.size += len(i)
	}
	shared := cursor == nil && l.KV != nil && l.Background != nil && p.TTL >= minKVLife && len(kvList)+len(k) <= 512
	if shared {
		e.seen = now
	}
	l.cache.add(k, e, l.Limits)
	if !shared {
		return
	}
	l.Background(ctx, func(ctx context.Context) {
		b, err := json.Marshal(stored{rawjson.EncodeArray(e.items), e.next, e.until, e.private})
		if err == nil {
			err = l.KV.Put(ctx, kvList+k, b, p.TTL)
		}
		if err != nil {
			l.Log.WarnContext(ctx, "list not stored", "server_id", t.Record.ServerID, "error", err.Error())
		}
	})
}

// Invalidate forgets every page of a list: here those of every authorization context, in KV those that
// this instance knows of and the caller's. Other instances look into KV again within recheck.
func (l *Lists) Invalidate(ctx context.Context, t upstream.Target, method string) {
	p := prefix(t.Record, method)
	first := []string{key(t, method, nil)}
	l.cache.mu.Lock()
	for k := range l.cache.entries {
		if strings.HasPrefix(k, p) {
			l.cache.remove(k)
			if k != first[0] && !strings.Contains(k[len(p):], "/") {
				first = append(first, k)
			}
		}
	}
	l.cache.mu.Unlock()
	if l.KV == nil || l.Background == nil {
		return
	}
	l.Background(ctx, func(ctx context.Context) {
		for _, k := range first {
			if err := l.KV.Delete(ctx, kvList+k); err != nil {
				l.Log.WarnContext(ctx, "list not forgotten", "server_id", t.Record.ServerID, "error", err.Error())
			}
		}
	})
}

func (c *cache) add(k string, e *entry, limits Limits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.size > limits.MaxBytes/4 {
		return
	}
	c.remove(k)
	for len(c.entries) >= limits.MaxEntries || c.bytes+e.size > limits.MaxBytes {
		var oldest string
		var at time.Time
		for k, have := range c.entries {
			if oldest == "" || have.used.Before(at) {
				oldest, at = k, have.used
			}
		}
		c.remove(oldest)
	}
	c.entries[k] = e
	c.bytes += e.size
}

func (c *cache) remove(k string) {
	if e := c.entries[k]; e != nil {
		c.bytes -= e.size
		delete(c.entries, k)
	}
}
