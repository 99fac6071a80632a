package hostsim_test

import (
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/hostsim"
)

// patience is how long a test waits for what must come, on a machine that may be busy.
const patience = 2 * time.Minute

// waitFor waits for a state that another goroutine brings about.
func waitFor(t *testing.T, reached func() bool) {
	t.Helper()
	require.Eventually(t, reached, patience, 2*time.Millisecond)
}

// wake moves the clock, on which the guest sleeps, until the answer is there.
func wake(clock *hostsim.Clock, answered <-chan answer) answer {
	for {
		clock.Advance(time.Hour)
		select {
		case a := <-answered:
			return a
		case <-time.After(10 * time.Millisecond): // the guest may not have begun to sleep before
		}
	}
}

func escape(s string) string { return url.QueryEscape(s) }

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, b, 0o600))
}
