package directory_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/uuid"
)

func makeKey(t *testing.T, w *world, name string) {
	t.Helper()
	k := &access.Key{ID: uuid.New(), Name: name, Role: access.RoleCaller, CreatedAt: time.Now()}
	k.SetSecret(access.NewSecret(), 0, time.Now())
	_, err := w.client.WriteKeys(t.Context(), []directory.KeyWrite{{Key: k}}, audit.Entry{Time: time.Now(), Action: "key.create"})
	require.NoError(t, err)
}

// Who changes something waits three seconds for its publication, however much else is being published.
func TestAnEditDoesNotWaitForARepublication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := range 60 {
			makeKey(t, w, fmt.Sprint(i))
		}
		w.Wait()
		w.Fault = func(op, _, _ string) error {
			if op == "kv.put" {
				time.Sleep(time.Second)
			}
			return nil
		}
		_, _, err := w.client.Republish(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Second)
		began := time.Now()
		makeKey(t, w, "new")
		assert.LessOrEqual(t, time.Since(began), 3*time.Second)
		w.Wait()
		keys, _, err := w.KV(platform.Config).List(t.Context(), access.KVKey, 1000, "")
		require.NoError(t, err)
		assert.Len(t, keys, 61, "and is published")
	})
}

// trimming takes the oldest rows away between what a verification reads.
type trimming struct {
	*world
	trim func()
}

func (m *trimming) ServeObject(rw http.ResponseWriter, r *http.Request, a platform.Actor) {
	if r.URL.Path == "/audit.verify" {
		a.Storage = trimmed{a.Storage, m}
	}
	m.object.ServeObject(rw, r, a)
}

type trimmed struct {
	platform.Storage
	m *trimming
}

func (s trimmed) List(ctx context.Context, o platform.ListOptions) ([]platform.Entry, error) {
	if trim := s.m.trim; trim != nil {
		s.m.trim = nil
		trim()
	}
	return s.Storage.List(ctx, o)
}

func TestRetentionDuringAVerificationIsNoBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		makeKey(t, w, "old")
		makeKey(t, w, "older than the retention")
		time.Sleep(91 * 24 * time.Hour)
		makeKey(t, w, "new")
		m := &trimming{world: w, trim: func() { assert.NoError(t, w.client.Keep(t.Context())) }}
		w.Objects = m
		v, err := w.client.VerifyAudit(t.Context())
		require.NoError(t, err)
		assert.Nil(t, m.trim, "rows were taken away meanwhile")
		assert.True(t, v.OK, "%+v", v)
		assert.EqualValues(t, 3, v.FirstSeq)
		assert.EqualValues(t, 1, v.Rows)
		w.Wait()
	})
}
