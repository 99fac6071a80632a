package instance

import (
	"strconv"
	"strings"
	"time"

	"github.com/grantway/grantway/hostsim/internal/store"
	"github.com/grantway/grantway/wasm/abi"
)

// kvKey checks the namespace and key of a KV operation; false if it has failed.
func (in *Instance) kvKey(id int32, namespace, key string) bool {
	switch {
	case !in.Namespaces[namespace]:
		in.failLocal(id, abi.ErrNotFound, "no such namespace")
	case key == "" || !clean(key) || key == "." || key == "..":
		in.failLocal(id, abi.ErrInvalid, "key")
	case len(key) > abi.MaxKVKey:
		in.failLocal(id, abi.ErrLimit, "key above 512 bytes")
	default:
		return true
	}
	return false
}

// opKVGet answers the value of a key.
//
//   - meta: namespace, key
//   - reply: n = 1, body = value, meta = metadata JSON or empty; n = 0 if absent or expired
func (in *Instance) opKVGet(_ *call, p params) {
	namespace, key := line(&p.meta), p.meta
	if !in.kvKey(p.call, namespace, key) {
		return
	}
	in.faulted(p.call, "kv.get", namespace, key, func(replace *[]byte) {
		if replace != nil {
			in.settleLocal(event{call: p.call, n: 1, body: *replace})
			return
		}
		e, ok, err := in.Store.Get(namespace, key)
		switch {
		case err != nil:
			in.failLocal(p.call, abi.ErrInternal, err.Error())
		case !ok:
			in.settleLocal(event{call: p.call})
		default:
			in.settleLocal(event{call: p.call, n: 1, meta: e.Metadata, body: e.Value})
		}
	})
}

// opKVPut writes a value; the reply comes once it is on disk.
//
//   - meta: namespace, key, TTL in seconds (at least 60; 0: none), metadata JSON or empty
//   - body: the value, up to 25 MiB
func (in *Instance) opKVPut(_ *call, p params) {
	namespace, key, ttl := line(&p.meta), line(&p.meta), line(&p.meta)
	if !in.kvKey(p.call, namespace, key) {
		return
	}
	seconds, err := strconv.ParseInt(ttl, 10, 32)
	switch {
	case err != nil || seconds < 0 || (seconds > 0 && seconds < abi.MinKVTTL) || !clean(p.meta):
		in.failLocal(p.call, abi.ErrInvalid, "ttl or metadata")
		return
	case len(p.body) > abi.MaxKVValue:
		in.failLocal(p.call, abi.ErrLimit, "value above 25 MiB")
		return
	}
	e := store.Entry{Key: key, Value: append([]byte(nil), p.body...), Metadata: p.meta}
	if seconds > 0 {
		e.Expires = in.Clock.Now().Add(time.Duration(seconds) * time.Second)
	}
	in.faulted(p.call, "kv.put", namespace, key, func(replace *[]byte) {
		if replace != nil {
			e.Value = *replace
		}
		in.Store.Put(namespace, e, in.written(p.call))
	})
}

// opKVDelete removes a key; an absent key is not an error.
//
//   - meta: namespace, key
func (in *Instance) opKVDelete(_ *call, p params) {
	namespace, key := line(&p.meta), p.meta
	if !in.kvKey(p.call, namespace, key) {
		return
	}
	in.faulted(p.call, "kv.delete", namespace, key, func(*[]byte) {
		in.Store.Delete(namespace, key, in.written(p.call))
	})
}

// opKVList answers a page of keys in byte order.
//
//   - meta: namespace, prefix, limit (1 … 1000), cursor or empty
//   - reply: n = number of keys, meta = line 1 the next cursor or empty, then a line per
//     key: key TAB expiration (Unix s, or 0) TAB metadata JSON or empty
//
// The page ends early if the reply's meta would pass its limit.
func (in *Instance) opKVList(_ *call, p params) {
	namespace, prefix, count, cursor := line(&p.meta), line(&p.meta), line(&p.meta), line(&p.meta)
	limit, err := strconv.Atoi(count)
	switch {
	case !in.Namespaces[namespace]:
		in.failLocal(p.call, abi.ErrNotFound, "no such namespace")
		return
	case err != nil || limit < 1 || !clean(prefix) || !clean(cursor):
		in.failLocal(p.call, abi.ErrInvalid, "prefix, limit or cursor")
		return
	case limit > abi.MaxStorageList:
		in.failLocal(p.call, abi.ErrLimit, "limit above 1000")
		return
	}
	in.faulted(p.call, "kv.list", namespace, prefix, func(*[]byte) {
		entries, next, err := in.Store.List(namespace, prefix, limit, cursor)
		if err != nil {
			in.failLocal(p.call, abi.ErrInternal, err.Error())
			return
		}
		var lines strings.Builder
		for i, e := range entries {
			if lines.Len()+len(e.Key)+len(e.Metadata)+32 > abi.MaxMeta-abi.MaxKVKey-1 {
				next, entries = entries[i-1].Key, entries[:i]
				break
			}
			var expires int64
			if !e.Expires.IsZero() {
				expires = e.Expires.Unix()
			}
			lines.WriteString("\n" + e.Key + "\t" + strconv.FormatInt(expires, 10) + "\t" + e.Metadata)
		}
		in.settleLocal(event{call: p.call, n: int32(len(entries)), meta: next + lines.String()})
	})
}

// written settles a call when its write is durable.
func (in *Instance) written(id int32) func(error) {
	return func(err error) {
		if err != nil {
			in.fail(id, writeCode(err), err.Error())
			return
		}
		in.settle(event{call: id})
	}
}
