package mcp

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/problem"
)

func instanceOf(p *memory.Platform) *subscriptions { return &subscriptions{kv: p.KV(platform.Config)} }

func change(t *testing.T, s *subscriptions, uri string, on bool) {
	t.Helper()
	require.NoError(t, s.change(t.Context(), "one", uri, on, time.Hour))
}

// TestSubscriptionsOfAnotherInstance: the instance that holds the stream learns from KV what others have changed.
func TestSubscriptionsOfAnotherInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memory.New(nil)
		stream, other := instanceOf(p), instanceOf(p)
		changed, stop := stream.watch("one")
		defer stop()
		require.NoError(t, stream.read(t.Context(), "one"))
		assert.Empty(t, changed, "nothing is there yet")
		change(t, other, "b", true)
		change(t, other, "a", true)
		require.NoError(t, other.change(t.Context(), "two", "c", true, time.Hour))
		require.NoError(t, stream.read(t.Context(), "one"))
		<-changed
		assert.Equal(t, []string{"a", "b"}, stream.uris("one"), "of this session only")
		change(t, other, "a", false)
		require.NoError(t, stream.read(t.Context(), "one"))
		<-changed
		assert.Equal(t, []string{"b"}, stream.uris("one"))
		require.NoError(t, stream.read(t.Context(), "one"))
		assert.Empty(t, changed, "nothing has changed")
		time.Sleep(time.Hour)
		require.NoError(t, stream.read(t.Context(), "one"))
		assert.Empty(t, stream.uris("one"), "they end with the session")
	})
}

// TestSubscriptionsInAnInstanceThatKnowsBetter: KV may show a change late, not for ever.
func TestSubscriptionsInAnInstanceThatKnowsBetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memory.New(nil)
		s := instanceOf(p)
		change(t, s, "a", true)
		change(t, s, "b", true)
		change(t, s, "b", false)
		kv := p.KV(platform.Config)
		require.NoError(t, kv.Delete(t.Context(), kvSubscribed+"one/"+hashed("a")))
		require.NoError(t, kv.Put(t.Context(), kvSubscribed+"one/"+hashed("b"), []byte("b"), time.Hour))
		require.NoError(t, s.read(t.Context(), "one"))
		assert.Equal(t, []string{"a"}, s.uris("one"))
		time.Sleep(editMemory)
		require.NoError(t, s.read(t.Context(), "one"))
		assert.Equal(t, []string{"b"}, s.uris("one"))
	})
}

func TestSubscriptionsAreBounded(t *testing.T) {
	s := instanceOf(memory.New(nil))
	for i := range maxSubscriptions {
		change(t, s, fmt.Sprint(i), true)
	}
	assert.ErrorIs(t, s.change(t.Context(), "one", "more", true, time.Hour), errSubscriptions)
	change(t, s, "7", true)
	change(t, s, "7", false)
	change(t, s, "more", true)
	_, stop := s.watch("listening")
	for i := range maxSubscribed {
		s.uris(fmt.Sprint("session ", i))
		assert.LessOrEqual(t, len(s.bySession), maxSubscribed)
	}
	assert.Contains(t, s.bySession, "listening")
	stop()
	require.NoError(t, s.read(t.Context(), "one"))
	assert.Len(t, s.uris("one"), maxSubscriptions, "KV knows what memory does not")
}

// TestASubscriptionThatIsNotStored: a client is not told that it is subscribed where another instance could not know.
func TestASubscriptionThatIsNotStored(t *testing.T) {
	p := memory.New(nil)
	s := instanceOf(p)
	p.Fault = func(op, _, _ string) error {
		if op == "kv.put" {
			return errors.New("full")
		}
		return nil
	}
	assert.Equal(t, "subscription_not_stored", problem.From(s.change(t.Context(), "one", "a", true, time.Hour)).Code)
	assert.Empty(t, s.uris("one"))
}
