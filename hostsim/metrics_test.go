package hostsim_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/hostsim"
)

// TestMetricsAreSummed: two instances count for themselves, the host shows the sum,
// and it does not fall when one ends.
func TestMetricsAreSummed(t *testing.T) {
	host, c := open(t, hostsim.WithInstances(2))
	waitFor(t, func() bool { return host.Stats().Instances == 2 })
	for range 10 {
		require.Equal(t, 200, c.get("/hello").status)
	}
	a := c.get("/metrics")
	require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", a.header.Get("Content-Type"))
	require.Contains(t, a.body, "# TYPE hits counter\nhits 12\n")
	require.Contains(t, a.body, "hostsim_instances 2\n")
	c.get("/exit")
	waitFor(t, func() bool { return host.Stats().Instances == 1 })
	require.Contains(t, c.get("/metrics").body, "hits 13\n", "what was counted since the last look is lost with the instance")

	a = c.get("/metrics?key=wrong")
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Equal(t, "no", a.body)
}
