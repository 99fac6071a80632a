package ratelimit_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/hostsim/internal/clock"
	"github.com/grantway/grantway/hostsim/internal/ratelimit"
)

func TestPermits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := ratelimit.New(3, time.Minute, clock.New())
		require.NoError(t, err)
		for _, step := range []struct {
			wait time.Duration
			key  string
			want bool
		}{
			{0, "a", true}, {0, "a", true}, {0, "a", true}, {0, "a", false},
			{0, "b", true},
			{19 * time.Second, "a", false}, {time.Second, "a", true}, {0, "a", false},
			{time.Hour, "a", true}, {0, "a", true}, {0, "a", true}, {0, "a", false},
		} {
			time.Sleep(step.wait)
			assert.Equal(t, step.want, l.Permit(step.key))
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	l, err := ratelimit.New(1, time.Nanosecond, clock.New())
	require.NoError(t, err)
	for i := range 300_000 {
		require.True(t, l.Permit(fmt.Sprint(i)))
	}
	require.LessOrEqual(t, l.Keys(), 100_000)
}

func TestNonsense(t *testing.T) {
	for _, tc := range []struct {
		limit  int
		period time.Duration
	}{{0, time.Second}, {-1, time.Second}, {1, 0}} {
		_, err := ratelimit.New(tc.limit, tc.period, clock.New())
		require.Error(t, err)
	}
}
