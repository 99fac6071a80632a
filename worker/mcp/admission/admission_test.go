package admission

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

func refusal(t *testing.T, err error) *problem.Problem {
	t.Helper()
	require.Error(t, err)
	p := problem.From(err)
	assert.Equal(t, http.StatusTooManyRequests, p.Status)
	return p
}

func TestRequestsPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRate(60, nil)
		one, two := &access.Principal{ID: "key:1"}, &access.Principal{ID: "key:2", RequestsPerMinute: 2}
		for range 60 {
			require.NoError(t, r.Take(t.Context(), one))
		}
		p := refusal(t, r.Take(t.Context(), one))
		assert.Equal(t, "rate_limited", p.Code)
		assert.Equal(t, 1, p.RetryAfter)
		require.NoError(t, r.Take(t.Context(), two), "another key has its own permits")
		require.NoError(t, r.Take(t.Context(), two))
		assert.Equal(t, 30, refusal(t, r.Take(t.Context(), two)).RetryAfter, "the key's own number")
		time.Sleep(time.Second)
		require.NoError(t, r.Take(t.Context(), one), "after Retry-After there is a permit")
		refusal(t, r.Take(t.Context(), one))
	})
}

func TestHostRateLimiter(t *testing.T) {
	permits := 1
	p := memory.New(nil)
	p.Permits = func(binding, key string) (bool, error) {
		assert.Equal(t, "CALLER_RATE", binding)
		assert.Equal(t, "key:1", key)
		permits--
		return permits >= 0, nil
	}
	r := NewRate(0, p.Limiter("CALLER_RATE"))
	who := &access.Principal{ID: "key:1"}
	require.NoError(t, r.Take(t.Context(), who))
	refusal(t, r.Take(t.Context(), who))

	asked := 0
	p.Permits = func(string, string) (bool, error) {
		asked++
		return false, platform.ErrNotFound
	}
	r = NewRate(0, p.Limiter("CALLER_RATE"))
	require.NoError(t, r.Take(t.Context(), who), "a host without the binding does not limit")
	require.NoError(t, r.Take(t.Context(), who))
	assert.Equal(t, 1, asked, "and is not asked again")
}

func TestSlots(t *testing.T) {
	s := NewSlots(2, 3)
	a, b := &registry.Record{ServerID: "a"}, &registry.Record{ServerID: "b", MaxConcurrent: 5}
	who, other := &access.Principal{ID: "1"}, &access.Principal{ID: "2"}
	first, err := s.Take(a, who)
	require.NoError(t, err)
	_, err = s.Take(a, other)
	require.NoError(t, err)
	_, err = s.Take(a, other)
	assert.Equal(t, "too_many_concurrent_requests", refusal(t, err).Code, "the server is full")
	first.Release()
	_, err = s.Take(a, other)
	require.NoError(t, err)
	_, err = s.Take(b, other)
	require.NoError(t, err)
	_, err = s.Take(b, other)
	refusal(t, err) // the caller is
	for range 3 {
		_, err = s.Take(b, who)
		require.NoError(t, err, "the record's own number")
	}
	var none *Slots
	hold, err := none.Take(a, who)
	require.NoError(t, err)
	hold.Release()
}
