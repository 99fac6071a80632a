package lists

import (
	"context"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/mcp/upstream"
)

// Each runs f for 0 … n-1, at most parallel at once, each with its own timeout, and
// waits for all.
func Each(ctx context.Context, n, parallel int, timeout time.Duration, f func(ctx context.Context, i int)) {
	one := func(i int) {
		ctx, cancel := context.WithTimeoutCause(ctx, timeout, upstream.ErrTimeout)
		defer cancel()
		f(ctx, i)
	}
	if n == 1 {
		one(0)
		return
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(n, parallel) {
		wg.Go(func() {
			for i := range next {
				one(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
