package registry_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
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
	all   []*registry.Record // of AllServers, in place of rec
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
	if o.all != nil {
		return slices.Clone(o.all), o.all[0].Version, nil
	}
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
	part := &registry.CatalogPart{Seq: seq}
	for _, r := range recs {
		require.NoError(t, registry.Publish(t.Context(), p.KV(platform.Config), r))
		b, err := registry.Encode(r)
		require.NoError(t, err)
		require.NoError(t, part.Add(r.ServerID, b))
	}
	require.NoError(t, registry.PublishCatalog(t.Context(), p.KV(platform.Config), part))
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

// inParts publishes these servers in parts that begin at these ids.
func inParts(t testing.TB, p *memory.Platform, seq int64, starts []string, recs ...*registry.Record) {
	t.Helper()
	kv := p.KV(platform.Config)
	var root []registry.CatalogPart
	for i, start := range starts {
		next := ""
		if i+1 < len(starts) {
			next = starts[i+1]
		}
		part := &registry.CatalogPart{Start: start, Next: next, Seq: seq}
		for _, r := range recs {
			if r.ServerID >= start && (next == "" || r.ServerID < next) {
				b, err := registry.Encode(r)
				require.NoError(t, err)
				require.NoError(t, part.Add(r.ServerID, b))
			}
		}
		require.NoError(t, registry.PublishPart(t.Context(), kv, part))
		root = append(root, registry.CatalogPart{Start: start, Seq: seq})
	}
	require.NoError(t, registry.PublishRoot(t.Context(), kv, root))
}

func named(id string, version int64) *registry.Record {
	r := &registry.Record{ServerID: id, ServerName: id, Slug: id, URL: "https://a.test/mcp", Transport: "http", AuthType: registry.AuthNone, Version: version}
	return r
}

func slugs(t *testing.T, s *registry.Cached) (out []string) {
	t.Helper()
	all, err := s.All(t.Context())
	require.NoError(t, err)
	for _, r := range all {
		out = append(out, r.Slug+strconv.FormatInt(r.Version, 10))
	}
	return out
}

// A reader sees the whole catalogue whichever of its values are older than others; where
// one is not there yet at all, the Directory answers.
func TestACatalogueInParts(t *testing.T) {
	before := []*registry.Record{named("a", 1), named("b", 1), named("c", 1), named("d", 1)}
	after := []*registry.Record{named("a", 2), named("b", 2), named("c", 2), named("d", 2), named("e", 2)}
	values := func(t *testing.T, starts []string, seq int64, recs []*registry.Record) map[string][]byte {
		p := memory.New(nil)
		inParts(t, p, seq, starts, recs...)
		keys, _, err := p.KV(platform.Config).List(t.Context(), "", 0, "")
		require.NoError(t, err)
		out := map[string][]byte{}
		for _, k := range keys {
			out[k], err = p.KV(platform.Config).Get(t.Context(), k)
			require.NoError(t, err)
		}
		return out
	}
	for name, starts := range map[string][2][]string{
		"the same parts":  {{"", "b", "d"}, {"", "b", "d"}},
		"one was split":   {{"", "b"}, {"", "b", "c", "d"}},
		"two were joined": {{"", "b", "c"}, {"", "b"}},
		"moved borders":   {{"", "b", "d"}, {"", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			older, newer := values(t, starts[0], 1, before), values(t, starts[1], 2, after)
			keys := slices.Sorted(maps.Keys(newer))
			for mask := range 1 << len(keys) {
				synctest.Test(t, func(t *testing.T) {
					p, o := memory.New(nil), &origin{all: after}
					kv := p.KV(platform.Config)
					show := func(values map[string][]byte) {
						for k, v := range values {
							require.NoError(t, kv.Put(t.Context(), k, v, 0))
						}
					}
					show(older)
					s := registry.NewSource(p, o)
					assert.Equal(t, []string{"a1", "b1", "c1", "d1"}, slugs(t, s))
					for i, k := range keys {
						if mask&(1<<i) != 0 {
							show(map[string][]byte{k: newer[k]})
						}
					}
					for _, r := range []*registry.Cached{s, registry.NewSource(p, o)} {
						time.Sleep(registry.StaleFor)
						got := slugs(t, r)
						for i, name := range []string{"a", "b", "c", "d"} {
							require.Greater(t, len(got), i)
							assert.True(t, strings.HasPrefix(got[i], name), "%v: each once", got)
						}
						assert.LessOrEqual(t, len(got), 5)
					}
					show(newer)
					o.asked.Store(0)
					time.Sleep(registry.StaleFor)
					assert.Equal(t, []string{"a2", "b2", "c2", "d2", "e2"}, slugs(t, s), "what was late is looked at again")
					assert.Zero(t, o.asked.Load(), "the Directory is not needed")
				})
			}
		})
	}
}

