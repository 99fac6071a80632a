package worker

import (
	"net/http"

	"github.com/grantway/grantway/worker/metrics"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/settings"
	"github.com/grantway/grantway/worker/token"
)

// wireToken wires the settings, the metrics and the token engine.
func (g *Gateway) wireToken() *problem.Problem {
	s, problems := settings.Load(g.platform.Env)
	if len(problems) > 0 {
		return problem.New(http.StatusServiceUnavailable, "misconfigured", problems[0].Error())
	}
	if p := g.wireKeyring(); p != nil {
		return p
	}
	g.settings, g.metrics = s, metrics.New()
	g.tokens = token.New(token.Config{Platform: g.platform, Keyring: g.keyring, Settings: s, Metrics: g.metrics})
	g.objects[platform.Minter] = g.tokens
	g.routes["metrics"] = g.metrics
	return nil
}
