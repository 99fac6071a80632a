package worker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/usage"
)

type keptUsage []*usage.Delta

func (k *keptUsage) AddUsage(_ context.Context, deltas []*usage.Delta, _ map[string]time.Time) error {
	*k = append(*k, deltas...)
	return nil
}

// TestAClientThatLeavesIsNoFailure: a call that its client gives up counts, and not as an error of the server.
func TestAClientThatLeavesIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept keptUsage
		p := memory.New(nil)
		tr := &trail{usage: usage.NewRecorder(p, &kept, func() map[string]time.Time { return nil })}
		call := mcp.Call{Record: &registry.Record{ServerID: "s"}, Caller: &access.Principal{ID: "key:1"}, Status: 504}
		tr.Called(t.Context(), call)
		left, leave := context.WithCancel(t.Context())
		leave()
		tr.Called(left, call)
		late, end := context.WithTimeout(t.Context(), 0)
		defer end()
		tr.Called(late, call)
		p.Wait()
		require.Len(t, kept, 1)
		assert.EqualValues(t, 3, kept[0].Figures.Calls)
		assert.EqualValues(t, 2, kept[0].Figures.Errors)
	})
}
