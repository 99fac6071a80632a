package token

import (
	"context"
	"time"

	"github.com/grantway/grantway/worker/platform"
)

const (
	// reportEvery is how often an instance writes its counters to the analytics binding.
	reportEvery = time.Minute
	// reportLimit bounds the rows of one time: Workers allows 25 in one invocation.
	reportLimit = 20
)

// report writes what the counters grew by, now and then, by one call and after its
// reply. Without a binding the host drops the rows.
func (e *Engine) report(ctx context.Context, now time.Time) {
	due := e.reportAt.Load()
	if now.UnixNano() < due || !e.reportAt.CompareAndSwap(due, now.Add(reportEvery).UnixNano()) {
		return
	}
	e.platform.Background(ctx, func(ctx context.Context) {
		for _, c := range e.count.registry.Changes(reportLimit) {
			e.platform.DataPoint(ctx, platform.DataPoint{Index: "counter", Blobs: []string{c.Name, c.Labels}, Doubles: []float64{float64(c.By)}})
		}
	})
}
