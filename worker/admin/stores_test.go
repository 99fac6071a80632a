package admin_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/platform"
)

// everything answers each key with its value, of KV CONFIG and of the Directory.
func everything(t testing.TB, g *gateway) []string {
	t.Helper()
	ctx := context.Background()
	var out []string
	kv := g.KV(platform.Config)
	keys, _, err := kv.List(ctx, "", 0, "")
	require.NoError(t, err)
	for _, k := range keys {
		v, err := kv.Get(ctx, k)
		require.NoError(t, err)
		out = append(out, k+"="+string(v))
	}
	entries, err := g.Storage(platform.Directory, "main").List(ctx, platform.ListOptions{})
	require.NoError(t, err)
	for _, e := range entries {
		out = append(out, e.Key+"="+string(e.Value))
	}
	return out
}
