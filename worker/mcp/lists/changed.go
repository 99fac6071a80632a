package lists

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
)

const (
	// kvChanged begins the keys of KV CONFIG that say when a list last changed: what a server was
	// asked for before is not believed, whoever asked, and however late it was stored.
	kvChanged = "list-changed/"
	// recheck is for how long a page is believed without a look into KV: another instance may have heard
	// that the list has changed.
	recheck = 30 * time.Second
	// tellPause is between two writes of one key: KV takes one a second.
	tellPause = time.Second
	// maxChanged bounds the changes in memory, in lists.
	maxChanged = 4096
	// longest is the longest life that a setting or a record gives a list.
	longest = 24 * time.Hour
)

// changes is when lists last changed, by prefix. Its times put in order what this instance asks and
// hears, also where the host's clock stands still between the two.
type changes struct {
	mu      sync.Mutex
	last    time.Time // that was given out
	at      map[string]time.Time
	floor   time.Time       // of every list: what was in at before is not known any more
	telling map[string]bool // lists whose change is being written to KV
}

// now answers a time after every one that was answered before.
func (c *changes) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tick()
}

func (c *changes) tick() time.Time {
	if now := time.Now().Round(0); now.After(c.last) {
		c.last = now
	} else {
		c.last = c.last.Add(1)
	}
	return c.last
}

// since answers when the list last changed.
func (c *changes) since(list string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sinceLocked(list)
}

func (c *changes) sinceLocked(list string) time.Time {
	if at := c.at[list]; at.After(c.floor) {
		return at
	}
	return c.floor
}

// note takes note of a change.
func (c *changes) note(list string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !at.After(c.sinceLocked(list)) {
		return
	}
	if _, have := c.at[list]; !have && len(c.at) >= maxChanged {
		clear(c.at)
		c.floor = c.tick()
	}
	c.at[list] = at
}

// tells reports whether the caller has to tell KV of a change, because nobody does yet.
func (c *changes) tells(list string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.telling[list] {
		return false
	}
	c.telling[list] = true
	return true
}

// told ends that, unless the list has changed again since.
func (c *changes) told(list string, at time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sinceLocked(list).After(at) {
		return false
	}
	delete(c.telling, list)
	return true
}

// Invalidate forgets every page of a list, of every authorization context. What was asked for before is not
// served again by this instance, and by others not after their next look into KV.
func (l *Lists) Invalidate(ctx context.Context, t upstream.Target, method string) {
	if t.Record.ServerID == "" {
		return
	}
	list := prefix(t.Record, method)
	l.changes.note(list, l.changes.now())
	l.cache.forget(list)
	if l.KV != nil && l.Background != nil && l.changes.tells(list) {
		l.Background(ctx, func(ctx context.Context) { l.tell(ctx, t.Record, list) })
	}
}

// tell writes into KV when the list last changed.
func (l *Lists) tell(ctx context.Context, rec *registry.Record, list string) {
	for {
		at := l.changes.since(list)
		if err := l.KV.Put(ctx, kvChanged+strings.TrimSuffix(list, "/"), at.AppendFormat(nil, time.RFC3339Nano), longest); err != nil {
			l.Log.WarnContext(ctx, "change of a list not told to other instances", "server_id", rec.ServerID, "error", err.Error())
		}
		time.Sleep(tellPause)
		if l.changes.told(list, at) {
			return
		}
	}
}

// heardOf learns from KV when the list last changed. An error says that it cannot be known now.
func (l *Lists) heardOf(ctx context.Context, list string) error {
	b, err := l.KV.Get(ctx, kvChanged+strings.TrimSuffix(list, "/"))
	if errors.Is(err, platform.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339Nano, string(b))
	if err == nil {
		l.changes.note(list, at)
	}
	return err
}
