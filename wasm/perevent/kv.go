//go:build js && wasm

package perevent

import (
	"bytes"
	"context"
	"io"
	"time"

	library "github.com/syumai/workers/cloudflare/kv"

	"github.com/grantway/grantway/worker/platform"
)

// kv is one KV namespace. The context is looked at before an operation only: the
// library cannot give one up.
type kv platform.Namespace

func (k kv) open(ctx context.Context, op string) (*library.Namespace, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ns, err := library.NewNamespace(string(k))
	if err != nil {
		return nil, &platform.Error{Op: op, Code: platform.CodeNotFound, Message: err.Error()}
	}
	return ns, nil
}

func failed(op string, err error) error {
	return &platform.Error{Op: op, Code: platform.CodeInternal, Message: err.Error()}
}

// Get reads the value as a stream: as text, the library answers "<null>" for a key
// that is absent, and breaks bytes that are not UTF-8.
func (k kv) Get(ctx context.Context, key string) ([]byte, error) {
	ns, err := k.open(ctx, "kv.get")
	if err != nil {
		return nil, err
	}
	value, err := ns.GetReader(key, nil)
	if err != nil {
		return nil, failed("kv.get", err)
	}
	if isNull(value) {
		return nil, platform.ErrNotFound
	}
	b, err := io.ReadAll(value)
	if err != nil {
		return nil, failed("kv.get", err)
	}
	return b, nil
}

func (k kv) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	ns, err := k.open(ctx, "kv.put")
	if err != nil {
		return err
	}
	if err := ns.PutReader(key, bytes.NewReader(value), &library.PutOptions{ExpirationTTL: int(ttl / time.Second)}); err != nil {
		return failed("kv.put", err)
	}
	return nil
}

func (k kv) Delete(ctx context.Context, key string) error {
	ns, err := k.open(ctx, "kv.delete")
	if err != nil {
		return err
	}
	if err := ns.Delete(key); err != nil {
		return failed("kv.delete", err)
	}
	return nil
}

func (k kv) List(ctx context.Context, prefix string, limit int, cursor string) ([]string, string, error) {
	ns, err := k.open(ctx, "kv.list")
	if err != nil {
		return nil, "", err
	}
	page, err := ns.List(&library.ListOptions{Prefix: prefix, Limit: limit, Cursor: cursor})
	if err != nil {
		return nil, "", failed("kv.list", err)
	}
	keys := make([]string, len(page.Keys))
	for i, key := range page.Keys {
		keys[i] = key.Name
	}
	if page.ListComplete {
		return keys, "", nil
	}
	return keys, page.Cursor, nil
}
