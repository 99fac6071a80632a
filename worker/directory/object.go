package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/seal"
)

// Object serves the Directory. What it keeps in memory is a cache that is
// checked against the storage's sequence number at every use, because Go's
// memory may outlive the Durable Object.
type Object struct {
	platform  platform.Platform
	log       *slog.Logger
	keyring   *seal.Keyring
	ops       map[string]operation
	resealing atomic.Bool

	// writing spares transactions of this instance the conflicts among themselves;
	// correctness comes from the expectations in each transaction.
	writing    sync.Mutex
	index      *index
	publishing publishing
}

type operation func(ctx context.Context, st platform.Storage, body []byte) (any, error)

// NewObject makes the handler of class DIRECTORY.
// keyring is nil where there is no sealing key: then nothing can be re-sealed.
func NewObject(p platform.Platform, keyring *seal.Keyring) *Object {
	o := &Object{
		platform: p, log: p.Log(), keyring: keyring, index: newIndex(),
		publishing: publishing{records: make(turn, 1), catalog: make(turn, 1)},
	}
	o.ops = map[string]operation{
		"server.find":    decoded(o.findServer),
		"server.list":    decoded(o.listServers),
		"server.all":     decoded(o.allServers),
		"key.find":       decoded(o.findKey),
		"key.list":       decoded(o.listKeys),
		"write":          decoded(o.write),
		"audit.append":   decoded(o.appendAudit),
		"audit.list":     decoded(o.listAudit),
		"audit.export":   decoded(o.exportAudit),
		"audit.verify":   decoded(o.verifyAudit),
		"usage.add":      decoded(o.addUsage),
		"usage.get":      decoded(o.getUsage),
		"usage.spark":    decoded(o.sparks),
		"settings.get":   decoded(o.getSettings),
		"settings.write": decoded(o.writeSettings),
		"reseal":         decoded(o.reseal),
		"republish":      decoded(o.republish),
		"keep":           decoded(o.keep),
	}
	return o
}

func decoded[In, Out any](f func(context.Context, platform.Storage, In) (Out, error)) operation {
	return func(ctx context.Context, st platform.Storage, body []byte) (any, error) {
		var in In
		if err := decode(body, &in); err != nil {
			return nil, err
		}
		return f(ctx, st, in)
	}
}

func decode(body []byte, in any) error {
	if err := json.Unmarshal(body, in); err != nil {
		return problem.New(http.StatusBadRequest, "invalid_json", "The message to the Directory is not readable.").Because(err)
	}
	return nil
}

// ServeObject serves one operation.
func (o *Object) ServeObject(w http.ResponseWriter, r *http.Request, a platform.Actor) {
	op := o.ops[strings.TrimPrefix(r.URL.Path, "/")]
	if op == nil || r.Method != http.MethodPost || a.Name != objectName {
		writeFailure(w, problem.New(http.StatusNotFound, "not_found", "No such operation."))
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxMessage+1))
	if err == nil && len(body) > maxMessage {
		err = problem.New(http.StatusRequestEntityTooLarge, "body_too_large", "The message to the Directory is too large.")
	}
	var out any
	if err == nil {
		out, err = op(r.Context(), a.Storage, body)
	}
	var b []byte
	if err == nil {
		b, err = json.Marshal(out)
	}
	if err != nil {
		if p := problem.From(err); p.Status >= 500 {
			o.log.ErrorContext(r.Context(), "directory operation failed", slog.String("operation", r.URL.Path), slog.String("request_id", r.Header.Get(requestIDHeader)), slog.String("error", err.Error()))
		}
		writeFailure(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}

// keySeq holds the sequence number, in decimal: it grows by one with every
// transaction that changes configuration.
const keySeq = "seq"

func readSeq(ctx context.Context, st platform.Storage) (int64, error) {
	b, err := get(ctx, st, keySeq)
	if err != nil {
		return 0, err
	}
	return parseSeq(b)
}

// parseSeq reads a sequence number; nil is 0.
func parseSeq(b []byte) (int64, error) {
	if b == nil {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("directory: sequence number: %w", err)
	}
	return n, nil
}

func formatSeq(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

func isNotFound(err error) bool { return errors.Is(err, platform.ErrNotFound) }

// get answers nil for an absent key.
func get(ctx context.Context, st platform.Storage, key string) ([]byte, error) {
	b, err := st.Get(ctx, key)
	if errors.Is(err, platform.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, storageProblem(err)
	}
	return b, nil
}

// scan calls f with every entry of a range, in byte order, a page at a time.
func scan(ctx context.Context, st platform.Storage, o platform.ListOptions, page int, f func(key string, value []byte) error) error {
	o.Limit = page
	for {
		entries, err := st.List(ctx, o)
		if err != nil {
			return storageProblem(err)
		}
		for _, e := range entries {
			if err := f(e.Key, e.Value); err != nil {
				return err
			}
		}
		if len(entries) < page {
			return nil
		}
		o.Start = after(entries[len(entries)-1].Key)
	}
}

// storageProblem tells a full storage from a broken one.
func storageProblem(err error) error {
	var p *platform.Error
	if errors.As(err, &p) && p.Code == platform.CodeLimit {
		return problem.New(http.StatusInsufficientStorage, "storage_full", "The configuration store is full or the entry is too large; nothing was changed.").Because(err)
	}
	return unavailable().Because(err)
}

// after is where a listing goes on behind a key: no stored key ends with a space,
// and no character of a key sorts before it.
func after(key string) string { return key + " " }
