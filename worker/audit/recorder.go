package audit

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/platform"
)

// Appender keeps entries for good: the Directory.
type Appender interface {
	AppendAudit(ctx context.Context, entries []Entry) error
}

// Limits of a Recorder.
const (
	// FlushAfter is the longest that an entry waits in an instance's memory.
	FlushAfter = 2 * time.Second
	// MaxBatch is the most entries of one transaction.
	MaxBatch = 200
	// MaxBuffered bounds the entries in memory; beyond it the oldest are dropped and
	// counted in an entry of their own, because the data path never waits for the trail.
	MaxBuffered = 2000
	// RefusedEvery is the time in which equal refusals of unknown callers fill one row.
	RefusedEvery = time.Minute
	// MaxRefused is how many kinds of them are told apart in that time: with the rest in
	// one row, a flood from many addresses writes no more than that.
	MaxRefused = 64
)

// Recorder buffers entries of the data path and hands them to the Directory in
// the background. Changes of configuration do not pass here: their entry is part of
// their own transaction.
type Recorder struct {
	appender   Appender
	background func(context.Context, func(context.Context))
	log        *slog.Logger

	mu       sync.Mutex
	buffer   []Entry
	dropped  int
	flushing bool
	refused  map[string]*refusal
}

// refusal is one kind of refusal in the time until the next row of it.
type refusal struct {
	entry Entry // the last one that was not given a row
	more  int   // how many have none
	until time.Time
}

// NewRecorder makes a recorder.
func NewRecorder(p platform.Platform, a Appender) *Recorder {
	return &Recorder{appender: a, background: p.Background, log: p.Log(), refused: map[string]*refusal{}}
}

// Record takes an entry. It never blocks and never fails.
func (r *Recorder) Record(ctx context.Context, e Entry) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.buffer); n > 0 && e.Outcome == Denied && repeats(&r.buffer[n-1], &e) {
		return
	}
	r.keep(ctx, e)
}

// RecordRefused takes a refusal of somebody who is not known, of which anybody can cause
// as many as they like. The first of an address and a reason becomes a row; those of the
// next RefusedEvery are counted, and the row after it says how many there were.
func (r *Recorder) RecordRefused(ctx context.Context, e Entry, reason string) {
	now := time.Now()
	e.Time, e.Outcome = now, Denied
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := e.Action + " " + reason + " " + e.Actor.IP
	if r.refused[kind] == nil && len(r.refused) >= MaxRefused {
		if r.settle(ctx, now); len(r.refused) >= MaxRefused {
			kind, e.Actor.IP = "", ""
		}
	}
	k := r.refused[kind]
	if k != nil && now.Before(k.until) {
		k.entry, k.more = e, k.more+1
		return
	}
	if k != nil {
		repeated(&e, k.more)
	}
	r.refused[kind] = &refusal{until: now.Add(RefusedEvery)}
	r.keep(ctx, e)
}

// settle writes the counts of refusals whose time is over. mu is held.
func (r *Recorder) settle(ctx context.Context, now time.Time) {
	for kind, k := range r.refused {
		if now.Before(k.until) {
			continue
		}
		delete(r.refused, kind)
		if k.more > 0 {
			repeated(&k.entry, k.more-1)
			r.keep(ctx, k.entry)
		}
	}
}

// keep buffers an entry. mu is held.
func (r *Recorder) keep(ctx context.Context, e Entry) {
	if len(r.buffer) >= MaxBuffered {
		r.buffer = r.buffer[1:]
		r.dropped++
	}
	r.buffer = append(r.buffer, e)
	if r.flushing {
		return
	}
	r.flushing = true
	r.background(ctx, func(ctx context.Context) {
		timer := time.NewTimer(FlushAfter)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		r.Flush(context.WithoutCancel(ctx))
	})
}

// repeats counts a denied call that equals the one before within the same second,
// so that a caller in a loop fills one row and not the store.
func repeats(last, e *Entry) bool {
	if last.Action != e.Action || last.Actor != e.Actor || last.Target != e.Target || last.Outcome != e.Outcome || e.Time.Sub(last.Time) > time.Second {
		return false
	}
	return repeated(last, 1)
}

// repeated adds to how many more there were of what an entry says.
func repeated(e *Entry, more int) bool {
	if more == 0 {
		return true
	}
	var d map[string]any
	if len(e.Detail) > 0 && json.Unmarshal(e.Detail, &d) != nil {
		return false
	}
	if d == nil {
		d = map[string]any{}
	}
	n, _ := d["repeated"].(float64)
	d["repeated"] = n + float64(more)
	b, err := json.Marshal(d)
	if err != nil {
		return false
	}
	e.Detail = b
	return true
}

// Flush hands over everything that is buffered.
func (r *Recorder) Flush(ctx context.Context) {
	r.mu.Lock()
	r.settle(ctx, time.Now())
	r.mu.Unlock()
	for {
		r.mu.Lock()
		n := min(len(r.buffer), MaxBatch)
		batch := append([]Entry(nil), r.buffer[:n]...)
		dropped := r.dropped
		if n == 0 {
			r.flushing = false
			r.mu.Unlock()
			return
		}
		r.buffer, r.dropped = r.buffer[n:], 0
		r.mu.Unlock()
		if dropped > 0 {
			detail, _ := json.Marshal(map[string]int{"entries": dropped})
			batch = append(batch, Entry{Time: time.Now(), Action: "audit.dropped", Actor: Actor{ID: "gateway"}, Target: Target{Type: "audit"}, Outcome: Failed, Detail: detail})
		}
		if err := r.appender.AppendAudit(ctx, batch); err != nil {
			r.log.ErrorContext(ctx, "audit entries could not be kept; trying once more with the next", slog.Int("entries", len(batch)), slog.String("error", err.Error()))
			r.mu.Lock()
			r.buffer = append(batch, r.buffer...)
			if over := len(r.buffer) - MaxBuffered; over > 0 {
				r.buffer, r.dropped = r.buffer[over:], r.dropped+over
			}
			r.flushing = false
			r.mu.Unlock()
			return
		}
	}
}

func contains(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
