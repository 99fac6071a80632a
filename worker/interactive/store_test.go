package interactive

import (
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/seal"
)

func newStore(t *testing.T) (*store, *memory.Platform) {
	t.Helper()
	p := memory.New(nil)
	p.Objects = Object{}
	k, err := seal.NewKeyring(seal.GenerateKey())
	require.NoError(t, err)
	return &store{object: p.Object(platform.Minter, ObjectName), keyring: k}, p
}

func TestStoreGivesOnce(t *testing.T) {
	s, _ := newStore(t)
	require.NoError(t, s.put(t.Context(), kindFlow, "state", "browser", flow{Verifier: "v"}, FlowLife))
	var f flow
	assert.ErrorIs(t, s.take(t.Context(), kindFlow, "state", "another", &f), errNone)
	assert.ErrorIs(t, s.take(t.Context(), kindCode, "state", "browser", &f), errNone, "another kind")
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			var f flow
			if s.take(t.Context(), kindFlow, "state", "browser", &f) == nil {
				assert.Equal(t, "v", f.Verifier)
				won.Add(1)
			}
		})
	}
	wg.Wait()
	assert.EqualValues(t, 1, won.Load())
}

// What is kept under a ticket is replaced by whoever has its binding, by one of many; a binding of
// before is refused, and after a while ends it for all.
func TestStoreReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newStore(t)
		ctx, life := t.Context(), time.Hour
		replace := func(binding, next string) error {
			return s.replace(ctx, kindRefresh, "ticket", binding, next, relayGrant{ServerID: next}, life)
		}
		require.NoError(t, s.put(ctx, kindRefresh, "ticket", "0", relayGrant{ServerID: "0"}, life))
		assert.ErrorIs(t, s.replace(ctx, kindRefresh, "another", "0", "1", relayGrant{}, life), errNone)
		var won atomic.Int64
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if replace("0", "1") == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1, won.Load())
		var g relayGrant
		require.NoError(t, s.read(ctx, kindRefresh, "ticket", &g))
		assert.Equal(t, "1", g.ServerID)

		time.Sleep(replaceGrace - time.Millisecond)
		assert.ErrorIs(t, replace("0", "x"), errNone)
		require.NoError(t, replace("1", "2"), "it was too early to tell a thief from a second process")
		time.Sleep(life - time.Millisecond)
		require.NoError(t, replace("2", "3"), "each replacement begins its life anew")
		time.Sleep(replaceGrace)
		assert.ErrorIs(t, replace("2", "x"), errNone)
		assert.ErrorIs(t, replace("3", "4"), errNone, "nobody has it any more")
		assert.ErrorIs(t, s.read(ctx, kindRefresh, "ticket", &g), errNone)

		require.NoError(t, s.put(ctx, kindRefresh, "ticket", "0", relayGrant{}, life))
		time.Sleep(life)
		assert.ErrorIs(t, s.read(ctx, kindRefresh, "ticket", &g), errNone, "it has expired")
		assert.ErrorIs(t, replace("0", "1"), errNone)
	})
}

func TestStoreForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newStore(t)
		for _, state := range []string{"a", "b", "c"} {
			require.NoError(t, s.put(t.Context(), kindFlow, state, "browser", flow{Verifier: "very-secret"}, FlowLife))
		}
		list, err := p.Storage(platform.Minter, ObjectName).List(t.Context(), platform.ListOptions{})
		require.NoError(t, err)
		for _, e := range list {
			assert.NotContains(t, e.Key+string(e.Value), "very-secret", "sealed")
			assert.NotContains(t, e.Key+string(e.Value), "browser", "the browser's half is kept as a hash")
		}
		time.Sleep(FlowLife)
		var f flow
		assert.ErrorIs(t, s.take(t.Context(), kindFlow, "a", "browser", &f), errNone, "after five minutes it is over")
		require.NoError(t, s.put(t.Context(), kindFlow, "d", "browser", flow{}, FlowLife))
		list, err = p.Storage(platform.Minter, ObjectName).List(t.Context(), platform.ListOptions{})
		require.NoError(t, err)
		assert.Len(t, list, 1, "what nobody came back for is cleared away")
	})
}

func FuzzRedirectable(f *testing.F) {
	for _, s := range []string{"https://app.example/cb", "http://127.0.0.1:1/cb", "cursor://x/y", "javascript:alert(1)", "JavaScript:alert(1)", "http://evil.example", "//x", "https://u@x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !redirectable(s) {
			return
		}
		u, err := url.Parse(s)
		require.NoError(t, err)
		assert.NotContains(t, []string{"javascript", "data", "file", "blob", "vbscript"}, strings.ToLower(u.Scheme))
		assert.Nil(t, u.User)
		assert.False(t, u.Scheme == "http" && !loopbackHost(u.Host), s)
		assert.NotContains(t, s, "\r")
	})
}

func FuzzReturnPath(f *testing.F) {
	for _, s := range []string{"/ui/x", "//evil", "/\\evil", "/ui/../v1", "https://evil/ui/", "/connect"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := returnPath(s)
		if got == "" {
			return
		}
		base, err := url.Parse("https://gateway.example/")
		require.NoError(t, err)
		to, err := base.Parse(got)
		require.NoError(t, err)
		assert.Equal(t, "gateway.example", to.Host)
		assert.True(t, strings.HasPrefix(to.Path, "/ui/") || to.Path == ConnectPath, "%q leads to %q", s, to.Path)
	})
}
