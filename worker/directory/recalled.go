package directory

import (
	"context"
	"time"

	"github.com/grantway/grantway/worker/recall"
)

// How long an instance works with the settings that it has read.
const (
	settingsFresh = 5 * time.Second  // without looking again
	settingsStale = 10 * time.Second // while it looks again in the background
	// settingsKept is how long it goes on with them while the Directory cannot be reached, or does not answer
	// within settingsWait.
	settingsKept = 10 * time.Minute
	settingsWait = 3 * time.Second
)

// RecalledSettings are the settings in an instance's memory.
type RecalledSettings struct {
	read  func(context.Context) (Settings, error)
	cache *recall.Cache[recalledSettings]
}

type recalledSettings struct {
	Settings
	read time.Time
}

// NewRecalledSettings makes the memory of what read answers (Client.Settings). background runs a function beside the
// request that began it and beyond its end (platform.Platform has it).
func NewRecalledSettings(read func(context.Context) (Settings, error), background func(context.Context, func(context.Context))) *RecalledSettings {
	times := recall.Times{Fresh: settingsFresh, Stale: settingsStale}
	return &RecalledSettings{read: read, cache: recall.New[recalledSettings](background, times, 1)}
}

// Get answers the settings: at most settingsStale old while the Directory answers, settingsKept while it does not.
func (r *RecalledSettings) Get(ctx context.Context) (Settings, error) {
	s, _, err := r.cache.Get(ctx, "", func(ctx context.Context) (recalledSettings, bool, error) {
		known, _ := r.cache.Peek("")
		usable := time.Since(known.read) < settingsKept
		if usable {
			var cancel func()
			ctx, cancel = context.WithTimeout(ctx, settingsWait)
			defer cancel()
		}
		s, err := r.read(ctx)
		switch {
		case err == nil:
			return recalledSettings{s, time.Now()}, true, nil
		case usable:
			return known, true, nil
		}
		return recalledSettings{}, false, err
	})
	return s.Settings, err
}

// Put makes a change effective in this instance at once.
func (r *RecalledSettings) Put(s Settings) { r.cache.Put("", recalledSettings{s, time.Now()}, true) }
