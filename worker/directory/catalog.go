package directory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
)

// catalog remembers of every server and key what lists are filtered and sorted
// by, about 300 bytes each, so that a page of a list reads only its own records.
type catalog struct {
	mu      sync.Mutex
	servers shelf[*summary]
	keys    shelf[*keySummary]
}

// shelf is one kind of record as of a sequence number.
type shelf[T any] struct {
	loaded bool
	seq    int64
	byID   map[string]T
}

type summary struct {
	ID, Slug, Name, Alias, URL, AuthType, Flow, Description string
	Groups                                                  []string
	Disabled                                                bool
	Created, Updated                                        time.Time
	Version                                                 int64
}

func summarise(r *registry.Record) *summary {
	return &summary{
		ID: r.ServerID, Slug: r.Slug, Name: r.ServerName, Alias: r.Alias, URL: r.URL, AuthType: string(r.AuthType),
		Flow: string(r.OAuth2Flow), Description: r.Description, Groups: r.Groups, Disabled: r.Disabled,
		Created: r.CreatedAt, Updated: r.UpdatedAt, Version: r.Version,
	}
}

// list answers everything on the shelf as of now.
func (s *shelf[T]) list(ctx context.Context, st platform.Storage, prefix string, decode func(value []byte) (string, T, error)) ([]T, error) {
	seq, err := readSeq(ctx, st)
	if err != nil {
		return nil, err
	}
	if !s.loaded || s.seq != seq {
		byID := map[string]T{}
		err := scan(ctx, st, prefix, 500, func(_ string, value []byte) error {
			id, v, err := decode(value)
			byID[id] = v
			return err
		})
		if err != nil {
			return nil, err
		}
		s.byID, s.seq, s.loaded = byID, seq, true
	}
	return slices.Collect(maps.Values(s.byID)), nil
}

func (c *catalog) listServers(ctx context.Context, st platform.Storage) ([]*summary, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.servers.list(ctx, st, keyServer, func(value []byte) (string, *summary, error) {
		r, err := registry.Decode(value)
		if err != nil {
			return "", nil, err
		}
		return r.ServerID, summarise(r), nil
	})
}

// change is what one transaction did.
type change struct {
	written     []*registry.Record
	deleted     []string
	keysWritten []*access.Key
	keysDeleted []string
}

// applied brings a change of this instance into the shelves that were exactly one
// change behind it; the others read everything at their next list.
func (c *catalog) applied(seq int64, ch change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.servers.follows(seq) {
		for _, r := range ch.written {
			c.servers.byID[r.ServerID] = summarise(r)
		}
		for _, id := range ch.deleted {
			delete(c.servers.byID, id)
		}
	}
	if c.keys.follows(seq) {
		for _, k := range ch.keysWritten {
			c.keys.byID[k.ID] = summariseKey(k)
		}
		for _, id := range ch.keysDeleted {
			delete(c.keys.byID, id)
		}
	}
}

func (s *shelf[T]) follows(seq int64) bool {
	if !s.loaded || s.seq != seq-1 {
		s.loaded = false
		return false
	}
	s.seq = seq
	return true
}

// compare orders summaries by a field; equal ones by id, so that a page is stable.
func compare(field string) func(a, b *summary) int {
	by := map[string]func(a, b *summary) int{
		"slug":        func(a, b *summary) int { return strings.Compare(a.Slug, b.Slug) },
		"server_name": func(a, b *summary) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) },
		"created_at":  func(a, b *summary) int { return a.Created.Compare(b.Created) },
		"updated_at":  func(a, b *summary) int { return a.Updated.Compare(b.Updated) },
	}[strings.TrimPrefix(field, "-")]
	if by == nil {
		return nil
	}
	sign := 1
	if strings.HasPrefix(field, "-") {
		sign = -1
	}
	return func(a, b *summary) int { return cmp.Or(sign*by(a, b), strings.Compare(a.ID, b.ID)) }
}

func (s *summary) matches(q ServerQuery) bool {
	if q.AuthType != "" && s.AuthType != q.AuthType || q.Flow != "" && s.Flow != q.Flow ||
		q.Group != "" && !slices.Contains(s.Groups, q.Group) || q.Disabled != nil && s.Disabled != *q.Disabled {
		return false
	}
	if q.Text == "" {
		return true
	}
	text := strings.ToLower(q.Text)
	for _, f := range [...]string{s.Slug, s.Name, s.Alias, s.URL, s.Description, s.ID} {
		if strings.Contains(strings.ToLower(f), text) {
			return true
		}
	}
	return false
}
