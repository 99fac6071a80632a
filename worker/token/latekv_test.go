package token_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/platform"
)

// Nobody waits for a KV that hangs while the minter is out of reach, too.
func TestNeitherMinterNorKV(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.platform.Fault = func(op, _, _ string) error {
			switch op {
			case "object":
				return &platform.Error{Op: "object", Code: platform.CodeReset}
			case "kv.put":
				time.Sleep(time.Hour)
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		status, _, err := callAs(ctx, w.instance(), w.record(), admin)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, status)
		w.platform.Wait()
	})
}

// A token is written to KV after the reply. A purge that comes in between is not undone by that.
func TestAPurgeBeforeTheTokenIsInKV(t *testing.T) {
	for name, unreachable := range map[string]bool{"minted by the minter": false, "minted by the instance": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.life = 3600
				rec, all := w.record(), w.instances(2)
				var mu sync.Mutex
				puts, down := 0, unreachable
				w.platform.Fault = func(op, _, _ string) error {
					mu.Lock()
					first := op == "kv.put" && puts == 0
					if op == "kv.put" {
						puts++
					}
					lost := op == "object" && down
					mu.Unlock()
					if first {
						time.Sleep(5 * time.Second)
					}
					if lost {
						return &platform.Error{Op: "object", Code: platform.CodeReset}
					}
					return nil
				}
				_, body, err := call(all[0], rec)
				require.NoError(t, err)
				require.Equal(t, "token-1", body)
				mu.Lock()
				down = false
				mu.Unlock()
				time.Sleep(time.Second)
				w.purge(all[0], rec)
				w.platform.Wait()
				_, body, err = call(w.instance(), rec)
				require.NoError(t, err)
				assert.Equal(t, "token-2", body, "what KV has is not the purged token")
				w.platform.Wait()
			})
		})
	}
}

// Workers KV takes one write a second for a key: a tombstone that comes too soon is written a little later.
func TestATombstoneIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.life = 3600
		rec, all := w.record(), w.instances(2)
		require.Equal(t, 2, burst(2, all, rec))
		w.platform.Wait()
		written := time.Now()
		w.platform.Fault = func(op, _, _ string) error {
			if op == "kv.put" && time.Since(written) < time.Second {
				return errBroken
			}
			return nil
		}
		w.purge(all[0], rec)
		time.Sleep(w.settings.L1Recheck + time.Second)
		burst(2, all, rec) // starts the recheck in the background
		w.platform.Wait()
		for _, e := range all {
			_, body, err := call(e, rec)
			require.NoError(t, err)
			assert.Equal(t, "token-2", body)
		}
	})
}
