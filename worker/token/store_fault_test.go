package token_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/seal"
	"github.com/grantway/grantway/worker/token"
)

var errBroken = &platform.Error{Op: "kv", Code: platform.CodeInternal, Message: "broken"}

// tokenRow answers the key of the one row in KV TOKENS.
func (w *world) tokenRow() string {
	keys, _, err := w.platform.KV(platform.Tokens).List(context.Background(), "token/", 10, "")
	require.NoError(w.t, err)
	require.Len(w.t, keys, 1)
	return keys[0]
}

func (w *world) identity() string { return strings.TrimPrefix(w.tokenRow(), "token/") }

func TestANewInstanceTakesTheTokenFromKV(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec := w.record()
		burst(1, w.instances(1), rec)
		w.platform.Wait()
		asked := atomic.Int64{}
		w.platform.Fault = func(op, _, _ string) error {
			if op == "object" {
				asked.Add(1)
			}
			return nil
		}
		assert.Equal(t, 50, burst(50, w.instances(1), rec))
		assert.Equal(t, 1, w.mintCount())
		assert.Zero(t, asked.Load(), "the minter is not asked while KV has the token")

		sealed, err := w.platform.KV(platform.Tokens).Get(context.Background(), w.tokenRow())
		require.NoError(t, err)
		assert.NotContains(t, string(sealed), "token-1")
	})
}

func TestKVThatDoesNotWorkIsNotNeeded(t *testing.T) {
	for name, fault := range map[string]func(op string) error{
		"every operation errs": func(string) error { return errBroken },
		"reads err":            func(op string) error { return when(op == "kv.get") },
		"writes err":           func(op string) error { return when(op == "kv.put") },
		"it is slow": func(string) error {
			time.Sleep(3 * time.Second)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.platform.Fault = func(op, _, _ string) error {
					if strings.HasPrefix(op, "kv.") {
						return fault(op)
					}
					return nil
				}
				rec, all := w.record(), w.instances(4)
				assert.Equal(t, 200, burst(200, all, rec))
				assert.Equal(t, 1, w.mintCount(), "the minter is enough")
				w.platform.Wait()
				w.revoke("token-1")
				assert.Equal(t, 200, burst(200, all, rec))
				assert.Equal(t, 2, w.mintCount())
				w.platform.Wait()
			})
		})
	}
}

func when(broken bool) error {
	if broken {
		return errBroken
	}
	return nil
}

func TestWhatKVAnswersIsNotBelieved(t *testing.T) {
	rotate := func(w *world, _ []byte) []byte {
		k, err := seal.NewKeyring(seal.GenerateKey())
		require.NoError(w.t, err)
		return k.Seal([]byte(`{"token":"evil","issued_at":0,"expires_at":99999999999999}`), "token", w.identity(), "https://idp.example.com", "https://mcp.example.com")
	}
	for name, change := range map[string]func(w *world, sealed []byte) []byte{
		"cut short":      func(_ *world, b []byte) []byte { return b[:len(b)-3] },
		"very short":     func(_ *world, b []byte) []byte { return b[:4] },
		"empty":          func(*world, []byte) []byte { return nil },
		"a flipped bit":  func(_ *world, b []byte) []byte { b[40] ^= 1; return b },
		"plain JSON":     func(*world, []byte) []byte { return []byte(`{"token":"evil","expires_at":99999999999999}`) },
		"an unknown key": rotate,
		"for another row": func(w *world, _ []byte) []byte {
			return w.keyring.Seal([]byte(`{"token":"evil","issued_at":0,"expires_at":99999999999999}`), "token", "0000", "https://idp.example.com", "https://mcp.example.com")
		},
		"for another host": func(w *world, _ []byte) []byte {
			return w.keyring.Seal([]byte(`{"token":"evil","issued_at":0,"expires_at":99999999999999}`), "token", w.identity(), "https://idp.example.com", "https://evil.example.com")
		},
		"sealed nonsense": func(w *world, _ []byte) []byte {
			return w.keyring.Seal([]byte(`[1]`), "token", w.identity(), "https://idp.example.com", "https://mcp.example.com")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				rec := w.record()
				burst(1, w.instances(1), rec)
				w.platform.Wait()
				kv, row := w.platform.KV(platform.Tokens), w.tokenRow()
				sealed, err := kv.Get(context.Background(), row)
				require.NoError(t, err)
				require.NoError(t, kv.Put(context.Background(), row, change(w, sealed), 0))

				status, body, err := call(w.instance(), rec)
				require.NoError(t, err)
				assert.Equal(t, http.StatusOK, status)
				assert.Equal(t, "token-1", body, "the minter's token, not what KV says")
				assert.Equal(t, 1, w.mintCount())
				assert.NotContains(t, w.log.String(), "evil")
			})
		})
	}
}

