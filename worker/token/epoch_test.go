package token_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

// purged answers the record after a purge of its callers' tokens, or of one caller's.
func purged(rec *registry.Record, caller ...string) *registry.Record {
	next := rec.Clone()
	next.Version++
	_, err := next.RaiseEpoch(strings.Join(caller, ""), time.Now(), time.Hour)
	if err != nil {
		panic(err)
	}
	return next
}

func TestAPurgeOfCallersTokens(t *testing.T) {
	for _, flow := range []registry.Flow{registry.FlowTokenExchange, registry.FlowJWTBearer} {
		t.Run(string(flow), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.life = 3600
				rec, all := w.record(func(r *registry.Record) { r.OAuth2Flow = flow }), w.instances(2)
				ann, bob := &access.Principal{ID: "jwt:a", JWT: "jwt-of-ann"}, &access.Principal{ID: "jwt:b", JWT: "jwt-of-bob"}
				got := func(e *token.Engine, rec *registry.Record, who *access.Principal) string {
					_, body, err := callAs(t.Context(), e, rec, who)
					require.NoError(t, err)
					return body
				}
				for _, e := range all {
					assert.Equal(t, "token-1", got(e, rec, ann))
				}
				assert.Equal(t, "token-2", got(all[0], rec, bob))
				w.platform.Wait()
				assert.True(t, all[0].ByEpoch(rec))
				assert.Equal(t, 2, all[0].Status(t.Context(), rec, "", nil).Held)

				rec = purged(rec)
				st := all[0].Status(t.Context(), rec, "", nil)
				assert.Zero(t, st.Held)
				assert.EqualValues(t, 1, st.Generation)
				assert.Equal(t, "token-3", got(all[0], rec, ann))
				w.platform.Wait()
				for _, e := range append(all, w.instance()) {
					assert.Equal(t, "token-3", got(e, rec, ann))
				}
				assert.Equal(t, "token-4", got(all[1], rec, bob))
				assert.Equal(t, 4, w.mintCount())

				rec = purged(rec, bob.ID)
				st = all[1].Status(t.Context(), rec, "", nil)
				assert.Equal(t, 1, st.Held, "ann's")
				assert.Zero(t, all[1].Status(t.Context(), rec, bob.ID, nil).Held)
				for _, e := range all {
					assert.Equal(t, "token-3", got(e, rec, ann), "only bob's are void")
					assert.Equal(t, "token-5", got(e, rec, bob))
				}
				assert.Equal(t, 5, w.mintCount())

				// With the caller's own JWT its token can be refreshed and seen; with nobody's none can.
				st, err := all[0].Refresh(t.Context(), rec, "", bob)
				require.NoError(t, err)
				assert.Equal(t, token.StateValid, st.State)
				assert.Equal(t, token.CauseRefresh, st.Cause)
				assert.Equal(t, "token-6", got(all[0], rec, bob))
				for _, caller := range []string{"", bob.ID} {
					_, err = all[0].Refresh(t.Context(), rec, caller, admin)
					assert.Equal(t, "token_per_caller", problemOf(t, err).Code)
				}
				_, err = all[0].Refresh(t.Context(), rec, ann.ID, bob)
				assert.Equal(t, "token_per_caller", problemOf(t, err).Code, "only one's own")
				assert.Equal(t, 6, w.mintCount())
				assert.NoError(t, all[0].CheckCaller(t.Context(), rec, ann.ID))
				assert.Equal(t, "caller_unknown", problemOf(t, all[0].CheckCaller(t.Context(), rec, "key:k1")).Code)
			})
		})
	}
}

func TestAPurgeOfCallersTokensWhileOneIsMinted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fail(func(n int, _ *http.Request, _ url.Values) *http.Response {
			if n == 1 {
				time.Sleep(5 * time.Second)
			}
			return nil
		})
		rec, all := w.record(func(r *registry.Record) { r.OAuth2Flow = registry.FlowTokenExchange }), w.instances(2)
		ann := &access.Principal{ID: "jwt:a", JWT: "jwt-of-ann"}
		var early string
		var wg sync.WaitGroup
		wg.Go(func() { _, early, _ = callAs(t.Context(), all[0], rec, ann) })
		time.Sleep(time.Second)
		next := purged(rec)
		_, late, err := callAs(t.Context(), all[0], next, ann) // the same instance: it must not join the flight
		require.NoError(t, err)
		wg.Wait()
		w.platform.Wait()
		assert.Equal(t, "token-2", late)
		assert.Equal(t, "token-2", early, "who waited gets a token of after the purge")
		_, body, err := callAs(t.Context(), w.instance(), next, ann)
		require.NoError(t, err)
		assert.Equal(t, "token-2", body)
		assert.Equal(t, 2, w.mintCount())
	})
}

