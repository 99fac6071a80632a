package flight

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func background(ctx context.Context, f func(context.Context)) { go f(context.WithoutCancel(ctx)) }

func TestOneLookForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := Group[int]{Background: background}
		var looks atomic.Int64
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				v, err := g.Do(t.Context(), "k", func(context.Context) (int, error) {
					looks.Add(1)
					time.Sleep(time.Second)
					return 7, nil
				})
				assert.NoError(t, err)
				assert.Equal(t, 7, v)
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1, looks.Load())
		_, err := g.Do(t.Context(), "k", func(context.Context) (int, error) { return 0, errors.New("later") })
		assert.EqualError(t, err, "later", "an answer is not kept")
	})
}

func TestTheFirstMayLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := Group[int]{Background: background}
		look := func(context.Context) (int, error) {
			time.Sleep(time.Second)
			return 7, nil
		}
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			_, err := g.Do(ctx, "k", look)
			assert.ErrorIs(t, err, context.Canceled)
		}()
		synctest.Wait()
		leave()
		v, err := g.Do(t.Context(), "k", look)
		assert.NoError(t, err)
		assert.Equal(t, 7, v)
	})
}

// The host may have no place for the look, because the request that began it is no more: its context has then ended.
func TestALookWithoutItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places := 0
		g := Group[int]{Background: func(ctx context.Context, f func(context.Context)) {
			ctx, end := context.WithCancel(context.WithoutCancel(ctx))
			if places++; places == 1 {
				time.AfterFunc(time.Second, end)
			}
			go func() {
				defer end()
				f(ctx)
			}()
		}}
		look := func(ctx context.Context) (int, error) {
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(time.Minute):
				return 7, nil
			}
		}
		go func() {
			_, err := g.Do(t.Context(), "k", look)
			assert.ErrorIs(t, err, context.Canceled)
		}()
		synctest.Wait()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				v, err := g.Do(t.Context(), "k", look)
				assert.NoError(t, err)
				assert.Equal(t, 7, v)
			})
		}
		wg.Wait()
		assert.Equal(t, 2, places, "who joined the look begins one anew, together")
	})
}
