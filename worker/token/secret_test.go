package token_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

// accept makes the authorization server accept these secrets only.
func (w *world) accept(secrets ...string) {
	w.fail(func(n int, r *http.Request, form url.Values) *http.Response {
		secret := form.Get("client_secret")
		if basic, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Basic "); ok {
			raw, _ := base64.StdEncoding.DecodeString(basic)
			_, secret, _ = strings.Cut(string(raw), ":")
			secret, _ = url.QueryUnescape(secret)
		}
		for _, s := range secrets {
			if s == secret {
				return nil
			}
		}
		return reply(401, "application/json", `{"error":"invalid_client"}`)
	})
}

func TestTwoSecretsAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		accepted []string
		used     string
		requests int
	}{
		"the new one works":      {[]string{"s3cret-new"}, registry.SecretClientSecretNext, 1},
		"both work":              {[]string{"s3cret-old", "s3cret-new"}, registry.SecretClientSecretNext, 1},
		"only the old one works": {[]string{"s3cret-old"}, registry.SecretClientSecret, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.accept(test.accepted...)
				rec := w.record(func(r *registry.Record) {
					r.Secrets = w.secrets(r, map[string]string{registry.SecretClientSecret: "s3cret-old", registry.SecretClientSecretNext: "s3cret-new"})
				})
				e := w.instance()
				status, _, err := call(e, rec)
				require.NoError(t, err)
				assert.Equal(t, 200, status)
				assert.Equal(t, test.requests, w.mintCount())
				assert.Equal(t, test.used, e.Status(t.Context(), rec, "", nil).SecretUsed)
				assert.Equal(t, test.used, w.rows[0].SecretUsed)
			})
		})
	}
}

func TestNeitherSecretWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.accept()
		rec := w.record(func(r *registry.Record) {
			r.Secrets = w.secrets(r, map[string]string{registry.SecretClientSecret: "s3cret-old", registry.SecretClientSecretNext: "s3cret-new"})
		})
		_, _, err := call(w.instance(), rec)
		assert.Equal(t, "idp_rejected", problemOf(t, err).Code)
		assert.Equal(t, 2, w.mintCount())
	})
}

// The new secret is entered beside the old one, the authorization server then stops
// accepting the old one and revokes its tokens, and the old one is removed; calls go on all the time.
func TestARotationUnderLoadFailsNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.accept("s3cret-old")
		version := func(n int64, secrets map[string]string) *registry.Record {
			return w.record(func(r *registry.Record) { r.Version, r.Secrets = n, w.secrets(r, secrets) })
		}
		var rec atomic.Pointer[registry.Record]
		rec.Store(version(1, map[string]string{registry.SecretClientSecret: "s3cret-old"}))
		all := w.instances(4)
		stop := make(chan struct{})
		var failed, calls atomic.Int64
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(50 * time.Millisecond):
					}
					status, _, err := call(all[i%4], rec.Load())
					calls.Add(1)
					if err != nil || status != 200 {
						failed.Add(1)
					}
				}
			})
		}
		time.Sleep(5 * time.Second)
		rec.Store(version(2, map[string]string{registry.SecretClientSecret: "s3cret-old", registry.SecretClientSecretNext: "s3cret-new"}))
		time.Sleep(5 * time.Second)
		w.accept("s3cret-old", "s3cret-new")
		time.Sleep(5 * time.Second)
		w.accept("s3cret-new")
		w.revoke("token-1")
		w.revoke("token-2")
		w.revoke("token-3")
		time.Sleep(5 * time.Second)
		rec.Store(version(3, map[string]string{registry.SecretClientSecret: "s3cret-new"}))
		time.Sleep(5 * time.Second)
		close(stop)
		wg.Wait()
		w.platform.Wait()
		assert.Greater(t, calls.Load(), int64(1000))
		assert.Zero(t, failed.Load())
		assert.LessOrEqual(t, w.mintCount(), 6)
	})
}

func TestAnyChangeOfIdentityIsAnotherToken(t *testing.T) {
	for name, edit := range map[string]func(w *world, r *registry.Record){
		"secret": func(w *world, r *registry.Record) {
			r.Secrets = w.secrets(r, map[string]string{registry.SecretClientSecret: "s3cret-two"})
		},
		"id":       func(_ *world, r *registry.Record) { r.ClientID = "client-2" },
		"method":   func(_ *world, r *registry.Record) { r.TokenEndpointAuthMethod = registry.ClientSecretPost },
		"scopes":   func(_ *world, r *registry.Record) { r.Scopes = []string{"a", "b"} },
		"audience": func(_ *world, r *registry.Record) { r.Audience = "api" },
		"resource": func(_ *world, r *registry.Record) { r.UpstreamResource = serverURL },
		"extra":    func(_ *world, r *registry.Record) { r.ExtraTokenParams = map[string]string{"tenant": "7"} },
		"endpoint": func(_ *world, r *registry.Record) { r.TokenURL += "?x=1" },
		"issuer":   func(_ *world, r *registry.Record) { r.Issuer = "https://idp.example.com" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				e := w.instance()
				_, first, err := call(e, w.record())
				require.NoError(t, err)
				_, second, err := call(e, w.record(func(r *registry.Record) { r.Version = 2; edit(w, r) }))
				require.NoError(t, err)
				assert.NotEqual(t, first, second)
				assert.Equal(t, 2, w.mintCount())
			})
		})
	}
	t.Run("the order of scopes is none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			e := w.instance()
			_, _, _ = call(e, w.record(func(r *registry.Record) { r.Scopes = []string{"a", "b"} }))
			_, _, _ = call(e, w.record(func(r *registry.Record) { r.Version, r.Scopes = 2, []string{"b", "a"} }))
			assert.Equal(t, 1, w.mintCount())
		})
	})
}

func TestEachMintIsAnAuditRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rec, e := w.record(), w.instance()
		_, _, _ = call(e, rec)
		w.revoke("token-1")
		_, _, _ = call(e, rec)
		_, _ = e.Refresh(t.Context(), rec, "", admin)
		e.Test(t.Context(), rec, admin)
		w.accept()
		e.Test(t.Context(), rec, admin)
		var causes []token.Cause
		for _, row := range w.rows {
			causes = append(causes, row.Cause)
			assert.Equal(t, "orders", row.Server)
			assert.NotZero(t, row.Status)
		}
		assert.Equal(t, []token.Cause{token.CauseMiss, token.CauseUnauthorized, token.CauseRefresh, token.CauseTest, token.CauseTest}, causes)
		assert.Equal(t, "k1", w.rows[0].KeyID)
		assert.Equal(t, 300*time.Second, w.rows[0].Life)
		assert.Equal(t, "admin", w.rows[2].KeyID)
		assert.NotNil(t, w.rows[4].Failure)
	})
}
