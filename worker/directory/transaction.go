package directory

import (
	"context"
	"errors"
	"net/http"

	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

// transaction collects writes, and reads what it has itself written before. What
// it read under guard must still be so when it is carried out.
type transaction struct {
	st      platform.Storage
	guards  []platform.Step
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

// guarded reads a key whose value must not change before the transaction.
func (t *transaction) guarded(ctx context.Context, key string) ([]byte, error) {
	if v, ok := t.pending[key]; ok {
		return v, nil
	}
	v, err := get(ctx, t.st, key)
	if err != nil {
		return nil, err
	}
	if v == nil {
		t.guards = append(t.guards, platform.Absent(key))
	} else {
		t.guards = append(t.guards, platform.Expect(key, v))
	}
	return v, nil
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
	steps := append(make([]platform.Step, 0, len(t.guards)+len(t.order)), t.guards...)
	for _, k := range t.order {
		if v := t.pending[k]; v != nil {
			steps = append(steps, platform.Put(k, v))
		} else {
			steps = append(steps, platform.Delete(k))
		}
	}
	return steps
}

// maxConflicts is how often a transaction is tried again when another life of
// the object got in between.
const maxConflicts = 16

// transact runs decide, which reads the storage and says what to write, and
// carries it out; again when what it read has changed meanwhile.
func (o *Object) transact(ctx context.Context, st platform.Storage, decide func(t *transaction) error) error {
	return o.transactThen(ctx, st, decide, nil)
}

// transactThen calls then after a transaction that wrote something, before the next
// one begins.
func (o *Object) transactThen(ctx context.Context, st platform.Storage, decide func(t *transaction) error, then func()) error {
	o.writing.Lock()
	defer o.writing.Unlock()
	for range maxConflicts {
		t := newTransaction(st)
		if err := decide(t); err != nil {
			return err
		}
		if len(t.order) == 0 {
			return nil
		}
		ok, err := st.Transact(ctx, t.steps()...)
		if err != nil {
			return storageProblem(err)
		}
		if ok {
			if then != nil {
				then()
			}
			return nil
		}
	}
	return problem.New(http.StatusServiceUnavailable, "directory_busy", "Too many changes at once; try again.")
}

// mutate is transact for a change of configuration: it takes the next sequence
// number, which guards the change as a whole, and answers it. decide notes in the
// change what it does.
func (o *Object) mutate(ctx context.Context, st platform.Storage, decide func(t *transaction, seq int64, ch *change) error) (int64, error) {
	var seq int64
	var ch *change
	err := o.transactThen(ctx, st, func(t *transaction) error {
		ch = &change{}
		b, err := t.guarded(ctx, keySeq)
		if err != nil {
			return err
		}
		if seq, err = parseSeq(b); err != nil {
			return err
		}
		seq++
		err = decide(t, seq, ch)
		if errors.Is(err, errNothing) {
			seq--
			t.order = nil
			return nil
		}
		t.put(keySeq, formatSeq(seq))
		return err
	}, func() { o.index.applied(seq, ch) })
	return seq, err
}

// alter is mutate for what somebody asks for: with its entries in the audit log, and
// answered once its own copies are published.
func (o *Object) alter(ctx context.Context, st platform.Storage, entries []audit.Entry, decide func(t *transaction, seq int64, ch *change) error) error {
	_, err := o.mutate(ctx, st, func(t *transaction, seq int64, ch *change) error {
		if err := decide(t, seq, ch); err != nil {
			return err
		}
		return t.audit(ctx, entries)
	})
	if err == nil {
		o.publishNow(ctx, st)
	}
	return err
}

// errNothing ends a mutation that changes nothing.
var errNothing = errors.New("directory: nothing to change")
