package probe

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
)

// Two requests wait for one another's result, and both use the host afterwards.
func TestRequestsWaitForOneAnother(t *testing.T) {
	p := theProbe(t)
	const pairs = 20
	together(2*pairs, func(i int) {
		pair, me, other := i/2, "a", "b"
		if i%2 == 1 {
			me, other = other, me
		}
		at, to := fmt.Sprint("pair-", pair, me), fmt.Sprint("pair-", pair, other)
		a, err := p.try(t.Context(), "GET", query("/meet", "at", at, "to", to, "give", "from "+me), nil)
		if assert.NoError(t, err) {
			assert.Equal(t, 200, a.status, a.text)
			assert.Equal(t, "from "+other, a.text)
		}
	})
	assert.Equal(t, "from b", p.get(t, "/kv?ns=CONFIG&key=meet-pair-0a").text)
}

// A timer fires though the request that made it has ended.
func TestTimerOutlivesItsRequest(t *testing.T) {
	p := theProbe(t)
	before := p.counters(t).Timers
	require.Equal(t, 202, p.get(t, "/timer?ms=100").status)
	comes(t, "the timer fires", func() bool { return p.counters(t).Timers == before+1 })
	// And while others wait for timers of their own.
	require.Equal(t, 202, p.get(t, "/timer?ms=150").status)
	together(8, func(i int) {
		a, err := p.try(t.Context(), "GET", "/sleep?ms="+strconv.Itoa(20+60*i), nil)
		if assert.NoError(t, err) {
			assert.Equal(t, 200, a.status)
		}
	})
	comes(t, "the timer fires", func() bool { return p.counters(t).Timers == before+2 })
}

// The client of the request that does the work leaves; the work goes on and the others get its result.
func TestLeaderOfSharedWaitLeaves(t *testing.T) {
	p := theProbe(t)
	var arrived atomic.Int64
	at, release := make(chan struct{}), make(chan struct{})
	network := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if arrived.Add(1) == 1 {
			close(at)
		}
		<-release
		_, _ = w.Write([]byte("the result"))
	})
	path := query("/fly", "name", t.Name()+time.Now().String(), "url", network.URL)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, err := p.try(ctx, "GET", path, nil)
		assert.ErrorIs(t, err, context.Canceled)
	}()
	<-at
	const followers = 10
	var all sync.WaitGroup
	for range followers {
		all.Go(func() {
			a, err := p.try(t.Context(), "GET", path, nil)
			if assert.NoError(t, err) {
				assert.Equal(t, 200, a.status)
				assert.Equal(t, "the result", a.text)
				assert.Equal(t, "no", a.header.Get("X-Leader"))
			}
		})
	}
	comes(t, "all wait", func() bool { return p.state(t).Owners >= followers+1 })
	leave()
	<-left
	close(release)
	all.Wait()
	assert.EqualValues(t, 1, arrived.Load())
	p.idle(t)
}

// Slow requests share one instance.
func TestSlowRequestsShareOneInstance(t *testing.T) {
	p := theProbe(t)
	p.get(t, "/hello")
	before := p.state(t)
	const slow = 64
	var arrived atomic.Int64
	all := make(chan struct{})
	network := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		if arrived.Add(1) == slow {
			close(all)
		}
		<-all // no one is answered before all are there
		_, _ = w.Write([]byte("slow"))
	})
	together(slow, func(int) {
		a, err := p.try(t.Context(), "GET", query("/fetch", "url", network.URL), nil)
		if assert.NoError(t, err) {
			assert.Equal(t, 200, a.status)
			assert.Contains(t, a.text, `"slow"`)
		}
	})
	after := p.state(t)
	assert.Equal(t, before.Started, after.Started)
	assert.Less(t, after.Memory, int64(64<<20))
	p.idle(t)
}

// Work in the background outlives the response.
func TestBackground(t *testing.T) {
	p := theProbe(t)
	require.Equal(t, 202, p.get(t, "/background?key=background&ms=100").status)
	comes(t, "the work is done", func() bool { return p.get(t, "/kv?ns=CONFIG&key=background").text == "done" })
	p.idle(t)
}

// Work in the background whose request is no more runs all the same, since others may wait for it.
func TestBackgroundWithoutItsRequest(t *testing.T) {
	p := theProbe(t)
	before := p.counters(t).Orphans
	require.Equal(t, 202, p.get(t, "/orphan").status)
	comes(t, "the work is told", func() bool { return p.counters(t).Orphans == before+1 })
	p.idle(t)
}

// The clock jumps: timers that are due fire, and time has passed.
func TestClock(t *testing.T) {
	p := ownProbe(t, host.Options{})
	type times struct {
		Unix  int64 `json:"unix_ms"`
		Start int64 `json:"since_start_ms"`
	}
	var before, after times
	p.get(t, "/now").into(t, &before)
	awake := make(chan answer, 1)
	go func() {
		a, err := p.try(t.Context(), "GET", "/sleep?ms=3600000", nil)
		assert.NoError(t, err)
		awake <- a
	}()
	comes(t, "one sleeps", func() bool { return p.state(t).Owners == 1 })
	assert.Equal(t, 200, passing(t, p, awake).status)
	p.get(t, "/now").into(t, &after)
	hour := time.Hour.Milliseconds()
	assert.GreaterOrEqual(t, after.Unix-before.Unix, hour)
	assert.GreaterOrEqual(t, after.Start-before.Start, hour)
}

// Nothing is left behind.
func TestNothingLeaks(t *testing.T) {
	p := theProbe(t)
	network := upstream(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) })
	mixed := func() {
		together(40, func(i int) {
			path := []string{"/hello", "/sleep?ms=5", query("/fetch", "url", network.URL), query("/pass", "url", network.URL), "/stream?count=3"}[i%5]
			if _, err := p.try(t.Context(), "GET", path, nil); err != nil {
				assert.NoError(t, err)
			}
		})
		p.idle(t)
	}
	mixed()
	before := p.counters(t)
	for range 5 {
		mixed()
	}
	after := p.counters(t)
	assert.LessOrEqual(t, after.Goroutines, before.Goroutines+64, "idle goroutines are kept, but not more than their limit")
	assert.Less(t, after.Heap, before.Heap+(2<<20))
}
