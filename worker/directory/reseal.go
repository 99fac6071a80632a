package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/seal"
)

// keyReseal holds the Reseal of the run under way or the last one.
const keyReseal = "reseal"

// Reseal is the progress of sealing every secret with the current key. It is
// stored after each page, so that a run that was interrupted goes on where it was.
type Reseal struct {
	State      string          `json:"state"` // idle, running, done, failed
	Done       int             `json:"done"`  // servers looked at
	Total      int             `json:"total"`
	Failed     []ResealFailure `json:"failed"`
	StartedAt  *time.Time      `json:"started_at"`
	FinishedAt *time.Time      `json:"finished_at"`
	After      string          `json:"after,omitempty"` // the last server done
}

// ResealFailure is a server with a secret that does not open.
type ResealFailure struct {
	ServerID string `json:"server_id"`
	Code     string `json:"code"` // secret_unreadable
}

// maxFailures bounds the failures that are listed.
const maxFailures = 100

type (
	resealIn struct {
		Start bool
		Audit []audit.Entry
	}
	resealOut struct {
		Reseal  Reseal
		ByKeyID map[string]int
	}
)

// Reseal answers the progress and how many secrets are sealed by which key id.
func (c *Client) Reseal(ctx context.Context) (Reseal, map[string]int, error) {
	out, err := call[resealOut](ctx, c, "reseal", true, resealIn{})
	return out.Reseal, out.ByKeyID, err
}

// StartReseal starts a run, or goes on with the one under way.
func (c *Client) StartReseal(ctx context.Context, entries ...audit.Entry) (Reseal, error) {
	out, err := call[resealOut](ctx, c, "reseal", false, resealIn{true, entries})
	return out.Reseal, err
}

func (o *Object) reseal(ctx context.Context, st platform.Storage, in resealIn) (resealOut, error) {
	state, err := readReseal(ctx, st)
	if err != nil {
		return resealOut{}, err
	}
	out := resealOut{Reseal: state, ByKeyID: map[string]int{}}
	if !in.Start {
		return out, o.index.each(ctx, st, &o.index.servers, func(s *summary) {
			for _, id := range s.sealedBy {
				out.ByKeyID[id]++
			}
		})
	}
	if o.keyring == nil {
		return out, problem.New(http.StatusServiceUnavailable, "sealing_key_missing", "Set GRANTWAY_SEALING_KEY first.")
	}
	if state.State != "running" {
		total := 0
		if err := o.index.each(ctx, st, &o.index.servers, func(*summary) { total++ }); err != nil {
			return out, err
		}
		now := time.Now().UTC()
		state = Reseal{State: "running", Total: total, Failed: []ResealFailure{}, StartedAt: &now}
	}
	err = o.transact(ctx, st, func(t *transaction) error {
		if err := t.putJSON(keyReseal, state); err != nil {
			return err
		}
		return t.audit(ctx, in.Audit)
	})
	if err != nil {
		return out, err
	}
	o.runReseal(ctx, st)
	out.Reseal = state
	return out, nil
}

func (t *transaction) putJSON(key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	t.put(key, b)
	return nil
}

func readReseal(ctx context.Context, st platform.Storage) (Reseal, error) {
	state := Reseal{State: "idle", Failed: []ResealFailure{}}
	b, err := get(ctx, st, keyReseal)
	if err != nil || b == nil {
		return state, err
	}
	if err := json.Unmarshal(b, &state); err != nil {
		return state, fmt.Errorf("directory: reseal: %w", err)
	}
	return state, nil
}

// runReseal works in the background until everything is done; two runs at once do
// no harm, since each record is written only if it is still as it was read.
func (o *Object) runReseal(ctx context.Context, st platform.Storage) {
	if !o.resealing.CompareAndSwap(false, true) {
		return
	}
	o.platform.Background(ctx, func(ctx context.Context) {
		defer o.resealing.Store(false)
		for {
			more, err := o.resealPage(ctx, st)
			if err != nil {
				o.log.ErrorContext(ctx, "re-sealing was interrupted; the cron trigger goes on with it", slog.String("error", err.Error()))
				return
			}
			if !more {
				return
			}
		}
	})
}

// resealPage is the number of servers between two notes of the progress.
const resealPageSize = 20

func (o *Object) resealPage(ctx context.Context, st platform.Storage) (more bool, err error) {
	state, err := readReseal(ctx, st)
	if err != nil || state.State != "running" {
		return false, err
	}
	start := ""
	if state.After != "" {
		start = after(keyServer + state.After)
	}
	entries, err := st.List(ctx, platform.ListOptions{Prefix: keyServer, Start: start, Limit: resealPageSize})
	if err != nil {
		return false, storageProblem(err)
	}
	for _, e := range entries {
		rec, err := registry.Decode(e.Value)
		if err != nil {
			return false, err
		}
		if err := o.resealServer(ctx, st, rec.ServerID); err != nil {
			if problem.From(err).Code != oauth.CodeSecretUnreadable {
				return false, err
			}
			if len(state.Failed) < maxFailures {
				state.Failed = append(state.Failed, ResealFailure{rec.ServerID, oauth.CodeSecretUnreadable})
			}
		}
		state.Done++
		state.After = rec.ServerID
	}
	state.Total = max(state.Total, state.Done)
	if len(entries) < resealPageSize {
		// Only then can the earlier key go: the copies in CONFIG were sealed with it too.
		if err := o.drain(ctx, st); err != nil {
			return false, err
		}
		now := time.Now().UTC()
		state.FinishedAt, state.State, state.After = &now, "done", ""
		if len(state.Failed) > 0 {
			state.State = "failed"
		}
	}
	err = o.transact(ctx, st, func(t *transaction) error { return t.putJSON(keyReseal, state) })
	return state.State == "running", err
}

func (o *Object) resealServer(ctx context.Context, st platform.Storage, id string) error {
	var written bool
	_, err := o.mutate(ctx, st, func(t *transaction, seq int64, ch *change) error {
		written = false
		b, err := t.get(ctx, keyServer+id)
		if err != nil {
			return err
		}
		if b == nil {
			return errNothing
		}
		rec, err := registry.Decode(b)
		if err != nil {
			return err
		}
		for name, s := range rec.Secrets {
			if seal.KeyIDOf(s.Sealed) == o.keyring.KeyID() {
				continue
			}
			next, err := oauth.ResealSecret(o.keyring, id, name, s)
			if errors.Is(err, seal.ErrUnknownKey) || errors.Is(err, seal.ErrCorrupt) {
				return problem.New(http.StatusServiceUnavailable, oauth.CodeSecretUnreadable, "A secret of this server does not open.").Because(err)
			}
			if err != nil {
				return err
			}
			rec.Secrets[name] = next
			written = true
		}
		if !written {
			return errNothing
		}
		ch.written = []*registry.Record{rec}
		_, _, err = t.writeServer(ctx, seq, rec, rec.Version)
		return err
	})
	if err == nil && written {
		o.startPublishing(ctx, st)
	}
	return err
}