// A clock that jumps is seen by an instance as a stored token from the future, or as
// one that has ended.
func TestAClockThatJumps(t *testing.T) {
	for name, jump := range map[string]time.Duration{"an hour forward": -time.Hour, "an hour back": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				rec := w.record()
				burst(1, w.instances(1), rec)
				w.platform.Wait()
				w.shift(jump)

				status, body, err := call(w.instance(), rec)
				require.NoError(t, err)
				assert.Equal(t, http.StatusOK, status)
				assert.Equal(t, "token-2", body, "a token of unknown age is not used")
				assert.Zero(t, w.expired)
			})
		})
	}
}

// shift makes the stored token look as if it had been issued this much later.
func (w *world) shift(d time.Duration) {
	ctx := context.Background()
	issued := time.Now().Add(d).UnixMilli()
	sealed := w.keyring.Seal([]byte(jsonOf(map[string]any{"token": "token-1", "issued_at": issued, "expires_at": issued + 300_000})),
		"token", w.identity(), "https://idp.example.com", "https://mcp.example.com")
	require.NoError(w.t, w.platform.KV(platform.Tokens).Put(ctx, w.tokenRow(), sealed, 0))
	state := jsonOf(map[string]any{"sealed": sealed, "issued_at": issued, "expires_at": issued + 300_000, "fingerprint": "f"})
	require.NoError(w.t, w.platform.Storage(platform.Minter, w.identity()).Put(ctx, "state", []byte(state)))
}

func TestTheSealingKeyIsRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec := w.record()
		burst(1, w.instances(1), rec)
		w.platform.Wait()
		old := w.keyring.KeyID()

		var err error
		w.keyring, err = seal.NewKeyring(seal.GenerateKey(), sealKey)
		require.NoError(t, err)
		w.platform.Objects = nil
		all := w.instances(2)
		assert.Equal(t, 20, burst(20, all, rec), "records and tokens of the old key open")
		assert.Equal(t, 1, w.mintCount())
		sealed, _ := w.platform.KV(platform.Tokens).Get(context.Background(), w.tokenRow())
		assert.Equal(t, old, seal.KeyIDOf(sealed))

		w.revoke("token-1")
		assert.Equal(t, 20, burst(20, all, rec))
		w.platform.Wait()
		sealed, _ = w.platform.KV(platform.Tokens).Get(context.Background(), w.tokenRow())
		assert.Equal(t, w.keyring.KeyID(), seal.KeyIDOf(sealed), "new writes use the new key")
	})
}

func TestTheSealingKeyIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec := w.record()
		static := w.record(func(r *registry.Record) {
			r.ServerID, r.AuthType = "22222222-2222-4222-8222-222222222222", registry.AuthBearer
			r.Secrets = w.secrets(r, map[string]string{registry.SecretAuthValue: "s3cret-static"})
		})
		burst(1, w.instances(1), rec)
		w.platform.Wait()
		var err error
		w.keyring, err = seal.NewKeyring(seal.GenerateKey())
		require.NoError(t, err)
		w.platform.Objects = nil
		e := w.instance()
		mints, calls := w.mintCount(), w.calls
		for _, r := range []*registry.Record{rec, static} {
			_, _, err = call(e, r)
			p := problemOf(t, err)
			assert.Equal(t, "secret_unreadable", p.Code)
			assert.Contains(t, p.Message, "GRANTWAY_SEALING_KEY_PREVIOUS")
			assert.Contains(t, p.Message, r.Slug)
		}
		assert.Equal(t, mints, w.mintCount(), "nothing was sent to the authorization server")
		assert.Equal(t, calls, w.calls, "nor to the upstream")
	})
}

func TestTheMinterIsOutOfReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		broken := atomic.Bool{}
		broken.Store(true)
		w.platform.Fault = func(op, _, _ string) error {
			if op == "object" && broken.Load() {
				return &platform.Error{Op: "object", Code: platform.CodeReset}
			}
			return nil
		}
		rec, all := w.record(), w.instances(4)
		assert.Equal(t, 400, burst(400, all, rec))
		assert.LessOrEqual(t, w.mintCount(), 4, "one mint per instance at most")
		assert.Contains(t, w.log.String(), "minter unreachable")

		w.fail(func(int, *http.Request, url.Values) *http.Response { return reply(503, "", "") })
		before := w.mintCount()
		time.Sleep(292 * time.Second) // within the margin: a new token is wanted, the old one is alive
		assert.Equal(t, 40, burst(40, all, rec))
		assert.LessOrEqual(t, w.mintCount()-before, 8)
		assert.Zero(t, w.expired)
		w.fail(nil)
		broken.Store(false)
		time.Sleep(time.Minute)
		assert.Equal(t, 40, burst(40, all, rec))
	})
}

func TestTheMinterHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e, rec := w.instance(), w.record()
		w.platform.Objects = hanging{}
		status, _, err := call(e, rec)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, status, "after GRANTWAY_MINTER_TIMEOUT_SECONDS the instance mints by itself")
	})
}

// hanging objects answer only when the caller gives up.
type hanging struct{}

func (hanging) ServeObject(w http.ResponseWriter, r *http.Request, _ platform.Actor) {
	<-r.Context().Done()
	w.WriteHeader(http.StatusServiceUnavailable)
}

func TestTheMinterCannotWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e, rec := w.instance(), w.record()
		w.platform.Objects = failing{e}
		assert.Equal(t, 20, burst(20, []*token.Engine{e}, rec), "a token in hand is used although it cannot be kept")
		assert.Equal(t, 1, w.mintCount())
	})
}

// failing gives the object storage that cannot write.
type failing struct{ e *token.Engine }

func (f failing) ServeObject(w http.ResponseWriter, r *http.Request, a platform.Actor) {
	a.Storage = readOnly{a.Storage}
	f.e.ServeObject(w, r, a)
}

type readOnly struct{ platform.Storage }

func (readOnly) Transact(context.Context, ...platform.Step) (bool, error) {
	return false, errors.New("disk full")
}

func TestMessagesOfOthersAreRefusedByTheMinter(t *testing.T) {
	w := newWorld(t)
	e := w.instance()
	other, err := seal.NewKeyring(seal.GenerateKey())
	require.NoError(t, err)
	for name, body := range map[string]string{
		"plain":          `{"cause":"miss"}`,
		"another key":    string(other.Seal([]byte(`{}`), "mint", "name")),
		"another object": string(w.keyring.Seal([]byte(`{}`), "mint", "other")),
		"another action": string(w.keyring.Seal([]byte(`{}`), "purge", "name")),
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest(http.MethodPost, "https://minter.invalid/mint", strings.NewReader(body))
			require.NoError(t, err)
			resp, err := w.platform.Object(platform.Minter, "name").RoundTrip(r)
			require.NoError(t, err)
			assert.Equal(t, http.StatusForbidden, resp.StatusCode)
		})
	}
	_ = e
	assert.Zero(t, w.mintCount())
}

func TestWithTheCacheOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.env["MCP_OAUTH2_TOKEN_CACHE_MAX_SIZE"] = "0"
		w.settings = w.load()
		rec, all := w.record(), w.instances(2)
		assert.Equal(t, 100, burst(100, all, rec))
		assert.Equal(t, 10, burst(10, all, rec))
		assert.Equal(t, 1, w.mintCount(), "KV and the minter remain")
	})
}

func TestL1IsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.env["GRANTWAY_TOKEN_CACHE_SIZE"] = "64"
		w.settings = w.load()
		e := w.instance()
		for i := range 300 {
			rec := w.record(func(r *registry.Record) {
				r.ServerID, r.ClientID = "id-"+string(rune('a'+i)), "client-"+string(rune('a'+i))
			})
			status, _, err := call(e, rec)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
		}
		assert.LessOrEqual(t, e.Remembered(), 64)
	})
}
