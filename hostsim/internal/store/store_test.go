package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/grantway/grantway/hostsim/internal/clock"
	"github.com/grantway/grantway/hostsim/internal/store"
)

func open(t *testing.T, c *clock.Clock) *store.Store {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "test.db"), store.Options{Clock: c})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func put(t *testing.T, s *store.Store, namespace string, e store.Entry) {
	t.Helper()
	done := make(chan error, 1)
	s.Put(namespace, e, func(err error) { done <- err })
	require.NoError(t, <-done)
}

func transact(t *testing.T, s *store.Store, object string, steps ...store.Step) bool {
	t.Helper()
	type result struct {
		done bool
		err  error
	}
	results := make(chan result, 1)
	s.ObjectTransact(object, steps, func(done bool, _ int, err error) { results <- result{done, err} })
	r := <-results
	require.NoError(t, r.err)
	return r.done
}

func TestEntriesExpire(t *testing.T) {
	c := clock.New()
	s := open(t, c)
	put(t, s, "N", store.Entry{Key: "short", Value: []byte("v"), Expires: c.Now().Add(time.Minute)})
	put(t, s, "N", store.Entry{Key: "renewed", Expires: c.Now().Add(time.Minute)})
	put(t, s, "N", store.Entry{Key: "renewed", Value: []byte("w")})
	put(t, s, "N", store.Entry{Key: "long"})
	_, ok, err := s.Get("N", "short")
	require.NoError(t, err)
	require.True(t, ok)

	c.Advance(time.Minute + time.Millisecond)
	_, ok, err = s.Get("N", "short")
	require.NoError(t, err)
	require.False(t, ok)
	list, next, err := s.List("N", "", 10, "")
	require.NoError(t, err)
	require.Empty(t, next)
	require.Len(t, list, 2)
	require.Equal(t, "long", list[0].Key)
	require.Equal(t, "renewed", list[1].Key)
}

func TestPagesAreComplete(t *testing.T) {
	c := clock.New()
	s := open(t, c)
	want := []string{}
	for i := range 25 {
		key := fmt.Sprintf("p%02d", i)
		put(t, s, "N", store.Entry{Key: key, Expires: c.Now().Add(time.Duration(1+i%2) * time.Hour)})
		if i%2 == 1 {
			want = append(want, key)
		}
	}
	put(t, s, "N", store.Entry{Key: "q"})
	c.Advance(90 * time.Minute) // every other key is gone
	for limit := 1; limit < 14; limit++ {
		var got []string
		for cursor := ""; ; {
			page, next, err := s.List("N", "p", limit, cursor)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page), limit)
			for _, e := range page {
				got = append(got, e.Key)
			}
			if next == "" {
				break
			}
			cursor = next
		}
		require.Equal(t, want, got, "limit %d", limit)
	}
}

func TestObjectRanges(t *testing.T) {
	s := open(t, clock.New())
	for _, key := range []string{"a", "b1", "b2", "b3", "b\xff", "c"} {
		require.True(t, transact(t, s, "O", store.Step{Kind: store.Put, Key: key, Value: []byte(key)}))
	}
	for _, tc := range []struct {
		name string
		r    store.Range
		want string
	}{
		{"all", store.Range{Limit: 10}, "a b1 b2 b3 b\xff c"},
		{"all, reverse", store.Range{Limit: 10, Reverse: true}, "c b\xff b3 b2 b1 a"},
		{"prefix", store.Range{Prefix: "b", Limit: 10}, "b1 b2 b3 b\xff"},
		{"prefix, reverse", store.Range{Prefix: "b", Limit: 2, Reverse: true}, "b\xff b3"},
		{"prefix that has no successor", store.Range{Prefix: "\xff", Limit: 2, Reverse: true}, ""},
		{"bounds", store.Range{Start: "b1", End: "b3", Limit: 10}, "b1 b2"},
		{"bounds, reverse", store.Range{Start: "b1", End: "b3", Limit: 10, Reverse: true}, "b2 b1"},
		{"end behind the last", store.Range{End: "z", Limit: 1, Reverse: true}, "c"},
		{"prefix and end", store.Range{Prefix: "b", End: "b2", Limit: 10, Reverse: true}, "b1"},
		{"start above the prefix", store.Range{Prefix: "b", Start: "c", Limit: 10}, ""},
		{"limit", store.Range{Limit: 2}, "a b1"},
	} {
		pairs, err := s.ObjectList("O", tc.r)
		require.NoError(t, err)
		var keys []string
		for _, p := range pairs {
			keys = append(keys, p.Key)
			assert.Equal(t, p.Key, string(p.Value))
		}
		assert.Equal(t, tc.want, strings.Join(keys, " "), tc.name)
	}
}

