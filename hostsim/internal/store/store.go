// Package store keeps KV namespaces and the durable storage of objects in one
// bbolt file. A write is acknowledged only after it has been synced to disk, so
// acknowledged writes survive kill -9 and power loss. Writes of all callers that
// arrive while one commit is under way share the next one.
//
// Layout of the file (all numbers big endian):
//
//	kv/NAMESPACE/KEY           → expiry (i64 Unix ms, 0: never), length of metadata (u32), metadata, value
//	expiry/TIME NAMESPACE 0 KEY → nothing; TIME is the expiry (u64): what the sweeper looks through
//	objects/CLASS/NAME/KEY     → value; CLASS/NAME is one bucket
package store

import (
	"errors"
	"fmt"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/grantway/grantway/hostsim/internal/clock"
)

var (
	bucketKV      = []byte("kv")
	bucketExpiry  = []byte("expiry")
	bucketObjects = []byte("objects")
)

const (
	// maxBatch is the most writes that share one commit.
	maxBatch = 1024
	// maxBatchBytes is the most value bytes, roughly, that share one commit.
	maxBatchBytes = 32 << 20
	// sweepEvery is how often expired KV entries are deleted from the file. They are
	// invisible from the moment they expire.
	sweepEvery = time.Minute
	// sweepLimit is the most entries deleted in one commit.
	sweepLimit = 1000
	// mapSize is the initial size of the memory map; growing it stops all readers.
	mapSize = 64 << 20
)

// ErrClosed reports a write after Close.
var ErrClosed = errors.New("store: closed")

// Options of Open.
type Options struct {
	// Clock REQUIRED: decides what has expired.
	Clock *clock.Clock
	// Volatile leaves out the syncs: for stores that are deleted on exit.
	Volatile bool
}

// Store is safe for concurrent use.
type Store struct {
	db    *bolt.DB
	clock *clock.Clock

	mu     sync.Mutex
	queue  []write
	closed bool
	wake   chan struct{}
	done   chan struct{}
}

// write is one caller's change. apply runs in a transaction shared with others, and
// possibly once more in one of its own. settle is told after the commit.
type write struct {
	size   int
	apply  func(tx *bolt.Tx) error
	settle func(error)
}

// Open opens or creates the file. Only one process can hold it; another one waits
// for it up to five seconds.
func Open(path string, o Options) (*Store, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout:         5 * time.Second,
		InitialMmapSize: mapSize,
		FreelistType:    bolt.FreelistMapType,
		NoFreelistSync:  true,
		NoSync:          o.Volatile,
	})
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketKV, bucketExpiry, bucketObjects} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: prepare %s: %w", path, err), db.Close())
	}
	s := &Store{db: db, clock: o.Clock, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.commitLoop()
	return s, nil
}

// Close commits what waits and closes the file.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.signal()
	<-s.done
	return s.db.Close()
}

func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// enqueue hands a write to the committer. settle is always called, once, on
// another goroutine or, if the store is closed, on this one.
func (s *Store) enqueue(w write) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		w.settle(ErrClosed)
		return
	}
	s.queue = append(s.queue, w)
	s.mu.Unlock()
	s.signal()
}

func (s *Store) commitLoop() {
	defer close(s.done)
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		batch, closed := s.nextBatch()
		switch {
		case len(batch) > 0:
			s.commit(batch)
		case closed:
			return
		default:
			select {
			case <-s.wake:
			case <-sweep.C:
				s.sweep()
			}
		}
	}
}

func (s *Store) nextBatch() (batch []write, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := 0, 0
	for n < len(s.queue) && n < maxBatch && size < maxBatchBytes {
		size += s.queue[n].size
		n++
	}
	if n == len(s.queue) {
		batch, s.queue = s.queue, nil
	} else {
		batch, s.queue = s.queue[:n:n], s.queue[n:]
	}
	return batch, s.closed
}

// commit does all writes in one transaction. If one fails, none is kept, and each is
// done again in a transaction of its own, so that no caller suffers another's
// failure or half of its own change stays.
func (s *Store) commit(batch []write) {
	err := s.db.Update(func(tx *bolt.Tx) error {
		for _, w := range batch {
			if err := w.apply(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || len(batch) == 1 {
		for _, w := range batch {
			w.settle(err)
		}
		return
	}
	for _, w := range batch {
		w.settle(s.db.Update(w.apply))
	}
}
