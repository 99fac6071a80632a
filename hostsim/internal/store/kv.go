package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Entry is one KV entry. Expires is zero if it never does.
type Entry struct {
	Key      string
	Value    []byte
	Metadata string
	Expires  time.Time
}

// ErrCorrupt reports a record that this package did not write.
var ErrCorrupt = errors.New("store: corrupt record")

const kvHeader = 8 + 4

func encodeEntry(e Entry) []byte {
	b := make([]byte, 0, kvHeader+len(e.Metadata)+len(e.Value))
	b = binary.BigEndian.AppendUint64(b, uint64(unixMilli(e.Expires)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Metadata)))
	b = append(b, e.Metadata...)
	return append(b, e.Value...)
}

// decodeEntry's Value aliases b.
func decodeEntry(key string, b []byte) (Entry, error) {
	if len(b) < kvHeader {
		return Entry{}, fmt.Errorf("%w: kv %q", ErrCorrupt, key)
	}
	ms, n := int64(binary.BigEndian.Uint64(b)), uint64(binary.BigEndian.Uint32(b[8:]))
	if n > uint64(len(b)-kvHeader) {
		return Entry{}, fmt.Errorf("%w: kv %q", ErrCorrupt, key)
	}
	e := Entry{Key: key, Metadata: string(b[kvHeader : kvHeader+n]), Value: b[kvHeader+n:]}
	if ms != 0 {
		e.Expires = time.UnixMilli(ms)
	}
	return e, nil
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (s *Store) expired(e Entry) bool { return !e.Expires.IsZero() && !s.clock.Now().Before(e.Expires) }

// Get answers the entry; false if it does not exist or has expired.
func (s *Store) Get(namespace, key string) (e Entry, ok bool, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketKV).Bucket([]byte(namespace))
		if b == nil {
			return nil
		}
		raw := b.Get([]byte(key))
		if raw == nil {
			return nil
		}
		if e, err = decodeEntry(key, raw); err != nil {
			return err
		}
		e.Value = bytes.Clone(e.Value)
		if e.Value == nil {
			e.Value = []byte{}
		}
		ok = !s.expired(e)
		return nil
	})
	if err != nil || !ok {
		return Entry{}, false, err
	}
	return e, true, nil
}

// Put writes the entry; settle is told when it is durable.
func (s *Store) Put(namespace string, e Entry, settle func(error)) {
	s.enqueue(write{
		size: len(e.Value),
		apply: func(tx *bolt.Tx) error {
			b, err := tx.Bucket(bucketKV).CreateBucketIfNotExists([]byte(namespace))
			if err != nil {
				return err
			}
			if err := unindex(tx, b, namespace, e.Key); err != nil {
				return err
			}
			if !e.Expires.IsZero() {
				if err := tx.Bucket(bucketExpiry).Put(expiryKey(e.Expires, namespace, e.Key), nil); err != nil {
					return err
				}
			}
			return b.Put([]byte(e.Key), encodeEntry(e))
		},
		settle: settle,
	})
}

// Delete removes the key, if it exists.
func (s *Store) Delete(namespace, key string, settle func(error)) {
	s.enqueue(write{
		apply: func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketKV).Bucket([]byte(namespace))
			if b == nil {
				return nil
			}
			if err := unindex(tx, b, namespace, key); err != nil {
				return err
			}
			return b.Delete([]byte(key))
		},
		settle: settle,
	})
}

// unindex removes the expiry of a key that is about to be overwritten or deleted.
func unindex(tx *bolt.Tx, b *bolt.Bucket, namespace, key string) error {
	old := b.Get([]byte(key))
	if old == nil {
		return nil
	}
	e, err := decodeEntry(key, old)
	if err != nil || e.Expires.IsZero() {
		return nil
	}
	return tx.Bucket(bucketExpiry).Delete(expiryKey(e.Expires, namespace, key))
}

// List answers up to limit entries (without values) whose keys begin with prefix
// and lie behind the cursor, in byte order, and the cursor of the next page, ""
// after the last. A cursor is the last key of its page.
func (s *Store) List(namespace, prefix string, limit int, cursor string) (entries []Entry, next string, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketKV).Bucket([]byte(namespace))
		if b == nil {
			return nil
		}
		c := b.Cursor()
		k, v := c.Seek([]byte(max(prefix, cursor)))
		for ; k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
			if cursor != "" && string(k) <= cursor {
				continue
			}
			e, err := decodeEntry(string(k), v)
			if err != nil {
				return err
			}
			if s.expired(e) {
				continue
			}
			if len(entries) == limit {
				next = entries[limit-1].Key
				return nil
			}
			e.Value = nil
			entries = append(entries, e)
		}
		return nil
	})
	return entries, next, err
}

func expiryKey(at time.Time, namespace, key string) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(namespace)+1+len(key)), uint64(at.UnixMilli()))
	b = append(b, namespace...)
	b = append(b, 0)
	return append(b, key...)
}

// sweep deletes expired entries from the file. A failure leaves them for the next
// sweep: they are invisible all the same.
func (s *Store) sweep() {
	for more := true; more; {
		more = false
		err := s.db.Update(func(tx *bolt.Tx) error {
			index, kv := tx.Bucket(bucketExpiry), tx.Bucket(bucketKV)
			limit := binary.BigEndian.AppendUint64(nil, uint64(s.clock.Now().UnixMilli())+1)
			var due [][]byte
			c := index.Cursor()
			for k, _ := c.First(); k != nil && bytes.Compare(k, limit) < 0; k, _ = c.Next() {
				if len(due) == sweepLimit {
					more = true
					break
				}
				due = append(due, bytes.Clone(k))
			}
			for _, k := range due {
				namespace, key, ok := bytes.Cut(k[8:], []byte{0})
				if b := kv.Bucket(namespace); ok && b != nil {
					if err := b.Delete(key); err != nil {
						return err
					}
				}
				if err := index.Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return
		}
	}
}
