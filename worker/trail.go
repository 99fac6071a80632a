package worker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/mcp"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
	"github.com/grantway/grantway/worker/usage"
)

// trail turns what the data path and the token engine report into audit entries
// and usage figures.
type trail struct {
	audit *audit.Recorder
	usage *usage.Recorder
}

var (
	_ token.Audit  = (*trail)(nil)
	_ mcp.Recorder = (*trail)(nil)
)

// Minted takes an attempt to mint a token.
func (t *trail) Minted(ctx context.Context, m token.Mint) {
	detail := map[string]any{"cause": m.Cause, "took_ms": m.Took.Milliseconds()}
	if m.Status != 0 {
		detail["idp_status"] = m.Status
	}
	if m.KeyID != "" {
		detail["key_id"] = m.KeyID
	}
	if m.Local {
		detail["local"] = true
	}
	e := audit.Entry{
		Time: m.At, Action: "token.mint", Actor: audit.Actor{ID: m.CallerID, Name: m.CallerName}, Target: audit.Target{Type: "server", ID: m.ServerID, Name: m.Server},
		Outcome: audit.OK, RequestID: problem.RequestID(ctx),
	}
	if e.Actor.ID == "" {
		e.Actor.ID = "gateway"
	}
	if m.Failure != nil {
		e.Outcome = audit.Failed
		detail["class"], detail["code"], detail["message"] = m.Failure.Class, m.Failure.Code, m.Failure.Message
		if m.Failure.OAuthError != "" {
			detail["oauth_error"] = m.Failure.OAuthError
		}
	} else {
		detail["life_seconds"] = int64(m.Life / time.Second)
		detail["secret"] = m.SecretUsed
	}
	t.record(ctx, e, detail)
}

// Purged takes a purge of a server's token that somebody asked for.
func (t *trail) Purged(ctx context.Context, rec *registry.Record, p *access.Principal, generation int64) {
	e := audit.Entry{
		Action: "token.purge", Actor: audit.Actor{ID: "anonymous"}, Target: audit.Target{Type: "server", ID: rec.ServerID, Name: rec.Slug},
		Outcome: audit.OK, RequestID: problem.RequestID(ctx),
	}
	if p != nil {
		e.Actor = audit.Actor{ID: p.ID, Name: p.Name}
	}
	t.record(ctx, e, map[string]any{"generation": generation})
}

// Called takes a finished tool call. ctx is that of its request: one whose client has left is no
// failure of the server.
func (t *trail) Called(ctx context.Context, c mcp.Call) {
	failed := (c.Failed || c.Status >= http.StatusBadRequest) && !errors.Is(ctx.Err(), context.Canceled)
	t.usage.Call(ctx, usage.Call{
		ServerID: c.Record.ServerID, Tool: c.Tool, KeyID: keyOf(c.Caller), Failed: failed,
		Latency: c.Latency, Cost: costOf(c.Record, c.Tool),
	})
}

// Denied takes a call that policy refused.
func (t *trail) Denied(ctx context.Context, rec *registry.Record, p *access.Principal, tool, code string) {
	t.usage.Call(ctx, usage.Call{ServerID: rec.ServerID, Tool: tool, KeyID: keyOf(p), Denied: true})
	e := audit.Entry{
		Action: "call.denied", Actor: audit.Actor{ID: "anonymous"}, Target: audit.Target{Type: "server", ID: rec.ServerID, Name: rec.Slug},
		Outcome: audit.Denied, RequestID: problem.RequestID(ctx),
	}
	if p != nil {
		e.Actor = audit.Actor{ID: p.ID, Name: p.Name}
	}
	t.record(ctx, e, map[string]any{"tool": tool, "code": code})
}

// refused takes a request whose credential is missing or not accepted. What the
// verifier says of it names no part of the credential.
func (t *trail) refused(r *http.Request, err error) {
	p := problem.From(err)
	if p.Status != http.StatusUnauthorized && p.Status != http.StatusForbidden {
		return
	}
	path := r.URL.Path
	b, err := json.Marshal(map[string]string{"code": p.Code, "reason": p.Message})
	if err != nil {
		panic("trail: " + err.Error()) // a detail holds only text
	}
	t.audit.RecordRefused(r.Context(), audit.Entry{
		Action: "call.denied", Actor: audit.Actor{ID: "anonymous", IP: access.ClientIP(r)}, RequestID: problem.RequestID(r.Context()), Detail: b,
		Target: audit.Target{Type: "api", ID: r.Method + " " + path[:min(len(path), 100)]},
	}, p.Message)
}

func (t *trail) record(ctx context.Context, e audit.Entry, detail map[string]any) {
	b, err := json.Marshal(detail)
	if err != nil {
		panic("trail: " + err.Error()) // a detail holds only text and numbers
	}
	e.Detail = b
	t.audit.Record(ctx, e)
}

func keyOf(p *access.Principal) string {
	switch {
	case p == nil:
		return ""
	case p.KeyID != "":
		return p.KeyID
	}
	return p.ID
}

// costOf is the price of one call of a tool.
func costOf(rec *registry.Record, tool string) float64 {
	if rec.Info == nil || rec.Info.Cost == nil {
		return 0
	}
	if c, ok := rec.Info.Cost.PerTool[tool]; ok {
		return c
	}
	return rec.Info.Cost.DefaultPerQuery
}
