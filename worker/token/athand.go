package token

import (
	"strings"
	"time"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
)

// AtHand puts into f where a request to the record's server goes, and what Client would add to it, if Client would do so
// without waiting and has nothing else to do meanwhile: no refresh, no look at the store. Else it answers false.
func (e *Engine) AtHand(rec *registry.Record, now time.Time, f *platform.Forwarding) bool {
	p := e.plan(rec)
	if p.refusal != nil || !p.simple {
		return false
	}
	if p.oauth {
		pr := p.prepared.Load()
		if pr == nil || p.perCaller || !pr.plain || !pr.entry.usable(now) || !pr.current() || now.After(pr.entry.refreshAt) ||
			int64(now.Sub(pr.entry.made)) > pr.entry.recheckAt.Load() || now.UnixNano() >= e.reportAt.Load() {
			return false
		}
		e.count.l1.Inc()
		f.Secret = platform.Field{Name: p.credential, Value: pr.values[0]}
	}
	f.URL = p.url
	f.Header = append(f.Header, p.lines...)
	return true
}

// flatten prepares what AtHand needs. A plan whose headers take the place of others is not simple.
func (p *plan) flatten() {
	p.simple = p.url != "" && !ofMCP(p.credential)
	for _, f := range p.fixed {
		p.simple = p.simple && !ofMCP(f.name)
		p.lines = append(p.lines, platform.Field{Name: f.name, Value: f.values[0]})
	}
}

// ofMCP reports whether a request to an MCP server has a header of this name by itself.
func ofMCP(name string) bool {
	switch name {
	case "Accept", "Accept-Encoding", "Content-Type", "User-Agent", "Traceparent", "Tracestate", "Baggage", "Host", "Content-Length":
		return true
	}
	return strings.HasPrefix(name, "Mcp-")
}
