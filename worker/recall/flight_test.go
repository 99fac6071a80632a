package recall

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestALookThatHasEndedMeanwhile is that of a caller who found nothing just before its end.
func TestALookThatHasEndedMeanwhile(t *testing.T) {
	c := New[int](func(ctx context.Context, f func(context.Context)) { go f(ctx) }, Times{Fresh: time.Minute, Stale: time.Hour}, 8)
	seen, fresh := c.memory.recall("k")
	assert.False(t, fresh)
	c.Put("k", 7, true)
	f := c.memory.fly(t.Context(), "k", seen, func(context.Context) (any, bool, error) {
		t.Error("nobody looks again")
		return 0, true, nil
	})
	<-f.done
	assert.Equal(t, 7, f.entry.value)
	assert.NoError(t, f.err)
}
