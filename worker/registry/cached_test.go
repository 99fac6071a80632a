package registry_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/registry"
)

// origin is a Directory of one record that counts how often it is asked.
type origin struct {
	rec   atomic.Pointer[registry.Record]
	asked atomic.Int64
	err   error
}

func (o *origin) FindServer(_ context.Context, ref string) (*registry.Record, error) {
	o.asked.Add(1)
	if o.err != nil {
		return nil, o.err
	}
	if r := o.rec.Load(); r != nil && (r.Slug == ref || r.ServerID == ref) {
		return r, nil
	}
	return nil, registry.ErrNotFound
}

func (o *origin) AllServers(context.Context) ([]*registry.Record, int64, error) {
	o.asked.Add(1)
	if r := o.rec.Load(); r != nil {
		return []*registry.Record{r}, r.Version, o.err
	}
	return nil, 0, o.err
}

func version(n int64, slug string) *registry.Record {
	return &registry.Record{ServerID: "id-1", ServerName: "Name", Slug: slug, URL: "https://a.test/mcp", Transport: "http", AuthType: registry.AuthNone, Version: n}
}

func publish(t *testing.T, p *memory.Platform, seq int64, recs ...*registry.Record) {
	t.Helper()
	var lines []registry.CatalogLine
	for _, r := range recs {
		require.NoError(t, registry.Publish(t.Context(), p.KV(platform.Config), r))
		b, err := registry.Encode(r)
		require.NoError(t, err)
		lines = append(lines, registry.CatalogLine{ServerID: r.ServerID, Version: r.Version, Stored: b})
	}
	require.NoError(t, registry.PublishCatalog(t.Context(), p.KV(platform.Config), registry.EncodeCatalog(seq, lines)))
}

func TestHotLookupsAskNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, o := memory.New(nil), &origin{}
		var reads atomic.Int64
		p.Fault = func(string, string, string) error { reads.Add(1); return nil }
		publish(t, p, 1, version(1, "a"))
		s := registry.NewSource(p, o)
		reads.Store(0)
		for range 1000 {
			rec, err := s.Lookup(t.Context(), "A")
			require.NoError(t, err)
			assert.EqualValues(t, 1, rec.Version)
		}
		assert.EqualValues(t, 1, reads.Load(), "KV")
		assert.Zero(t, o.asked.Load(), "the Directory is not needed while KV has the record")
	})
}

func TestAnEditElsewhereArrivesWithinTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, o := memory.New(nil), &origin{}
		publish(t, p, 1, version(1, "a"))
		s := registry.NewSource(p, o)
		_, err := s.Lookup(t.Context(), "a")
		require.NoError(t, err)
		_, err = s.All(t.Context())
		require.NoError(t, err)
		publish(t, p, 2, version(2, "a"))
		time.Sleep(registry.StaleFor)
		rec, err := s.Lookup(t.Context(), "a")
		require.NoError(t, err)
		assert.EqualValues(t, 2, rec.Version)
		all, err := s.All(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 2, all[0].Version)
	})
}

// TestAKVThatLags answers for a minute what was there before an edit that this
// instance has made itself.
func TestAKVThatLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, o := memory.New(nil), &origin{}
		old := version(1, "a")
		publish(t, p, 1, old)
		s := registry.NewSource(p, o)
		for _, ref := range []string{"a", "id-1"} {
			_, err := s.Lookup(t.Context(), ref)
			require.NoError(t, err)
		}
		_, err := s.All(t.Context())
		require.NoError(t, err)
		s.Edited(old, version(2, "b"), 2)
		for at := time.Duration(0); at <= time.Minute; at += 4 * time.Second {
			rec, err := s.Lookup(t.Context(), "id-1")
			require.NoError(t, err)
			assert.EqualValues(t, 2, rec.Version, "after %s", at)
			_, err = s.Lookup(t.Context(), "a")
			assert.ErrorIs(t, err, registry.ErrNotFound, "the old slug, after %s", at)
			all, err := s.All(t.Context())
			require.NoError(t, err)
			require.Len(t, all, 1)
			assert.Equal(t, "b", all[0].Slug, "after %s", at)
			time.Sleep(4 * time.Second)
		}
		s.Edited(version(2, "b"), nil, 3)
		for range 10 {
			_, err := s.Lookup(t.Context(), "id-1")
			assert.ErrorIs(t, err, registry.ErrNotFound, "deleted, whatever KV says")
			all, err := s.All(t.Context())
			require.NoError(t, err)
			assert.Empty(t, all)
			time.Sleep(4 * time.Second)
		}
	})
}

func TestUnknownServersAreAskedForOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, o := memory.New(nil), &origin{}
		s := registry.NewSource(p, o)
		for range 100 {
			_, err := s.Lookup(t.Context(), "nobody")
			assert.ErrorIs(t, err, registry.ErrNotFound)
		}
		assert.EqualValues(t, 1, o.asked.Load())
		o.rec.Store(version(1, "nobody"))
		time.Sleep(registry.AbsentFor)
		rec, err := s.Lookup(t.Context(), "nobody")
		require.NoError(t, err, "made meanwhile, and not yet in KV")
		assert.EqualValues(t, 1, rec.Version)
		for _, ref := range []string{"", "a\nb", string(make([]byte, 300))} {
			_, err := s.Lookup(t.Context(), ref)
			assert.ErrorIs(t, err, registry.ErrNotFound)
		}
	})
}

func TestStoresThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, o := memory.New(nil), &origin{}
		down := &platform.Error{Op: "kv.get", Code: platform.CodeInternal, Message: "down"}
		p.Fault = func(op, _, _ string) error {
			if op == "kv.get" {
				return down
			}
			return nil
		}
		o.rec.Store(version(1, "a"))
		s := registry.NewSource(p, o)
		rec, err := s.Lookup(t.Context(), "a")
		require.NoError(t, err, "without KV the Directory answers")
		assert.EqualValues(t, 1, rec.Version)

		o.err = errors.New("down too")
		time.Sleep(registry.FreshFor)
		_, err = s.Lookup(t.Context(), "a")
		assert.NoError(t, err, "a stale record outlives a failed look")
		time.Sleep(registry.StaleFor)
		_, err = s.Lookup(t.Context(), "a")
		assert.Error(t, err)
		assert.NotErrorIs(t, err, registry.ErrNotFound, "an outage is no absence")
	})
}

func FuzzCatalog(f *testing.F) {
	b, err := registry.Encode(version(1, "a"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(registry.EncodeCatalog(1, []registry.CatalogLine{{ServerID: "id-1", Version: 1, Stored: b}}))
	f.Add([]byte("1 0\n"))
	f.Fuzz(func(t *testing.T, catalog []byte) {
		p, o := memory.New(nil), &origin{}
		require.NoError(t, registry.PublishCatalog(t.Context(), p.KV(platform.Config), catalog))
		o.rec.Store(version(9, "z"))
		all, err := registry.NewSource(p, o).All(t.Context())
		require.NoError(t, err, "a damaged catalogue is as good as none")
		for _, r := range all {
			require.NotEmpty(t, r.ServerID)
		}
	})
}
