package ratelimit

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAMinutesPermits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Buckets{Max: 10}
		for range 60 {
			require.Zero(t, b.Take("a", 60))
		}
		assert.Equal(t, time.Second, b.Take("a", 60))
		assert.Zero(t, b.Take("b", 60), "another has its own")
		b.Return("a")
		assert.Zero(t, b.Take("a", 60), "what was given back")
		time.Sleep(time.Second)
		assert.Zero(t, b.Take("a", 60), "what came since")
		assert.Equal(t, time.Second, b.Take("a", 60))
		time.Sleep(time.Hour)
		for range 60 {
			require.Zero(t, b.Take("a", 60), "never more than a minute's")
		}
		assert.NotZero(t, b.Take("a", 60))
	})
}

// TestMemoryIsBounded: also where everybody comes within one minute, from ever new addresses.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Buckets{Max: 100}
		for i := range 50 {
			b.Take("idle "+strconv.Itoa(i), 1)
		}
		time.Sleep(time.Minute)
		b.Take("busy", 1)
		for i := range 50 {
			b.Take("new "+strconv.Itoa(i), 1)
		}
		assert.NotZero(t, b.Take("busy", 1), "who is full again is forgotten first")
		for i := range 10_000 {
			b.Take("flood "+strconv.Itoa(i), 1)
			require.LessOrEqual(t, len(b.byID), b.Max)
		}
	})
}