func TestAPurgeOfConnectionsTokensKeepsTheConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInteractive(t)
		all := w.instances(2)
		w.connect(all[0], "ann", "token-of-ann")
		w.connect(all[0], "bob", "token-of-bob")
		assert.Equal(t, "token-of-ann", w.as(all[1], "ann"))
		w.rec = purged(w.rec)
		assert.Equal(t, "token-1", w.as(all[1], "ann"), "renewed")
		assert.Equal(t, "token-1", w.as(all[0], "ann"))
		assert.Equal(t, "token-2", w.as(all[0], "bob"))
		w.connect(all[1], "bob", "token-of-bob-again")
		assert.Equal(t, "token-of-bob-again", w.as(all[1], "bob"), "what is connected after the purge is not void")
	})
}

func TestTheTokenOfOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInteractive(t)
		all := w.instances(2)
		w.connect(all[0], "ann", "token-of-ann")
		w.connect(all[0], "bob", "token-of-bob")
		assert.Equal(t, "token-of-bob", w.as(all[1], "bob"))
		w.rec = purged(w.rec, "ann")
		assert.Equal(t, token.StateNone, all[1].Status(t.Context(), w.rec, "ann", admin).State)
		assert.Equal(t, "token-1", w.as(all[1], "ann"), "renewed")
		for _, e := range all {
			assert.Equal(t, "token-1", w.as(e, "ann"))
			assert.Equal(t, "token-of-bob", w.as(e, "bob"))
		}

		st, err := all[1].Refresh(t.Context(), w.rec, "bob", admin)
		require.NoError(t, err)
		assert.Equal(t, token.StateValid, st.State)
		assert.EqualValues(t, 1, st.Mints)
		assert.Equal(t, "token-2", w.as(all[1], "bob"))
		_, err = all[1].Refresh(t.Context(), w.rec, "", admin)
		assert.Equal(t, "token_per_caller", problemOf(t, err).Code)
		assert.Equal(t, "not_connected", problemOf(t, all[1].CheckCaller(t.Context(), w.rec, "eve")).Code)
		w.mu.Lock()
		clear(w.live) // revoked at the authorization server
		w.mu.Unlock()
		_, err = all[1].Refresh(t.Context(), w.rec, "bob", admin)
		assert.Equal(t, token.CodeConnectionEnded, problemOf(t, err).Code)
		assert.Equal(t, http.StatusConflict, problemOf(t, err).Status)
		assert.Equal(t, "token-2", w.as(all[1], "bob"), "the old one serves to its end")
		assert.Equal(t, "token_not_per_caller", problemOf(t, all[1].CheckCaller(t.Context(), w.record(func(r *registry.Record) { r.ServerID = "m2m" }), "bob")).Code)
		w.platform.Wait()
	})
}

// A secret is rotated where another instance has not heard of it yet.
func TestARefusedClientIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		good := "s3cret-one"
		w.fail(func(_ int, r *http.Request, _ url.Values) *http.Response {
			if _, secret, _ := r.BasicAuth(); secret != good {
				return reply(401, "application/json", `{"error":"invalid_client"}`)
			}
			return nil
		})
		rec, all := w.record(), w.instances(4)
		assert.Equal(t, 8, burst(8, all, rec))
		next := rec.Clone()
		next.Version, next.Secrets = 2, w.secrets(rec, map[string]string{registry.SecretClientSecret: "s3cret-two"})
		w.mu.Lock()
		good, w.latest = "s3cret-two", next
		w.revoked["token-1"] = true
		w.mu.Unlock()
		assert.Equal(t, 200, burst(200, all, rec), "all of them have the old copy")
		assert.LessOrEqual(t, w.reads, len(all), "each instance reads once")
		reads := w.reads
		assert.Equal(t, 200, burst(200, all, rec), "an instance does not go back")
		assert.Equal(t, reads, w.reads)
		assert.Equal(t, 3, w.mintCount(), "the first, the refused one, the new one")

		// Without a later version the failure stands, and the record is not read for each call.
		w.mu.Lock()
		good, w.revoked["token-3"] = "s3cret-three", true
		w.mu.Unlock()
		assert.Zero(t, burst(200, all, next))
		assert.LessOrEqual(t, w.reads-reads, 2*len(all))
		time.Sleep(time.Minute)
		last := next.Clone()
		last.Version, last.Secrets = 3, w.secrets(rec, map[string]string{registry.SecretClientSecret: "s3cret-three"})
		w.mu.Lock()
		w.latest = last
		w.mu.Unlock()
		status, _, err := call(all[0], rec)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, status)
		assert.NoError(t, all[1].Ready(context.Background(), next, admin))
	})
}
