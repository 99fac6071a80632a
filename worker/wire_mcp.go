package worker

import (
	"context"
	"net/http"
	"strings"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp"
	"github.com/grantway/grantway/worker/mcp/admission"
	"github.com/grantway/grantway/worker/mcp/health"
	"github.com/grantway/grantway/worker/mcp/lists"
	"github.com/grantway/grantway/worker/mcp/rest"
	"github.com/grantway/grantway/worker/mcp/session"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/platform"
)

// rateBinding is the host's rate limiter for callers, if it has one.
const rateBinding = "CALLER_RATE"

// wireMCP wires the data path: the MCP endpoints and the REST facade.
func (g *Gateway) wireMCP() {
	limits := g.limits()
	gate := &admission.Gate{
		Authenticator: g.authenticator,
		Source:        g.source,
		Rate:          admission.NewRate(g.settings.PerMinute, g.platform.Limiter(rateBinding)),
		Slots:         admission.NewSlots(g.settings.PerServer, g.settings.PerCaller),
		Denied:        g.trail.Denied,
	}
	up := upstream.New(upstream.Config{
		Credentials: g.tokens,
		KV:          g.platform.KV(platform.Config),
		Background:  g.platform.Background,
		Log:         g.platform.Log(),
		Limits:      limits.upstream,
		Version:     Version,
	})
	list := lists.New(lists.Config{
		Upstream:   up,
		KV:         g.platform.KV(platform.Config),
		Background: g.platform.Background,
		Log:        g.platform.Log(),
		Limits:     limits.lists,
	})
	g.mcp = mcp.New(mcp.Config{
		Gate:     gate,
		Upstream: up,
		Lists:    list,
		Metrics:  g.metrics,
		Sessions: session.NewCodec(g.keyring),
		KV:       g.platform.KV(platform.Config),
		Origins: &mcp.Origins{
			Hosts:   words(g.platform.Env("GRANTWAY_ALLOWED_HOSTS")),
			Allowed: words(g.platform.Env("GRANTWAY_ALLOWED_ORIGINS")),
		},
		Recorder:   g.trail,
		Log:        g.platform.Log(),
		Limits:     limits.endpoints,
		ConnectURL: g.interactive.ConnectURL,
		AcceptsTokens: func(ctx context.Context) bool {
			list, err := g.authorities(ctx, "", "")
			return err == nil && len(list) > 0
		},
		Version: Version,
		Memory:  mcp.Memory{Keys: g.keys, Records: g.source, Tokens: g.tokens},
	})
	g.rest = rest.New(rest.Config{
		Gate:          gate,
		Upstream:      up,
		Lists:         list,
		Recorder:      g.trail,
		Log:           g.platform.Log(),
		MaxBody:       limits.endpoints.MaxBody,
		FanOut:        limits.endpoints.FanOut,
		FanOutTimeout: limits.endpoints.FanOutTimeout,
	})
	g.routes["mcp"] = g.mcp
	g.routes["mcp-rest"] = g.rest
	g.wireHealth(up, list)
}

// limits are those of package settings, with the fixed ones of each package.
func (g *Gateway) limits() (l struct {
	endpoints mcp.Limits
	upstream  upstream.Limits
	lists     lists.Limits
}) {
	s := g.settings
	l.endpoints, l.upstream, l.lists = mcp.DefaultLimits, upstream.DefaultLimits, lists.DefaultLimits
	l.endpoints.MaxBody, l.endpoints.MaxHeader = s.MCPBodyLimit, s.MCPHeaderLimit
	l.endpoints.FanOut, l.endpoints.FanOutTimeout = s.FanOut, s.FanOutTimeout
	l.upstream.HeadTimeout, l.upstream.CallTimeout, l.upstream.MaxResponse = s.HeadTimeout, s.CallTimeout, s.MCPResponseLimit
	l.lists.LegacyLife = s.ListLife
	return l
}

// wireHealth mounts the checks of servers, saved and unsaved.
func (g *Gateway) wireHealth(up *upstream.Client, list *lists.Lists) {
	h := &health.Handler{
		Tokens:   g.tokens,
		Upstream: up,
		Lists:    list,
		Source:   g.source,
		Drafter:  g.admin,
		Log:      g.platform.Log(),
		FanOut:   g.settings.FanOut,
		Timeout:  g.settings.HealthTimeout,
	}
	g.admin.Mount("GET /v1/mcp/server/health", access.RoleViewer, h.Many)
	g.admin.Mount("GET /v1/mcp/server/{id}/health", access.RoleViewer, h.One)
	g.admin.Mount("POST /mcp-rest/test/connection", access.RoleAdmin, h.TestConnection)
	g.admin.Mount("POST /mcp-rest/test/tools/list", access.RoleAdmin, h.TestTools)
	g.rest.Handle("POST /mcp-rest/test/connection", g.admin)
	g.rest.Handle("POST /mcp-rest/test/tools/list", g.admin)
}

// fallback serves /{server}/mcp, the alias of /mcp/{server}, and the relay's paths.
func (g *Gateway) fallback(w http.ResponseWriter, r *http.Request) {
	if g.interactive != nil && relays(r.URL.Path) && g.interactive.Relay(w, r) {
		return
	}
	if g.mcp != nil && strings.HasSuffix(r.URL.Path, "/mcp") {
		g.mcp.ServeHTTP(w, r)
		return
	}
	g.notFound(w, r)
}

// words takes a comma-separated list apart.
func words(s string) []string {
	var out []string
	for w := range strings.SplitSeq(s, ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}
