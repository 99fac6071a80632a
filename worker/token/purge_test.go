package token_test

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

var admin = &access.Principal{ID: "key:admin", KeyID: "admin", Role: access.RoleAdmin}

func TestAPurgeReachesEveryInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.life = 3600
		rec, all := w.record(), w.instances(4)
		burst(4, all, rec)
		w.platform.Wait()
		generation, err := all[0].Purge(context.Background(), rec)
		require.NoError(t, err)
		assert.EqualValues(t, 1, generation)
		_, body, _ := call(all[0], rec)
		assert.Equal(t, "token-2", body, "here at once")
		assert.Equal(t, token.CausePurge, w.rows[1].Cause)

		time.Sleep(w.settings.L1Recheck + time.Second)
		burst(4, all, rec) // starts the recheck in the background
		w.platform.Wait()
		for _, e := range all {
			_, body, _ := call(e, rec)
			assert.Equal(t, "token-2", body)
		}
		assert.Equal(t, 2, w.mintCount())
	})
}

func TestAMintInFlightDoesNotBringAPurgedTokenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fail(func(n int, r *http.Request, _ url.Values) *http.Response {
			if n == 1 {
				time.Sleep(5 * time.Second)
			}
			return nil
		})
		rec, all := w.record(), w.instances(2)
		var got string
		var wg sync.WaitGroup
		wg.Go(func() { _, got, _ = call(all[0], rec) })
		time.Sleep(time.Second)
		w.purge(all[1], rec)
		wg.Wait()
		w.platform.Wait()
		assert.Equal(t, "token-2", got, "who waited gets a token of after the purge")
		for _, e := range append(all, w.instance()) {
			_, body, _ := call(e, rec)
			assert.Equal(t, "token-2", body)
		}
		assert.Equal(t, 2, w.mintCount())
	})
}

func (w *world) purge(e *token.Engine, rec *registry.Record) {
	_, err := e.Purge(context.Background(), rec)
	require.NoError(w.t, err)
}

// KV that answers what it held a minute ago, as another location's does.
func TestAPurgedTokenThatKVStillAnswersIsNotTakenByWhoKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec, all := w.record(), w.instances(1)
		burst(1, all, rec)
		w.platform.Wait()
		kv, row := w.platform.KV(platform.Tokens), w.tokenRow()
		old, err := kv.Get(context.Background(), row)
		require.NoError(t, err)
		w.purge(all[0], rec)
		require.NoError(t, kv.Put(context.Background(), row, old, 0))
		_, body, _ := call(all[0], rec)
		assert.Equal(t, "token-2", body)
	})
}

func TestAnInstanceKilledMidMint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec, all := w.record(), w.instances(2)
		dead := all[0]
		var home atomic.Pointer[token.Engine]
		home.Store(dead)
		w.platform.Objects = objects(func(rw http.ResponseWriter, r *http.Request, a platform.Actor) { home.Load().ServeObject(rw, r, a) })
		gone := make(chan struct{})
		w.fail(func(n int, r *http.Request, _ url.Values) *http.Response {
			if n == 1 {
				<-gone // the request of the instance that dies never gets its answer
				return reply(0, "", "")
			}
			return nil
		})
		var wg sync.WaitGroup
		wg.Go(func() { _, _, _ = call(dead, rec) })
		time.Sleep(time.Second)
		home.Store(all[1]) // the object comes to life in another instance
		status, body, err := call(all[1], rec)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, "token-2", body)
		close(gone)
		wg.Wait()
		w.platform.Wait()
		assert.Equal(t, 2, w.mintCount(), "the lost one and one more")
	})
}

// The object is reset: its storage answers "gone" to the earlier life.
func TestAResetObjectIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec, all := w.record(), w.instances(2)
		resets := 0
		var mu sync.Mutex
		w.platform.Objects = objects(func(rw http.ResponseWriter, r *http.Request, a platform.Actor) {
			mu.Lock()
			first := resets == 0
			resets++
			mu.Unlock()
			if first {
				a.Storage = goneStorage{a.Storage}
			}
			all[0].ServeObject(rw, r, a)
		})
		assert.Equal(t, 20, burst(20, all, rec))
		assert.LessOrEqual(t, w.mintCount(), 2)
	})
}

type objects func(http.ResponseWriter, *http.Request, platform.Actor)

func (f objects) ServeObject(w http.ResponseWriter, r *http.Request, a platform.Actor) { f(w, r, a) }

type goneStorage struct{ platform.Storage }

func (goneStorage) Transact(context.Context, ...platform.Step) (bool, error) {
	return false, &platform.Error{Op: "storage.transact", Code: platform.CodeGone}
}

func TestTheLeaderMayLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec, all := w.record(), w.instances(2)
		ctx, leave := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer leave()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _, err := callAs(ctx, all[0], rec, admin)
			assert.Error(t, err)
		})
		time.Sleep(10 * time.Millisecond)
		assert.Equal(t, 30, burst(30, all, rec), "the mint goes on for the others")
		wg.Wait()
		assert.Equal(t, 1, w.mintCount())
	})
}

// A purge ends a failure everywhere: an instance that has heard of it asks again before its time.
func TestPurgeEndsAFailureElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec, all := w.record(), w.instances(2)
		w.fail(func(int, *http.Request, url.Values) *http.Response {
			resp := reply(429, "", "")
			resp.Header.Set("Retry-After", "3600")
			return resp
		})
		_, _, err := call(all[0], rec)
		require.Equal(t, "idp_rate_limited", problemOf(t, err).Code)
		w.fail(nil)
		time.Sleep(time.Minute)
		_, _, err = call(all[0], rec)
		require.Equal(t, "idp_rate_limited", problemOf(t, err).Code, "the minter obeys Retry-After")
		require.Equal(t, 1, w.mintCount())

		_, err = all[1].Purge(context.Background(), rec)
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		status, _, err := call(all[0], rec)
		require.NoError(t, err)
		assert.Equal(t, 200, status)
		assert.Equal(t, 2, w.mintCount())
	})
}

func TestRefreshMintsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec, e := w.record(), w.instance()
		burst(1, []*token.Engine{e}, rec)
		st, err := e.Refresh(context.Background(), rec, "", admin)
		require.NoError(t, err)
		assert.Equal(t, 2, w.mintCount())
		assert.Equal(t, token.StateValid, st.State)
		assert.Equal(t, token.CauseRefresh, st.Cause)
		_, body, _ := call(e, rec)
		assert.Equal(t, "token-2", body)

		w.fail(func(int, *http.Request, url.Values) *http.Response {
			resp := reply(429, "", "")
			resp.Header.Set("Retry-After", "60")
			return resp
		})
		_, err = e.Refresh(context.Background(), rec, "", admin)
		assert.Equal(t, "idp_rate_limited", problemOf(t, err).Code, "an administrator hears of the failure although the old token is good")
		_, _ = e.Refresh(context.Background(), rec, "", admin)
		assert.Equal(t, 3, w.mintCount(), "Retry-After is obeyed even then")
		status, body, err := call(e, rec)
		require.NoError(t, err)
		assert.Equal(t, 200, status)
		assert.Equal(t, "token-2", body)
	})
}
