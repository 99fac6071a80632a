package recall_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/recall"
)

var times = recall.Times{Fresh: 3 * time.Second, Stale: 5 * time.Second, Absent: time.Second}

func beside(ctx context.Context, f func(context.Context)) { go f(context.WithoutCancel(ctx)) }

func TestOneLookForAllCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, looks := recall.New[int](beside, times, 8), 0
		load := func(context.Context) (int, bool, error) {
			looks++
			time.Sleep(time.Second)
			return 7, true, nil
		}
		var wg sync.WaitGroup
		leaving, leave := context.WithCancel(t.Context())
		wg.Go(func() { _, _, err := c.Get(leaving, "k", load); assert.ErrorIs(t, err, context.Canceled) })
		synctest.Wait()
		for range 50 {
			wg.Go(func() {
				v, ok, err := c.Get(t.Context(), "k", load)
				assert.NoError(t, err)
				assert.True(t, ok)
				assert.Equal(t, 7, v)
			})
		}
		leave() // the look does not belong to the caller that began it
		wg.Wait()
		assert.Equal(t, 1, looks)
	})
}

func TestStaleIsAnsweredAtOnceAndRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := recall.New[string](beside, times, 8)
		get := func(now string, err error) (string, error) {
			v, _, gerr := c.Get(t.Context(), "k", func(context.Context) (string, bool, error) { return now, true, err })
			synctest.Wait()
			return v, gerr
		}
		v, err := get("a", nil)
		require.NoError(t, err)
		assert.Equal(t, "a", v)
		time.Sleep(4 * time.Second)
		v, _ = get("b", nil)
		assert.Equal(t, "a", v, "at once")
		v, _ = get("c", nil)
		assert.Equal(t, "b", v, "renewed in the background, fresh now")
		time.Sleep(4 * time.Second)
		v, err = get("", errors.New("down"))
		require.NoError(t, err, "a failed look leaves what is not too old")
		assert.Equal(t, "b", v)
		time.Sleep(2 * time.Second)
		_, err = get("", errors.New("down"))
		assert.Error(t, err)
	})
}

func TestAPutOvertakesALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := recall.New[string](beside, times, 8)
		var got string
		var wg sync.WaitGroup
		wg.Go(func() {
			got, _, _ = c.Get(t.Context(), "k", func(context.Context) (string, bool, error) {
				time.Sleep(time.Second)
				return "old", true, nil
			})
		})
		synctest.Wait()
		c.Put("k", "new", true)
		wg.Wait()
		assert.Equal(t, "new", got)
		v, ok := c.Peek("k")
		assert.True(t, ok)
		assert.Equal(t, "new", v)
	})
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := recall.New[int](beside, times, 100)
		for i := range 1000 {
			c.Put(strconv.Itoa(i), i, true)
		}
		kept := 0
		for i := range 1000 {
			if _, ok := c.Peek(strconv.Itoa(i)); ok {
				kept++
			}
		}
		assert.LessOrEqual(t, kept, 100)
		assert.Greater(t, kept, 50)
	})
}