func TestAPartThatIsMissing(t *testing.T) {
	p, o := memory.New(nil), &origin{}
	inParts(t, p, 1, []string{"", "b"}, named("a", 1), named("b", 1))
	require.NoError(t, p.KV(platform.Config).Delete(t.Context(), registry.KVPart+"b"))
	o.rec.Store(version(9, "z"))
	assert.Equal(t, []string{"z9"}, slugs(t, registry.NewSource(p, o)), "the Directory answers")
}

// What one change costs a reader does not depend on how many servers there are.
func TestAChangeInOnePartIsReadAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, o := memory.New(nil), &origin{}
		var starts []string
		var recs []*registry.Record
		for i := range 100 {
			recs = append(recs, named(fmt.Sprintf("s%03d", i), 1))
			starts = append(starts, recs[i].ServerID)
		}
		starts[0] = ""
		inParts(t, p, 1, starts, recs...)
		s := registry.NewSource(p, o)
		require.Len(t, slugs(t, s), 100)
		var reads atomic.Int64
		p.Fault = func(op, _, _ string) error { reads.Add(1); return nil }
		time.Sleep(registry.StaleFor)
		require.Len(t, slugs(t, s), 100)
		assert.EqualValues(t, 1, reads.Load(), "the root")

		p.Fault = nil
		part := &registry.CatalogPart{Start: "s050", Next: "s051", Seq: 2}
		b, err := registry.Encode(named("s050", 2))
		require.NoError(t, err)
		require.NoError(t, part.Add("s050", b))
		require.NoError(t, registry.PublishPart(t.Context(), p.KV(platform.Config), part))
		root := []registry.CatalogPart{}
		for i, start := range starts {
			root = append(root, registry.CatalogPart{Start: start, Seq: 1})
			if i == 50 {
				root[i].Seq = 2
			}
		}
		require.NoError(t, registry.PublishRoot(t.Context(), p.KV(platform.Config), root))
		reads.Store(0)
		p.Fault = func(op, _, _ string) error { reads.Add(1); return nil }
		time.Sleep(registry.StaleFor)
		assert.Contains(t, slugs(t, s), "s0502")
		assert.EqualValues(t, 2, reads.Load(), "the root and the part")
	})
}

func FuzzCatalog(f *testing.F) {
	p := memory.New(nil)
	inParts(f, p, 1, []string{"", "b"}, named("a", 1), named("b", 1))
	value := func(key string) []byte {
		b, err := p.KV(platform.Config).Get(f.Context(), key)
		require.NoError(f, err)
		return b
	}
	f.Add(value("catalog"), value("catalog/-"), value("catalog/b"))
	f.Add([]byte("1 0\n"), []byte("1 0 b\n"), []byte("1 0 -\n"))
	f.Add([]byte("parts 1\n- 1\n"), []byte("1 0 b\n"), []byte("1 0 c\n"))
	f.Fuzz(func(t *testing.T, root, first, second []byte) {
		p, o := memory.New(nil), &origin{}
		for key, value := range map[string][]byte{"catalog": root, "catalog/-": first, "catalog/b": second} {
			require.NoError(t, p.KV(platform.Config).Put(t.Context(), key, value, 0))
		}
		o.rec.Store(version(9, "z"))
		all, err := registry.NewSource(p, o).All(t.Context())
		require.NoError(t, err, "a damaged catalogue is as good as none")
		for _, r := range all {
			require.NotEmpty(t, r.ServerID)
		}
	})
}
