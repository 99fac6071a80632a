// Package flight lets callers who want the same answer at the same time share one look
// for it. The look belongs to none of them: it goes on when the one who began it leaves.
package flight

import (
	"context"
	"errors"
	"sync"
)

// Group holds the looks under way. The zero value shares nothing: Do then runs f for each
// caller by itself.
type Group[V any] struct {
	// Background runs a function beside the request that began it and beyond its end
	// (platform.Platform has it); nil: nothing is shared.
	Background func(context.Context, func(context.Context))

	mu      sync.Mutex
	flights map[string]*flight[V]
}

type flight[V any] struct {
	done  chan struct{}
	value V
	err   error
}

// Do answers what f answers, from a look under way for this key if there is one. A look that
// ended because its beginner's request did says nothing: whoever joined it looks anew.
func (g *Group[V]) Do(ctx context.Context, key string, f func(context.Context) (V, error)) (V, error) {
	if g.Background == nil {
		return f(ctx)
	}
	for {
		fl, began := g.join(ctx, key, f)
		select {
		case <-fl.done:
			if began || ctx.Err() != nil || !errors.Is(fl.err, context.Canceled) {
				return fl.value, fl.err
			}
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		}
	}
}

// join answers the look under way, or begins one.
func (g *Group[V]) join(ctx context.Context, key string, f func(context.Context) (V, error)) (fl *flight[V], began bool) {
	g.mu.Lock()
	fl = g.flights[key]
	if fl != nil {
		g.mu.Unlock()
		return fl, false
	}
	fl = &flight[V]{done: make(chan struct{})}
	if g.flights == nil {
		g.flights = map[string]*flight[V]{}
	}
	g.flights[key] = fl
	g.mu.Unlock()
	g.Background(ctx, func(ctx context.Context) {
		defer func() {
			g.mu.Lock()
			delete(g.flights, key)
			g.mu.Unlock()
			close(fl.done)
		}()
		fl.err = context.Canceled // should f not return
		fl.value, fl.err = f(ctx)
	})
	return fl, true
}
