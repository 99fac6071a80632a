package mcp

import "github.com/grantway/grantway/worker/metrics"

// counters are the endpoints' own figures.
type counters struct {
	registry                       *metrics.Registry
	passed, aggregated, bridgedReq *metrics.Counter
	head                           *metrics.Histogram
}

const (
	requestsTotal = "grantway_mcp_requests_total"
	refusedTotal  = "grantway_mcp_refused_total"
	headSeconds   = "grantway_mcp_upstream_head_seconds"
)

func newCounters(r *metrics.Registry) *counters {
	if r == nil {
		r = metrics.New()
	}
	r.Describe(requestsTotal, "Requests that reached an MCP endpoint's work: passed through to one server, aggregated, or bridged between eras.")
	r.Describe(refusedTotal, "Requests answered with an error of the gateway itself, by code.")
	r.Describe(headSeconds, "Time until the head of an upstream's answer to a passed-through request.")
	return &counters{
		registry:   r,
		passed:     r.Counter(requestsTotal, "way", "pass"),
		aggregated: r.Counter(requestsTotal, "way", "aggregate"),
		bridgedReq: r.Counter(requestsTotal, "way", "bridge"),
		head:       r.Histogram(headSeconds),
	}
}

func (c *counters) refused(code string) { c.registry.Counter(refusedTotal, "code", code).Inc() }
