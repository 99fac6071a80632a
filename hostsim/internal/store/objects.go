package store

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
)

// StepKind is what a Step of a transaction does.
type StepKind uint8

const (
	Expect  StepKind = iota // the key must hold exactly this value
	Absent                  // the key must not exist
	Put                     // write the value
	Deleted                 // remove the key
)

// Step is one part of a transaction on an object's storage.
type Step struct {
	Kind  StepKind
	Key   string
	Value []byte
}

// Range selects keys of an object's storage, in byte order.
type Range struct {
	Prefix, Start, End string // Start is inclusive, End exclusive; "" is no bound
	Limit              int    // REQUIRED, positive
	Reverse            bool
}

// Pair is a key of an object's storage with its value.
type Pair struct {
	Key   string
	Value []byte
}

// ObjectGet answers the value of a key in the storage of object ("CLASS/NAME").
func (s *Store) ObjectGet(object, key string) (value []byte, ok bool, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket(bucketObjects).Bucket([]byte(object)); b != nil {
			if v := b.Get([]byte(key)); v != nil {
				value, ok = append([]byte{}, v...), true
			}
		}
		return nil
	})
	return value, ok, err
}

// ObjectList answers the pairs in the range.
func (s *Store) ObjectList(object string, r Range) (pairs []Pair, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketObjects).Bucket([]byte(object))
		if b == nil {
			return nil
		}
		in := func(k []byte) bool {
			return bytes.HasPrefix(k, []byte(r.Prefix)) && string(k) >= r.Start && (r.End == "" || string(k) < r.End)
		}
		c := b.Cursor()
		var k, v []byte
		step := c.Next
		if r.Reverse {
			step = c.Prev
			k, v = seekLast(c, r)
		} else {
			k, v = c.Seek([]byte(max(r.Prefix, r.Start)))
		}
		for ; k != nil && in(k) && len(pairs) < r.Limit; k, v = step() {
			pairs = append(pairs, Pair{string(k), bytes.Clone(v)})
		}
		return nil
	})
	return pairs, err
}

// seekLast moves to the greatest key below r's upper bound.
func seekLast(c *bolt.Cursor, r Range) (k, v []byte) {
	bound := r.End
	if after := successor(r.Prefix); after != "" && (bound == "" || after < bound) {
		bound = after
	}
	if bound == "" {
		return c.Last()
	}
	if k, _ = c.Seek([]byte(bound)); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// successor is the least string greater than every string that begins with
// prefix; "" if there is none.
func successor(prefix string) string {
	b := []byte(prefix)
	for len(b) > 0 && b[len(b)-1] == 0xff {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return ""
	}
	b[len(b)-1]++
	return string(b)
}

// ObjectTransact does all steps or, if an expectation fails, none. settle is told
// whether they were done, and how many of the deleted keys existed, once they are
// durable.
func (s *Store) ObjectTransact(object string, steps []Step, settle func(done bool, deleted int, err error)) {
	var done bool
	var deleted, size int
	for _, st := range steps {
		size += len(st.Value)
	}
	s.enqueue(write{
		size: size,
		apply: func(tx *bolt.Tx) (err error) {
			done, deleted, err = transact(tx, object, steps)
			return err
		},
		settle: func(err error) { settle(done && err == nil, deleted, err) },
	})
}

func transact(tx *bolt.Tx, object string, steps []Step) (done bool, deleted int, err error) {
	objects := tx.Bucket(bucketObjects)
	b := objects.Bucket([]byte(object))
	get := func(key string) []byte {
		if b == nil {
			return nil
		}
		return b.Get([]byte(key))
	}
	for _, st := range steps {
		v := get(st.Key)
		switch st.Kind {
		case Expect:
			if v == nil || !bytes.Equal(v, st.Value) {
				return false, 0, nil
			}
		case Absent:
			if v != nil {
				return false, 0, nil
			}
		}
	}
	for _, st := range steps {
		switch st.Kind {
		case Put:
			if b == nil {
				if b, err = objects.CreateBucketIfNotExists([]byte(object)); err != nil {
					return false, 0, err
				}
			}
			value := st.Value
			if value == nil { // bbolt answers nil for it within the transaction: absent
				value = []byte{}
			}
			if err := b.Put([]byte(st.Key), value); err != nil {
				return false, 0, err
			}
		case Deleted:
			if get(st.Key) == nil {
				continue
			}
			deleted++
			if err := b.Delete([]byte(st.Key)); err != nil {
				return false, 0, err
			}
		}
	}
	return true, deleted, nil
}
