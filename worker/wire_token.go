package worker

import (
	"context"
	"net/http"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/metrics"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/settings"
	"github.com/grantway/grantway/worker/token"
	"github.com/grantway/grantway/worker/token/tokenapi"
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
	g.tokens = token.New(token.Config{Platform: g.platform, Keyring: g.keyring, Settings: s, Metrics: g.metrics, Audit: g.trail, Latest: g.directory.FindServer})
	g.objects[platform.Minter] = g.tokens
	return nil
}

// wireTokenAPI mounts the management of tokens; the records, the management API
// and the REST facade must be wired.
func (g *Gateway) wireTokenAPI() {
	h := &tokenapi.Handler{Engine: g.tokens, Epochs: g.admin, Source: g.source, Drafter: g.admin, Trail: g.trail}
	g.admin.Mount("GET /v1/mcp/server/{id}/token", access.RoleViewer, h.Status)
	g.admin.Mount("POST /v1/mcp/server/{id}/token", access.RoleAdmin, h.Refresh)
	g.admin.Mount("DELETE /v1/mcp/server/{id}/token", access.RoleAdmin, h.Purge)
	g.admin.Mount("POST /v1/mcp/server/{id}/explain", access.RoleViewer, h.Explain)
	g.admin.Mount("POST /mcp-rest/test/token", access.RoleAdmin, h.Test)
	g.admin.Mount("POST /mcp-rest/test/discovery", access.RoleAdmin, h.Discover)
	g.admin.Mount("GET /metrics", access.RoleViewer, func(w http.ResponseWriter, r *http.Request) error {
		g.metrics.ServeHTTP(w, r)
		return nil
	})
	g.routes["metrics"] = g.admin
	g.rest.Handle("POST /mcp-rest/test/token", g.admin)
	g.rest.Handle("POST /mcp-rest/test/discovery", g.admin)
	g.wellKnown = http.NewServeMux()
	g.wellKnown.Handle("GET /.well-known/jwks.json", tokenapi.JWKS(g.source))
	g.routes[".well-known"] = g.wellKnown
	g.chores = append(g.chores, func(ctx context.Context) error {
		recs, err := g.source.All(ctx)
		if err != nil {
			return err
		}
		return g.tokens.RefreshDue(ctx, recs)
	})
}
