// Package health finds out, step by step, whether a server can be used: its token, a
// connection, its list of tools. It serves the health endpoints of saved servers and the
// tests of unsaved ones.
package health

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/lists"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

// Status says how a server is.
type Status string

// The states. A disabled server is not asked.
const (
	OK       Status = "ok"
	Failed   Status = "error"
	Disabled Status = "disabled"
)

// Names of the steps, in their order.
const (
	StepToken      = "token"
	StepConnection = "connection"
	StepTools      = "tools/list"
)

// Report is what a check found.
type Report struct {
	ServerID string `json:"server_id,omitempty"`
	Slug     string `json:"slug,omitempty"`
	Status   Status `json:"status"`
	// Code and Message are those of the step that failed.
	Code            string    `json:"code,omitempty"`
	Message         string    `json:"message,omitempty"`
	Era             string    `json:"era,omitempty"` // modern or legacy
	ProtocolVersion string    `json:"protocol_version,omitempty"`
	ToolCount       *int      `json:"tool_count,omitempty"`
	Steps           []Step    `json:"steps"`
	CheckedAt       time.Time `json:"checked_at"`

	tools []json.RawMessage
	fault *problem.Problem
}

// Step is one step of a check.
type Step struct {
	Name       string `json:"name"`
	OK         bool   `json:"ok"`
	TookMillis int64  `json:"took_ms"`
	Code       string `json:"code,omitempty"`
	Message    string `json:"message,omitempty"`
}

// step runs f as the next step, unless an earlier one failed.
func (r *Report) step(name string, f func() error) {
	if r.fault != nil {
		return
	}
	begin := time.Now()
	err := f()
	s := Step{Name: name, OK: err == nil, TookMillis: time.Since(begin).Milliseconds()}
	if err != nil {
		r.fault = faultOf(err)
		s.Code, s.Message = r.fault.Code, r.fault.Message
		r.Status, r.Code, r.Message = Failed, s.Code, s.Message
	}
	r.Steps = append(r.Steps, s)
}

func faultOf(err error) *problem.Problem {
	if rpc, ok := err.(*jsonrpc.Error); ok {
		return problem.New(http.StatusBadGateway, "upstream_error", "The MCP server answered with an error: "+rpc.Message)
	}
	return problem.From(err)
}

// check runs the steps. ready is the first of them; tools says whether the last is wanted.
func check(ctx context.Context, t upstream.Target, ready func() error, up *upstream.Client, list *lists.Lists, tools bool) *Report {
	r := &Report{ServerID: t.Record.ServerID, Slug: t.Record.Slug, Status: OK, CheckedAt: time.Now().UTC().Truncate(time.Millisecond)}
	r.step(StepToken, ready)
	r.step(StepConnection, func() error {
		told, err := up.Describe(ctx, t)
		if err != nil {
			return err
		}
		era, err := up.Era(ctx, t)
		if err != nil {
			return err
		}
		r.Era, r.ProtocolVersion = "legacy", era.Version
		if era.Modern {
			r.Era = "modern"
		} else if v, ok := told.Text("protocolVersion"); ok {
			r.ProtocolVersion = v
		}
		return nil
	})
	if !tools {
		return r
	}
	r.step(StepTools, func() error {
		all, err := list.All(ctx, t, "tools/list", nil)
		if err != nil {
			return err
		}
		n := len(all)
		r.tools, r.ToolCount = all, &n
		return nil
	})
	return r
}

// Tester makes a way to an upstream that shares nothing with what serves calls; the
// token engine implements it.
type Tester interface {
	Preview(ctx context.Context, rec *registry.Record, who *access.Principal) (http.RoundTripper, *token.TestResult)
	Ready(ctx context.Context, rec *registry.Record, who *access.Principal) error
}

// fixed is the one way of a preview.
type fixed struct{ way http.RoundTripper }

func (f fixed) Client(*registry.Record, *access.Principal) http.RoundTripper { return f.way }

// preview checks a record that need not be saved, with clients of its own: it neither reads nor
// writes a cache, and ends the session that it opened.
func (h *Handler) preview(ctx context.Context, rec *registry.Record, who *access.Principal, tools bool) *Report {
	way, result := h.Tokens.Preview(ctx, rec, who)
	up := upstream.New(upstream.Config{Credentials: fixed{way}, Log: h.Log, Limits: h.Upstream.Limits, Version: h.Upstream.Version})
	list := lists.New(lists.Config{Upstream: up, Log: h.Log, Limits: h.Lists.Limits})
	t := upstream.Target{Record: rec, Caller: who}
	defer up.Close(ctx, t)
	return check(ctx, t, func() error {
		if result.OK {
			return nil
		}
		status := http.StatusBadGateway
		if result.Stage == token.StageConfiguration {
			status = http.StatusUnprocessableEntity
		}
		return problem.New(status, result.Code, result.Message)
	}, up, list, tools)
}

// toolsOf answers the report's tools as an array.
func toolsOf(r *Report) json.RawMessage { return rawjson.EncodeArray(r.tools) }
