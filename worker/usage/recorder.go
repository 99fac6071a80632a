package usage

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/platform"
)

// Call is one call of the data path.
type Call struct {
	ServerID string
	Tool     string // "" for requests that call no tool
	KeyID    string // access.Principal.KeyID, or its ID
	Failed   bool
	Denied   bool // refused by policy before it left the gateway
	Latency  time.Duration
	Cost     float64
}

// Delta is what one instance adds to one bucket.
type Delta struct {
	At       int64 // begin of the five minutes, Unix seconds
	ServerID string
	Tool     string
	KeyID    string
	Figures  Figures
}

// Store keeps deltas, and the last use of access keys, for good: the Directory.
type Store interface {
	AddUsage(ctx context.Context, deltas []*Delta, lastUsed map[string]time.Time) error
}

// Limits of a Recorder.
const (
	// Slice is the finest bucket that is kept.
	Slice = 5 * time.Minute
	// FlushAfter is the longest that figures wait in an instance's memory.
	FlushAfter = 5 * time.Second
	// maxDeltas bounds the figures in memory, in server × tool × key combinations; what
	// is beyond it is counted without tool and key.
	maxDeltas = 1000
)

// Recorder adds up calls and hands the sums over in the background.
type Recorder struct {
	store      Store
	lastUsed   func() map[string]time.Time
	background func(context.Context, func(context.Context))
	log        *slog.Logger

	mu       sync.Mutex
	sums     map[deltaKey]*Figures
	flushing bool
}

type deltaKey struct {
	at                  int64
	server, tool, keyID string
}

// NewRecorder makes a recorder. lastUsed answers the last uses of access keys
// since it was last asked (access.Keys.TakeUsed).
func NewRecorder(p platform.Platform, s Store, lastUsed func() map[string]time.Time) *Recorder {
	return &Recorder{store: s, lastUsed: lastUsed, background: p.Background, log: p.Log(), sums: map[deltaKey]*Figures{}}
}

// Call counts one call. It never blocks and never fails.
func (r *Recorder) Call(ctx context.Context, c Call) {
	k := deltaKey{time.Now().Truncate(Slice).Unix(), c.ServerID, c.Tool, c.KeyID}
	r.mu.Lock()
	f := r.sums[k]
	if f == nil {
		if len(r.sums) >= maxDeltas {
			k.tool, k.keyID = "", ""
			f = r.sums[k]
		}
		if f == nil {
			f = &Figures{}
			r.sums[k] = f
		}
	}
	if c.Denied {
		f.Denied++
	} else {
		f.Observe(c.Latency, c.Failed, c.Cost)
	}
	start := !r.flushing
	r.flushing = true
	r.mu.Unlock()
	if start {
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
}

// Flush hands over everything that was added up.
func (r *Recorder) Flush(ctx context.Context) {
	r.mu.Lock()
	sums := r.sums
	r.sums, r.flushing = map[deltaKey]*Figures{}, false
	r.mu.Unlock()
	used := r.lastUsed()
	if len(sums) == 0 && len(used) == 0 {
		return
	}
	deltas := make([]*Delta, 0, len(sums))
	for k, f := range sums {
		deltas = append(deltas, &Delta{k.at, k.server, k.tool, k.keyID, *f})
	}
	if err := r.store.AddUsage(ctx, deltas, used); err != nil {
		// Not added again: whether the store has counted them is not known.
		r.log.WarnContext(ctx, "usage figures may be lost", slog.Int("deltas", len(deltas)), slog.String("error", err.Error()))
	}
}
