package directory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
)

// catalog remembers of every server what lists are filtered and sorted by, about
// 300 bytes each, so that a page of a list reads only its own records.
type catalog struct {
	mu      sync.Mutex
	loaded  bool
	seq     int64
	servers map[string]*summary
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

// snapshot answers the summaries of all servers as of now.
func (c *catalog) snapshot(ctx context.Context, st platform.Storage) ([]*summary, int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seq, _, err := readSeq(ctx, st)
	if err != nil {
		return nil, 0, err
	}
	if !c.loaded || c.seq != seq {
		servers := map[string]*summary{}
		err := scan(ctx, st, keyServer, 500, func(_ string, value []byte) error {
			r, err := registry.Decode(value)
			if err != nil {
				return err
			}
			servers[r.ServerID] = summarise(r)
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		c.servers, c.seq, c.loaded = servers, seq, true
	}
	return slices.Collect(maps.Values(c.servers)), seq, nil
}

// applied brings a change of this instance into the cache, if the cache was
// exactly one change behind it; else the next snapshot reads everything.
func (c *catalog) applied(seq int64, written []*registry.Record, deleted []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.loaded || c.seq != seq-1 {
		c.loaded = false
		return
	}
	for _, r := range written {
		c.servers[r.ServerID] = summarise(r)
	}
	for _, id := range deleted {
		delete(c.servers, id)
	}
	c.seq = seq
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
