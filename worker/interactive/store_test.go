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
