package exposition_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/hostsim/internal/exposition"
)

const one = `# HELP calls Calls.
# TYPE calls counter
calls{server="a b",code="200"} 3
calls 1
# TYPE wait histogram
wait_bucket{le="0.1"} 1
wait_bucket{le="+Inf"} 2
wait_sum 0.75
wait_count 2
`

const two = `# HELP calls Calls.
# TYPE calls counter
calls{server="c",code="500"} 5
calls{server="a b",code="200"} 4
# TYPE other counter
other 1
# TYPE wait histogram
wait_bucket{le="0.1"} 0
wait_bucket{le="+Inf"} 1
wait_sum 2.5
wait_count 1
`

func TestSum(t *testing.T) {
	m := exposition.Parse("")
	m.Add(exposition.Parse(one))
	m.Add(exposition.Parse(two))
	m.Set("up", "gauge", "Instances.", 2)
	require.Equal(t, `# HELP calls Calls.
# TYPE calls counter
calls{server="a b",code="200"} 7
calls 1
calls{server="c",code="500"} 5
# TYPE other counter
other 1
# HELP up Instances.
# TYPE up gauge
up 2
# TYPE wait histogram
wait_bucket{le="0.1"} 1
wait_bucket{le="+Inf"} 3
wait_sum 3.25
wait_count 3
`, m.Text())
}

func FuzzParse(f *testing.F) {
	f.Add(one)
	f.Add("# TYPE\n# HELP x\n x 1\nx NaN\nx{a=\"}\"} 1e999\n")
	f.Fuzz(func(t *testing.T, text string) {
		m := exposition.Parse(text)
		m.Add(exposition.Parse(one))
		_ = m.Text()
	})
}
