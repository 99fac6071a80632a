package store

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/grantway/grantway/hostsim/internal/clock"
)

// TestSweepEmptiesTheFile: expired entries leave the file, and only those.
func TestSweepEmptiesTheFile(t *testing.T) {
	c := clock.New()
	s, err := Open(filepath.Join(t.TempDir(), "test.db"), Options{Clock: c, Volatile: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	const n = sweepLimit + 100
	done := make(chan error, n+2)
	settle := func(err error) { done <- err }
	for i := range n {
		s.Put("N", Entry{Key: fmt.Sprint(i), Expires: c.Now().Add(time.Minute)}, settle)
	}
	s.Put("N", Entry{Key: "0", Expires: c.Now().Add(time.Hour)}, settle) // renewed
	s.Put("N", Entry{Key: "for ever"}, settle)
	for range n + 2 {
		require.NoError(t, <-done)
	}
	c.Advance(2 * time.Minute)
	s.sweep()
	require.NoError(t, s.db.View(func(tx *bolt.Tx) error {
		require.Equal(t, 2, tx.Bucket(bucketKV).Bucket([]byte("N")).Stats().KeyN)
		require.Equal(t, 1, tx.Bucket(bucketExpiry).Stats().KeyN)
		return nil
	}))
}

// BenchmarkPut shows that concurrent writers share commits.
func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, err := Open(filepath.Join(b.TempDir(), "test.db"), Options{Clock: clock.New()})
			require.NoError(b, err)
			defer func() { require.NoError(b, s.Close()) }()
			b.SetParallelism(writers)
			b.RunParallel(func(pb *testing.PB) {
				done := make(chan error, 1)
				for i := 0; pb.Next(); i++ {
					s.Put("N", Entry{Key: fmt.Sprint(i % 1000), Value: make([]byte, 512)}, func(err error) { done <- err })
					if err := <-done; err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
