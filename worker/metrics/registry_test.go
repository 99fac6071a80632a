package metrics_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/grantway/grantway/worker/metrics"
)

func TestText(t *testing.T) {
	r := metrics.New()
	r.Describe("grantway_calls_total", "Calls.")
	r.Counter("grantway_calls_total", "outcome", "ok").Add(3)
	r.Counter("grantway_calls_total", "outcome", "a \"b\"\\\n").Inc()
	h := r.Histogram("grantway_seconds", "path", "x")
	for _, x := range []float64{0.001, 0.002, 99} {
		h.Observe(x)
	}
	text := string(r.Text())
	assert.True(t, strings.HasPrefix(text, "# HELP grantway_calls_total Calls.\n# TYPE grantway_calls_total counter\n"))
	for _, line := range []string{
		`grantway_calls_total{outcome="ok"} 3`,
		`grantway_calls_total{outcome="a \"b\"\\\n"} 1`,
		"# TYPE grantway_seconds histogram",
		`grantway_seconds_bucket{path="x",le="0.001"} 1`,
		`grantway_seconds_bucket{path="x",le="0.0025"} 2`,
		`grantway_seconds_bucket{path="x",le="30"} 2`,
		`grantway_seconds_bucket{path="x",le="+Inf"} 3`,
		`grantway_seconds_sum{path="x"} 99.003`,
		`grantway_seconds_count{path="x"} 3`,
	} {
		assert.Contains(t, text, line+"\n")
	}
}

func TestLabelsAreBounded(t *testing.T) {
	r := metrics.New()
	var wg sync.WaitGroup
	for i := range 2000 {
		wg.Go(func() { r.Counter("grantway_calls_total", "n", fmt.Sprint(i)).Inc() })
	}
	wg.Wait()
	assert.LessOrEqual(t, strings.Count(string(r.Text()), "\n"), 502)
}

func TestChangesAreToldOnce(t *testing.T) {
	r := metrics.New()
	r.Counter("b_total").Add(2)
	r.Counter("a_total", "x", "1").Inc()
	r.Histogram("h_seconds").Observe(1)
	assert.Equal(t, []metrics.Change{{Name: "a_total", Labels: `x="1"`, By: 1}}, r.Changes(1))
	r.Counter("b_total").Inc()
	assert.Equal(t, []metrics.Change{{Name: "b_total", By: 3}}, r.Changes(10))
	assert.Empty(t, r.Changes(10))
}
