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
	asked   time.Time // when the server was asked for it
	until   time.Time
	private bool
	size    int
	used    time.Time
	checked time.Time // when it was last known that the list has not changed since
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

// remembered answers a fresh page of this instance's memory, or nil.
func (l *Lists) remembered(t upstream.Target, method string, cursor *string) *Page {
	now := time.Now()
	e := l.cache.get(key(t, method, cursor), now)
	if e == nil || l.KV != nil && now.Sub(e.checked) >= recheck || !e.asked.After(l.changes.since(prefix(t.Record, method))) {
		return nil
	}
	return e.page(now)
}

// confirmed answers a fresh page, of this instance's memory or of KV, of which KV does not say that the
// list has changed since; or nil.
func (l *Lists) confirmed(ctx context.Context, t upstream.Target, method string, cursor *string) *Page {
	if l.KV == nil {
		return nil
	}
	k, list := key(t, method, cursor), prefix(t.Record, method)
	now := time.Now()
	e := l.cache.get(k, now)
	if e == nil && cursor == nil && l.worthKV(t) {
		e = l.load(ctx, t, method, k, now)
	}
	if e == nil || l.heardOf(ctx, list) != nil || !e.asked.After(l.changes.since(list)) {
		return nil
	}
	known := *e
	known.checked = now
	l.cache.add(k, &known, l.Limits)
	return known.page(now)
}

func (e *entry) page(now time.Time) *Page {
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
	Asked   time.Time       `json:"asked"`
	Until   time.Time       `json:"until"`
	Private bool            `json:"private,omitempty"`
}

func (l *Lists) load(ctx context.Context, t upstream.Target, method, k string, now time.Time) *entry {
	b, err := l.KV.Get(ctx, kvList+k)
	if err != nil {
		return nil
	}
	var s stored
	if json.Unmarshal(b, &s) != nil || !now.Before(s.Until) || s.Until.Sub(now) > longest {
		return nil
	}
	items, err := rawjson.ParseArray(s.Items)
	if err != nil {
		return nil
	}
	if method == "tools/list" {
		items = l.Learn(t.Record, items)
	}
	return &entry{items: items, next: s.Next, asked: s.Asked, until: s.Until, private: s.Private, size: len(b), used: now}
}

// store remembers a page for which the server was asked at this time, unless the list has changed since.
func (l *Lists) store(ctx context.Context, t upstream.Target, method string, cursor *string, p *Page, asked time.Time) {
	list := prefix(t.Record, method)
	if p.TTL <= 0 || t.Record.ServerID == "" || !asked.After(l.changes.since(list)) {
		return
	}
	k := key(t, method, cursor)
	now := time.Now()
	e := &entry{items: p.Items, next: p.Next, asked: asked, until: now.Add(p.TTL), private: p.Private, used: now, checked: asked}
	for _, i := range p.Items {
		e.size += len(i)
	}
	l.cache.add(k, e, l.Limits)
	if cursor != nil || l.KV == nil || l.Background == nil || p.TTL < minKVLife || len(kvList)+len(k) > 512 {
		return
	}
	l.Background(ctx, func(ctx context.Context) {
		b, err := json.Marshal(stored{rawjson.EncodeArray(e.items), e.next, e.asked, e.until, e.private})
		if err == nil {
			err = l.KV.Put(ctx, kvList+k, b, p.TTL)
		}
		if err != nil {
			l.Log.WarnContext(ctx, "list not stored", "server_id", t.Record.ServerID, "error", err.Error())
		}
	})
}

// get answers a page that is fresh, or nil.
func (c *cache) get(k string, now time.Time) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[k]
	if e != nil && !now.Before(e.until) {
		c.remove(k)
		return nil
	}
	if e != nil {
		e.used = now
	}
	return e
}

// forget drops every page of a list.
func (c *cache) forget(list string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.entries {
		if strings.HasPrefix(k, list) {
			c.remove(k)
		}
	}
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
