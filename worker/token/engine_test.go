package token_test

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

// burst calls from n goroutines spread over the instances and answers how many were
// answered 200.
func burst(n int, instances []*token.Engine, rec *registry.Record) (ok int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range n {
		wg.Go(func() {
			status, _, err := call(instances[i%len(instances)], rec)
			if err == nil && status == http.StatusOK {
				mu.Lock()
				ok++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return ok
}

func (w *world) instances(n int) (all []*token.Engine) {
	for range n {
		all = append(all, w.instance())
	}
	return all
}

// TestCallersWhoComeAtOnceShareAPlan: what is discovered, and whatever else a plan holds, is there once.
func TestCallersWhoComeAtOnceShareAPlan(t *testing.T) {
	w := newWorld(t)
	e := w.instance()
	for n := range 100 {
		rec := w.record(func(r *registry.Record) { r.ServerID = fmt.Sprintf("00000000-0000-4000-8000-%012d", n) })
		plans, begin := make(chan any, 8), make(chan struct{})
		for range cap(plans) {
			go func() {
				<-begin
				plans <- e.Plan(rec)
			}()
		}
		close(begin)
		first := <-plans
		for range cap(plans) - 1 {
			require.Same(t, first, <-plans)
		}
	}
}

func TestAThousandColdCallersOverFourInstancesMintOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec := w.record()
		assert.Equal(t, 1000, burst(1000, w.instances(4), rec))
		assert.Equal(t, 1, w.mintCount())
	})
}

func TestARevokedTokenIsReplacedOnceForTheWholeBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec, all := w.record(), w.instances(4)
		require.Equal(t, 8, burst(8, all, rec))
		w.revoke("token-1")
		assert.Equal(t, 200, burst(200, all, rec), "no call fails")
		assert.Equal(t, 2, w.mintCount(), "one mint for the burst")
	})
}

func TestTwoHoursOfFiveMinuteTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec, all := w.record(), w.instances(4)
		failed := 0
		for begin := time.Now(); time.Since(begin) < 2*time.Hour; time.Sleep(700 * time.Millisecond) {
			for _, e := range all {
				if status, _, err := call(e, rec); err != nil || status != http.StatusOK {
					failed++
				}
			}
		}
		w.platform.Wait()
		assert.Zero(t, failed)
		assert.Zero(t, w.expired, "no call carried an expired token")
		assert.InDelta(t, 28, w.mintCount(), 2, "one mint per token life, which the early refresh shortens to 260 … 275 s")
	})
}

func TestAnOutageWithAValidTokenFailsNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.life = 120
		rec, all := w.record(), w.instances(4)
		burst(4, all, rec)
		time.Sleep(50 * time.Second)
		w.fail(func(int, *http.Request, url.Values) *http.Response { return reply(503, "", "") })
		before := w.mintCount()
		for range 600 {
			assert.Equal(t, 4, burst(4, all, rec))
			time.Sleep(100 * time.Millisecond)
		}
		attempts := w.mintCount() - before
		t.Logf("%d mint attempts in 60 s of outage", attempts)
		assert.LessOrEqual(t, attempts, 6)
		w.fail(nil)
		time.Sleep(5 * time.Second)
		assert.Equal(t, 4, burst(4, all, rec))
	})
}