func TestTransactionsAreAtomic(t *testing.T) {
	s := open(t, clock.New())
	var all sync.WaitGroup
	wins := make(chan int, 64)
	for i := range 64 {
		all.Go(func() {
			if transact(t, s, "O", store.Step{Kind: store.Absent, Key: "lock"}, store.Step{Kind: store.Put, Key: "lock"}) {
				wins <- i
			}
		})
	}
	all.Wait()
	require.Len(t, wins, 1)
	require.False(t, transact(t, s, "O", store.Step{Kind: store.Put, Key: "other"}, store.Step{Kind: store.Expect, Key: "lock", Value: []byte("x")}))
	_, ok, err := s.ObjectGet("O", "other")
	require.NoError(t, err)
	require.False(t, ok)
}

// TestOneBadWriteSpoilsNoOther: bbolt refuses a key above 32 KiB; the writes that
// share its commit are done all the same.
func TestOneBadWriteSpoilsNoOther(t *testing.T) {
	s := open(t, clock.New())
	results := make(chan error, 20)
	for i := range 20 {
		key := fmt.Sprint(i)
		if i == 7 {
			key = strings.Repeat("k", 40_000)
		}
		s.Put("N", store.Entry{Key: key}, func(err error) { results <- err })
	}
	failed := 0
	for range 20 {
		if err := <-results; err != nil {
			failed++
		}
	}
	require.Equal(t, 1, failed)
	list, _, err := s.List("N", "", 100, "")
	require.NoError(t, err)
	require.Len(t, list, 19)
}

func TestCloseCommitsWhatWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s, err := store.Open(path, store.Options{Clock: clock.New()})
	require.NoError(t, err)
	results := make(chan error, 100)
	for i := range 100 {
		s.Put("N", store.Entry{Key: fmt.Sprint(i)}, func(err error) { results <- err })
	}
	require.NoError(t, s.Close())
	for range 100 {
		require.NoError(t, <-results)
	}
	s.Put("N", store.Entry{Key: "late"}, func(err error) { results <- err })
	require.ErrorIs(t, <-results, store.ErrClosed)
	require.NoError(t, s.Close())

	s, err = store.Open(path, store.Options{Clock: clock.New()})
	require.NoError(t, err)
	list, _, err := s.List("N", "", 1000, "")
	require.NoError(t, err)
	require.Len(t, list, 100)
	require.NoError(t, s.Close())
}

func TestForeignRecordsAreReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s, err := store.Open(path, store.Options{Clock: clock.New()})
	require.NoError(t, err)
	put(t, s, "N", store.Entry{Key: "k"})
	require.NoError(t, s.Close())
	db, err := bolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("kv")).Bucket([]byte("N")).Put([]byte("bad"), []byte("x"))
	}))
	require.NoError(t, db.Close())
	s, err = store.Open(path, store.Options{Clock: clock.New()})
	require.NoError(t, err)
	_, _, err = s.Get("N", "bad")
	require.ErrorIs(t, err, store.ErrCorrupt)
	put(t, s, "N", store.Entry{Key: "bad", Value: []byte("mended")})
	e, ok, err := s.Get("N", "bad")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "mended", string(e.Value))
	require.NoError(t, s.Close())
}

func TestFileThatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("not a database ", 10_000)), 0o600))
	_, err := store.Open(path, store.Options{Clock: clock.New()})
	require.Error(t, err)
}
