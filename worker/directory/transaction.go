package directory

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// transaction collects writes, and reads what it has itself written before. The
// sequence number guards it as a whole: any change in between undoes it.
type transaction struct {
	st      platform.Storage
	pending map[string][]byte // nil value: deleted
	order   []string
}

func newTransaction(st platform.Storage) *transaction {
	return &transaction{st: st, pending: map[string][]byte{}}
}

func (t *transaction) get(ctx context.Context, key string) ([]byte, error) {
	if v, ok := t.pending[key]; ok {
		return v, nil
	}
	return get(ctx, t.st, key)
}

// put writes a value, which must not be nil.
func (t *transaction) put(key string, value []byte) {
	if _, ok := t.pending[key]; !ok {
		t.order = append(t.order, key)
	}
	t.pending[key] = value
}

func (t *transaction) delete(key string) { t.put(key, nil) }

func (t *transaction) steps() []platform.Step {
	steps := make([]platform.Step, 0, len(t.order))
	for _, k := range t.order {
		if v := t.pending[k]; v != nil {
			steps = append(steps, platform.Put(k, v))
		} else {
			steps = append(steps, platform.Delete(k))
		}
	}
	return steps
}

// writeServer answers the stored form before (nil: it is new) and after.
func (t *transaction) writeServer(ctx context.Context, seq int64, rec *registry.Record, expect int64) (before, after []byte, err error) {
	before, err = t.get(ctx, keyServer+rec.ServerID)
	if err != nil {
		return nil, nil, err
	}
	var old *registry.Record
	if before != nil {
		if old, err = registry.Decode(before); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case old == nil && expect != 0:
		return nil, nil, notFound(rec.ServerID)
	case old != nil && old.Version != expect:
		return nil, nil, conflict(old.Version)
	}
	if old != nil {
		for _, ref := range old.Refs() {
			t.delete(keyRef + ref)
		}
	}
	for _, ref := range rec.Refs() {
		owner, err := t.get(ctx, keyRef+ref)
		if err != nil {
			return nil, nil, err
		}
		if owner != nil && string(owner) != rec.ServerID {
			return nil, nil, duplicate(rec, ref)
		}
		t.put(keyRef+ref, []byte(rec.ServerID))
	}
	rec.Version = seq
	if after, err = registry.Encode(rec); err != nil {
		return nil, nil, err
	}
	if len(after) > MaxRecord {
		return nil, nil, problem.New(http.StatusRequestEntityTooLarge, "record_too_large", fmt.Sprintf("The record of %q is larger than %d bytes.", rec.ServerName, MaxRecord))
	}
	t.put(keyServer+rec.ServerID, after)
	return before, after, t.announceServer(ctx, seq, rec.ServerID, old)
}

func (t *transaction) deleteServer(ctx context.Context, seq int64, id string, expect int64) ([]byte, error) {
	before, err := t.get(ctx, keyServer+id)
	if err != nil {
		return nil, err
	}
	if before == nil {
		return nil, notFound(id)
	}
	old, err := registry.Decode(before)
	if err != nil {
		return nil, err
	}
	if expect != 0 && old.Version != expect {
		return nil, conflict(old.Version)
	}
	for _, ref := range old.Refs() {
		t.delete(keyRef + ref)
	}
	t.delete(keyServer + id)
	return before, t.announceServer(ctx, seq, id, old)
}

func conflict(current int64) *problem.Problem {
	p := problem.New(http.StatusPreconditionFailed, "version_conflict", "Somebody else changed it meanwhile; read it again and repeat your change.")
	p.Header = http.Header{"Etag": {ETag(current)}}
	return p
}

// ETag is the entity tag of a version (RFC 9110 §8.8.3).
func ETag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

func duplicate(rec *registry.Record, ref string) *problem.Problem {
	p := problem.New(http.StatusConflict, "duplicate_slug", "Another server has this slug, name or alias.")
	switch ref {
	case registry.Fold(rec.Slug):
		p.Fields = []problem.Field{{Path: "slug", Code: "duplicate", Message: fmt.Sprintf("%q is taken.", ref)}}
	case registry.Fold(rec.ServerName):
		p.Code = "duplicate_name"
		p.Fields = []problem.Field{{Path: "server_name", Code: "duplicate", Message: fmt.Sprintf("%q is taken.", ref)}}
	case registry.Fold(rec.Alias):
		p.Code = "duplicate_name"
		p.Fields = []problem.Field{{Path: "alias", Code: "duplicate", Message: fmt.Sprintf("%q is taken.", ref)}}
	}
	return p
}
