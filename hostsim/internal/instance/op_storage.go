package instance

import (
	"errors"
	"strconv"
	"strings"
	"syscall"

	"github.com/grantway/grantway/hostsim/internal/store"
	"github.com/grantway/grantway/wasm/abi"
)

// object answers the object whose storage an operation means; false if it has
// failed: outside of an object's request ("invalid"), or after the end of the
// object's life ("gone").
func (in *Instance) object(p params) (id string, ok bool) {
	a := p.owner.Actor
	switch {
	case a == nil:
		in.failLocal(p.call, abi.ErrInvalid, "not a request of an object")
	case a.ended.Load():
		in.failLocal(p.call, abi.ErrGone, "the object was reset")
	default:
		return a.ID, true
	}
	return "", false
}

// storageKey checks a key; false if the operation has failed.
func (in *Instance) storageKey(id int32, key string) bool {
	switch {
	case key == "" || !clean(key):
		in.failLocal(id, abi.ErrInvalid, "key")
	case len(key) > abi.MaxStorageKey:
		in.failLocal(id, abi.ErrLimit, "key above 2048 bytes")
	default:
		return true
	}
	return false
}

// opStorageGet answers the value of a key of the object's storage.
//
//   - meta: key
//   - reply: n = 1, body = value; n = 0 if absent
func (in *Instance) opStorageGet(_ *call, p params) {
	object, ok := in.object(p)
	if !ok || !in.storageKey(p.call, p.meta) {
		return
	}
	in.faulted(p.call, "storage.get", object, p.meta, func(replace *[]byte) {
		if replace != nil {
			in.settleLocal(event{call: p.call, n: 1, body: *replace})
			return
		}
		value, ok, err := in.Store.ObjectGet(object, p.meta)
		switch {
		case err != nil:
			in.failLocal(p.call, abi.ErrInternal, err.Error())
		case !ok:
			in.settleLocal(event{call: p.call})
		default:
			in.settleLocal(event{call: p.call, n: 1, body: value})
		}
	})
}

// opStoragePut writes a value; the reply comes once it is on disk.
//
//   - meta: key
//   - body: value, up to 2 MiB
func (in *Instance) opStoragePut(_ *call, p params) {
	object, ok := in.object(p)
	if !ok || !in.storageKey(p.call, p.meta) {
		return
	}
	if len(p.body) > abi.MaxStorageValue {
		in.failLocal(p.call, abi.ErrLimit, "value above 2 MiB")
		return
	}
	step := store.Step{Kind: store.Put, Key: p.meta, Value: append([]byte{}, p.body...)}
	in.faulted(p.call, "storage.put", object, p.meta, func(replace *[]byte) {
		if replace != nil {
			step.Value = *replace
		}
		in.Store.ObjectTransact(object, []store.Step{step}, func(_ bool, _ int, err error) { in.written(p.call)(err) })
	})
}

// opStorageDelete removes a key.
//
//   - meta: key
//   - reply: n = 1 if it was there
func (in *Instance) opStorageDelete(_ *call, p params) {
	object, ok := in.object(p)
	if !ok || !in.storageKey(p.call, p.meta) {
		return
	}
	in.faulted(p.call, "storage.delete", object, p.meta, func(*[]byte) {
		in.Store.ObjectTransact(object, []store.Step{{Kind: store.Deleted, Key: p.meta}}, func(_ bool, deleted int, err error) {
			if err != nil {
				in.fail(p.call, writeCode(err), err.Error())
				return
			}
			in.settle(event{call: p.call, n: int32(deleted)})
		})
	})
}

