//go:build js && wasm

package resident

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/grantway/grantway/wasm/abi"
	"github.com/grantway/grantway/worker/platform"
)

type kv string

func (k kv) Get(ctx context.Context, key string) ([]byte, error) {
	r, err := do(ctx, "kv.get", abi.OpKVGet, string(k)+"\n"+key, nil)
	if err != nil {
		return nil, err
	}
	if r.n == 0 {
		return nil, platform.ErrNotFound
	}
	return r.body, nil
}

func (k kv) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	_, err := do(ctx, "kv.put", abi.OpKVPut, string(k)+"\n"+key+"\n"+strconv.FormatInt(int64(ttl/time.Second), 10)+"\n", value)
	return err
}

func (k kv) Delete(ctx context.Context, key string) error {
	_, err := do(ctx, "kv.delete", abi.OpKVDelete, string(k)+"\n"+key, nil)
	return err
}

func (k kv) List(ctx context.Context, prefix string, limit int, cursor string) ([]string, string, error) {
	r, err := do(ctx, "kv.list", abi.OpKVList, string(k)+"\n"+prefix+"\n"+strconv.Itoa(limit)+"\n"+cursor, nil)
	if err != nil {
		return nil, "", err
	}
	next, lines := abi.NextLine(r.meta)
	keys := make([]string, 0, r.n)
	for lines != "" {
		var line string
		line, lines = abi.NextLine(lines)
		key, _, _ := strings.Cut(line, "\t")
		keys = append(keys, key)
	}
	return keys, next, nil
}
