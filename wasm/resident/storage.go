//go:build js && wasm

package resident

import (
	"context"
	"strconv"

	"github.com/grantway/grantway/wasm/abi"
	"github.com/grantway/grantway/worker/platform"
)

// storage is the durable storage of the object whose request ctx belongs to.
type storage struct{}

func (storage) Get(ctx context.Context, key string) ([]byte, error) {
	r, err := do(ctx, "storage.get", abi.OpStorageGet, key, nil)
	if err != nil {
		return nil, err
	}
	if r.n == 0 {
		return nil, platform.ErrNotFound
	}
	return r.body, nil
}

func (storage) Put(ctx context.Context, key string, value []byte) error {
	_, err := do(ctx, "storage.put", abi.OpStoragePut, key, value)
	return err
}

func (storage) Delete(ctx context.Context, key string) error {
	_, err := do(ctx, "storage.delete", abi.OpStorageDelete, key, nil)
	return err
}

func (storage) List(ctx context.Context, opt platform.ListOptions) ([]platform.Entry, error) {
	limit := opt.Limit
	if limit <= 0 || limit > abi.MaxStorageList {
		limit = abi.MaxStorageList
	}
	meta := opt.Prefix + "\n" + opt.Start + "\n" + opt.End + "\n" + strconv.Itoa(limit) + "\n"
	if opt.Reverse {
		meta += "reverse"
	}
	r, err := do(ctx, "storage.list", abi.OpStorageList, meta, nil)
	if err != nil {
		return nil, err
	}
	values, err := abi.Frames(r.body)
	if err != nil || len(values) != int(r.n) {
		return nil, &platform.Error{Op: "storage.list", Code: platform.CodeInternal, Message: "malformed reply"}
	}
	out := make([]platform.Entry, len(values))
	keys := r.meta
	for i := range out {
		out[i].Key, keys = abi.NextLine(keys)
		out[i].Value = values[i]
	}
	return out, nil
}

var stepNames = [...]string{platform.StepExpect: "expect ", platform.StepAbsent: "absent ", platform.StepPut: "put ", platform.StepDelete: "delete "}

func (storage) Transact(ctx context.Context, steps ...platform.Step) (bool, error) {
	var meta, body []byte
	for i, s := range steps {
		if i > 0 {
			meta = append(meta, '\n')
		}
		meta = append(append(meta, stepNames[s.Kind]...), s.Key...)
		if s.Kind == platform.StepExpect || s.Kind == platform.StepPut {
			body = abi.AppendFrame(body, s.Value)
		}
	}
	r, err := do(ctx, "storage.transact", abi.OpStorageTransact, string(meta), body)
	return r.n == 1, err
}
