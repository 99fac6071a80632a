package token_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/token"
)

// The clock is set back by an hour after failures: what they forbid is not forbidden for an hour.
func TestAClockThatIsSetBackAfterFailures(t *testing.T) {
	for name, state := range map[string]func(then int64) map[string]any{
		"of mints": func(then int64) map[string]any {
			return map[string]any{"failure": oauth.Failure{Class: oauth.Unavailable, Code: "idp_error"}, "failures": 3, "failed_at": then, "not_before": then + 8000}
		},
		"refusals of the upstream": func(then int64) map[string]any {
			return map[string]any{"refusals": 3, "refused_at": then}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				rec, e := w.record(), w.instance()
				require.Equal(t, 1, burst(1, []*token.Engine{e}, rec))
				w.platform.Wait()
				b := jsonOf(state(time.Now().Add(time.Hour).UnixMilli()))
				require.NoError(t, w.platform.Storage(platform.Minter, w.identity()).Put(t.Context(), "state", []byte(b)))
				w.revoke("token-1")
				status, body, err := call(e, rec)
				require.NoError(t, err)
				assert.Equal(t, http.StatusOK, status)
				assert.Equal(t, "token-2", body)
				w.platform.Wait()
			})
		})
	}
}

// A token from before the clock was set back looks newer than every one of after. Once it has ended it does not stand in their way.
func TestATokenThatSeemsNewerButHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec, e := w.record(), w.instance()
		require.Equal(t, 1, burst(1, []*token.Engine{e}, rec))
		w.platform.Wait()
		row, identity := w.tokenRow(), w.identity()
		time.Sleep(5 * time.Minute)                             // it has ended, in this instance's time
		issued := time.Now().Add(-10 * time.Minute).UnixMilli() // and the clock of who mints was set back since
		w.issued["token-of-after"] = time.Now().Add(time.Hour)
		sealed := w.keyring.Seal([]byte(jsonOf(map[string]any{"token": "token-of-after", "issued_at": issued, "expires_at": issued + 3_600_000})),
			"token", identity, "https://idp.example.com", "https://mcp.example.com")
		require.NoError(t, w.platform.KV(platform.Tokens).Put(t.Context(), row, sealed, 0))
		asked := atomic.Int64{}
		w.platform.Fault = func(op, _, _ string) error {
			if op == "object" || op == "kv.get" {
				asked.Add(1)
			}
			return nil
		}
		for range 10 {
			_, body, err := call(e, rec)
			require.NoError(t, err)
			assert.Equal(t, "token-of-after", body)
		}
		assert.EqualValues(t, 1, asked.Load(), "it is kept")
	})
}