// opStorageList answers keys and values in byte order.
//
//   - meta: prefix, start (inclusive, or empty), end (exclusive, or empty), limit (1 … 1000), "reverse" or empty
//   - reply: n = number of keys, meta = a line per key, body = a frame per value
//
// A reply whose meta would pass its limit fails with "limit": ask for fewer.
func (in *Instance) opStorageList(_ *call, p params) {
	object, ok := in.object(p)
	if !ok {
		return
	}
	r := store.Range{Prefix: line(&p.meta), Start: line(&p.meta), End: line(&p.meta)}
	limit, order := line(&p.meta), p.meta
	var err error
	r.Limit, err = strconv.Atoi(limit)
	r.Reverse = order == "reverse"
	switch {
	case err != nil || r.Limit < 1 || (order != "" && !r.Reverse) || !clean(r.Prefix+r.Start+r.End):
		in.failLocal(p.call, abi.ErrInvalid, "range")
		return
	case r.Limit > abi.MaxStorageList:
		in.failLocal(p.call, abi.ErrLimit, "limit above 1000")
		return
	}
	in.faulted(p.call, "storage.list", object, r.Prefix, func(*[]byte) {
		pairs, err := in.Store.ObjectList(object, r)
		if err != nil {
			in.failLocal(p.call, abi.ErrInternal, err.Error())
			return
		}
		keys := make([]string, len(pairs))
		var body []byte
		for i, pair := range pairs {
			keys[i] = pair.Key
			body = abi.AppendFrame(body, pair.Value)
		}
		meta := strings.Join(keys, "\n")
		if len(meta) > abi.MaxMeta {
			in.failLocal(p.call, abi.ErrLimit, "keys above 256 KiB")
			return
		}
		in.settleLocal(event{call: p.call, n: int32(len(pairs)), meta: meta, body: body})
	})
}

// opStorageTransact does all steps or none; the reply comes once they are on disk.
//
//   - meta: a line per step: "expect KEY", "absent KEY", "put KEY", "delete KEY"
//   - body: a frame per expect and per put, in order
//   - reply: n = 1 all done; n = 0 an expectation failed and nothing was done
func (in *Instance) opStorageTransact(_ *call, p params) {
	object, ok := in.object(p)
	if !ok {
		return
	}
	values, err := abi.Frames(append([]byte(nil), p.body...))
	if err != nil {
		in.failLocal(p.call, abi.ErrInvalid, "frames")
		return
	}
	var steps []store.Step
	for p.meta != "" {
		verb, key, _ := strings.Cut(line(&p.meta), " ")
		if !in.storageKey(p.call, key) {
			return
		}
		st := store.Step{Key: key}
		withValue := false
		switch verb {
		case "expect":
			st.Kind, withValue = store.Expect, true
		case "absent":
			st.Kind = store.Absent
		case "put":
			st.Kind, withValue = store.Put, true
		case "delete":
			st.Kind = store.Deleted
		default:
			in.failLocal(p.call, abi.ErrInvalid, "step")
			return
		}
		if withValue {
			if len(values) == 0 {
				in.failLocal(p.call, abi.ErrInvalid, "a frame is missing")
				return
			}
			st.Value, values = values[0], values[1:]
			if len(st.Value) > abi.MaxStorageValue {
				in.failLocal(p.call, abi.ErrLimit, "value above 2 MiB")
				return
			}
		}
		steps = append(steps, st)
	}
	if len(values) > 0 {
		in.failLocal(p.call, abi.ErrInvalid, "a frame too many")
		return
	}
	in.faulted(p.call, "storage.transact", object, "", func(*[]byte) {
		in.Store.ObjectTransact(object, steps, func(done bool, _ int, err error) {
			if err != nil {
				in.fail(p.call, writeCode(err), err.Error())
				return
			}
			e := event{call: p.call}
			if done {
				e.n = 1
			}
			in.settle(e)
		})
	})
}

// writeCode tells a disk that is full, or a file that may not grow, from a broken one.
func writeCode(err error) abi.ErrorCode {
	for _, full := range [...]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		// bbolt keeps only the text of some of them.
		if errors.Is(err, full) || strings.Contains(err.Error(), full.Error()) {
			return abi.ErrLimit
		}
	}
	return abi.ErrInternal
}
