package hostsim_test

import (
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// waitFor waits for a state that another goroutine brings about.
func waitFor(t *testing.T, reached func() bool) {
	t.Helper()
	require.Eventually(t, reached, 20*time.Second, 2*time.Millisecond)
}

func escape(s string) string { return url.QueryEscape(s) }

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, b, 0o600))
}
