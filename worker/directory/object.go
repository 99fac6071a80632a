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

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

// Object serves the Directory. What it keeps in memory is a cache that is
// checked against the storage's sequence number at every use, because Go's
// memory may outlive the Durable Object.
type Object struct {
	platform platform.Platform
	log      *slog.Logger
	ops      map[string]operation

	// writing spares transactions of this instance the conflicts among themselves;
	// correctness comes from the expectations in each transaction.
	writing    sync.Mutex
	catalog    catalog
	publishing publishing
}

type operation func(ctx context.Context, st platform.Storage, body []byte) (any, error)

// NewObject makes the handler of class DIRECTORY.
func NewObject(p platform.Platform) *Object {
	o := &Object{platform: p, log: p.Log()}
	o.ops = map[string]operation{
		"server.find":   decoded(o.findServer),
		"server.list":   decoded(o.listServers),
		"server.all":    decoded(o.allServers),
		"server.write":  decoded(o.writeServers),
		"server.delete": decoded(o.deleteServers),
		"publish":       decoded(o.publish),
	}
	return o
}

func decoded[In, Out any](f func(context.Context, platform.Storage, In) (Out, error)) operation {
	return func(ctx context.Context, st platform.Storage, body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, problem.New(http.StatusBadRequest, "invalid_json", "The message to the Directory is not readable.").Because(err)
		}
		return f(ctx, st, in)
	}
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
			o.log.ErrorContext(r.Context(), "directory operation failed", slog.String("operation", r.URL.Path), slog.String("error", err.Error()))
		}
		writeFailure(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}

// maxConflicts is how often a transaction is tried again when another life of
// the object got in between.
const maxConflicts = 16

// errConflict makes mutate read and decide again.
var errConflict = errors.New("directory: storage changed meanwhile")

// mutate runs decide, which reads the storage and answers the steps of one
// transaction, until the transaction holds. seq is the sequence number that the
// change will have; mutate adds its expectation and its growth.
func (o *Object) mutate(ctx context.Context, st platform.Storage, decide func(seq int64) ([]platform.Step, error)) (int64, error) {
	o.writing.Lock()
	defer o.writing.Unlock()
	for range maxConflicts {
		seq, guard, err := nextSeq(ctx, st)
		if err != nil {
			return 0, err
		}
		steps, err := decide(seq)
		if errors.Is(err, errConflict) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if len(steps) == 0 {
			return seq - 1, nil // nothing to change
		}
		ok, err := st.Transact(ctx, append(guard, steps...)...)
		if err != nil {
			return 0, storageProblem(err)
		}
		if ok {
			return seq, nil
		}
	}
	return 0, problem.New(http.StatusServiceUnavailable, "directory_busy", "Too many changes at once; try again.")
}

// keySeq holds the sequence number, in decimal: it grows by one with every
// transaction that changes configuration.
const keySeq = "seq"

func readSeq(ctx context.Context, st platform.Storage) (int64, []byte, error) {
	b, err := st.Get(ctx, keySeq)
	if errors.Is(err, platform.ErrNotFound) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, storageProblem(err)
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0, nil, fmt.Errorf("directory: sequence number: %w", err)
	}
	return n, b, nil
}

// nextSeq answers the next sequence number and the steps that claim it.
func nextSeq(ctx context.Context, st platform.Storage) (int64, []platform.Step, error) {
	n, b, err := readSeq(ctx, st)
	if err != nil {
		return 0, nil, err
	}
	guard := platform.Expect(keySeq, b)
	if b == nil {
		guard = platform.Absent(keySeq)
	}
	n++
	return n, []platform.Step{guard, platform.Put(keySeq, strconv.AppendInt(nil, n, 10))}, nil
}

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

// scan calls f with every entry under a prefix, in byte order, a page at a time.
func scan(ctx context.Context, st platform.Storage, prefix string, page int, f func(key string, value []byte) error) error {
	start := ""
	for {
		entries, err := st.List(ctx, platform.ListOptions{Prefix: prefix, Start: start, Limit: page})
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
		start = entries[len(entries)-1].Key + "\x00"
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
