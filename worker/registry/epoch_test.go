package registry_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

func TestEpochs(t *testing.T) {
	now, life := time.Unix(1_800_000_000, 0), 24*time.Hour
	r := &registry.Record{ServerID: "s", TokenEpoch: 3}
	raise := func(caller string) int64 {
		t.Helper()
		before := map[string]int64{}
		for _, other := range []string{"", "ann", "bob", "eve"} {
			before[other] = r.EpochOf(other)
		}
		got, err := r.RaiseEpoch(caller, now, life)
		require.NoError(t, err)
		b, err := registry.Encode(r)
		require.NoError(t, err)
		assert.NotContains(t, string(b), "ann", "a record tells nobody's name")
		r, err = registry.Decode(b)
		require.NoError(t, err)
		for other, epoch := range before {
			assert.Greater(t, got, epoch, "no number is given twice")
			if caller != "" && other != caller {
				assert.LessOrEqual(t, r.EpochOf(other), epoch, "nobody else is concerned")
			} else {
				assert.Equal(t, got, r.EpochOf(other))
			}
		}
		return got
	}
	assert.EqualValues(t, 4, raise("ann"))
	assert.EqualValues(t, 5, raise("bob"))
	assert.EqualValues(t, 6, raise(""))
	assert.Empty(t, r.CallerEpochs)
	assert.EqualValues(t, 7, raise("ann"))
	now = now.Add(life + time.Second)
	assert.EqualValues(t, 8, raise("bob"), "what is forgotten is not given again")
	assert.Len(t, r.CallerEpochs, 1, "no token is left that the purge of ann's could void")
	now = now.Add(life + time.Second)
	assert.EqualValues(t, 9, raise("ann"))
}

func TestPurgesOfSingleCallersAreBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	r := &registry.Record{ServerID: "s", Slug: "orders"}
	for i := range registry.MaxCallerEpochs {
		_, err := r.RaiseEpoch(fmt.Sprint("caller ", i), now, time.Hour)
		require.NoError(t, err)
	}
	_, err := r.RaiseEpoch("caller 0", now, time.Hour)
	require.NoError(t, err, "again")
	_, err = r.RaiseEpoch("one more", now, time.Hour)
	assert.Equal(t, "too_many_purges", problem.From(err).Code)
	b, err := registry.Encode(r)
	require.NoError(t, err)
	assert.Less(t, len(b), 16<<10)
	_, err = r.RaiseEpoch("one more", now.Add(2*time.Hour), time.Hour)
	require.NoError(t, err)
	_, err = r.RaiseEpoch("", now, time.Hour)
	require.NoError(t, err)
}
