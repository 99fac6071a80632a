package token

import "github.com/grantway/grantway/worker/metrics"

// counters are the engine's metrics, looked up once.
type counters struct {
	registry *metrics.Registry
	l1       *metrics.Counter // the one on the hot path
	mint     *metrics.Histogram
}

func newCounters(r *metrics.Registry) *counters {
	r.Describe("grantway_token_resolutions_total", "Credentials resolved for upstream calls, by tier and outcome (ok, stale, failed).")
	r.Describe("grantway_token_mints_total", "Token requests to authorization servers, by cause and outcome.")
	r.Describe("grantway_token_mint_seconds", "Duration of token requests.")
	r.Describe("grantway_token_failures_total", "Failed token requests, by class.")
	r.Describe("grantway_token_degraded_total", "Times that KV, the minter or its storage was out of reach and the instance helped itself.")
	r.Describe("grantway_token_discarded_total", "Tokens dropped after they were minted or read, by reason.")
	r.Describe("grantway_upstream_unauthorized_total", "Upstream answers that refused the token, by what was done.")
	r.Describe("grantway_upstream_step_up_total", "Upstream answers 403 insufficient_scope, by what was done.")
	return &counters{registry: r, l1: r.Counter("grantway_token_resolutions_total", "tier", "l1", "outcome", "ok"), mint: r.Histogram("grantway_token_mint_seconds")}
}

func (c *counters) resolution(tier, outcome string) {
	c.registry.Counter("grantway_token_resolutions_total", "tier", tier, "outcome", outcome).Inc()
}

func (c *counters) mints(cause Cause, outcome string) {
	c.registry.Counter("grantway_token_mints_total", "cause", string(cause), "outcome", outcome).Inc()
}

func (c *counters) failures(class string) {
	c.registry.Counter("grantway_token_failures_total", "class", class).Inc()
}

func (c *counters) degraded(part string) {
	c.registry.Counter("grantway_token_degraded_total", "part", part).Inc()
}

func (c *counters) discarded(reason string) {
	c.registry.Counter("grantway_token_discarded_total", "reason", reason).Inc()
}

func (c *counters) unauthorized(outcome string) {
	c.registry.Counter("grantway_upstream_unauthorized_total", "outcome", outcome).Inc()
}

func (c *counters) stepUp(outcome string) {
	c.registry.Counter("grantway_upstream_step_up_total", "outcome", outcome).Inc()
}
