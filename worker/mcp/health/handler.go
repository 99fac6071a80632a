package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp/lists"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// maxBody bounds a test's body, in bytes.
const maxBody = 256 << 10

// Drafter makes the record that a request body describes, without keeping it.
type Drafter interface {
	Draft(ctx context.Context, body []byte) (*registry.Record, error)
}

// Handler serves the endpoints. All fields are required.
type Handler struct {
	Tokens   Tester
	Upstream *upstream.Client
	Lists    *lists.Lists
	Source   registry.Source
	Drafter  Drafter
	Log      *slog.Logger
	FanOut   int           // servers checked at once
	Timeout  time.Duration // for one server
}

// One serves GET /v1/mcp/server/{id}/health: 200 whatever the check found.
func (h *Handler) One(w http.ResponseWriter, r *http.Request) error {
	rec, err := h.Source.Lookup(r.Context(), r.PathValue("id"))
	if err != nil {
		return noServer(r.PathValue("id"), err)
	}
	return answer(w, http.StatusOK, h.saved(r.Context(), rec, access.FromContext(r.Context())))
}

// Many serves GET /v1/mcp/server/health?server_ids=A,B (or repeated): an array of reports, of every
// server without the parameter.
func (h *Handler) Many(w http.ResponseWriter, r *http.Request) error {
	var recs []*registry.Record
	var refs []string
	for _, v := range r.URL.Query()["server_ids"] {
		refs = append(refs, strings.Split(v, ",")...)
	}
	for _, ref := range refs {
		if ref = strings.TrimSpace(ref); ref == "" {
			continue
		}
		rec, err := h.Source.Lookup(r.Context(), ref)
		if err != nil {
			return noServer(ref, err)
		}
		recs = append(recs, rec)
	}
	if len(refs) == 0 {
		var err error
		if recs, err = h.Source.All(r.Context()); err != nil {
			return err
		}
	}
	reports := make([]*Report, len(recs))
	who := access.FromContext(r.Context())
	lists.Each(r.Context(), len(recs), h.FanOut, h.Timeout, func(ctx context.Context, i int) {
		reports[i] = h.saved(ctx, recs[i], who)
	})
	return answer(w, http.StatusOK, reports)
}

func noServer(ref string, err error) error {
	if errors.Is(err, registry.ErrNotFound) {
		return problem.New(http.StatusNotFound, "server_not_found", fmt.Sprintf("There is no server %q.", ref))
	}
	return err
}

// saved checks a server by the way that calls take, so that it warms what they use. The
// list of tools is asked for anew.
func (h *Handler) saved(ctx context.Context, rec *registry.Record, who *access.Principal) *Report {
	if rec.Disabled {
		return &Report{ServerID: rec.ServerID, Slug: rec.Slug, Status: Disabled, Steps: []Step{}, CheckedAt: time.Now().UTC().Truncate(time.Millisecond)}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.Timeout, upstream.ErrTimeout)
	defer cancel()
	h.Upstream.Forget(ctx, rec)
	t := upstream.Target{Record: rec, Caller: who}
	h.Lists.Invalidate(ctx, t, "tools/list")
	return check(ctx, t, func() error { return h.Tokens.Ready(ctx, rec, who) }, h.Upstream, h.Lists, true)
}

// TestConnection serves POST /mcp-rest/test/connection.
func (h *Handler) TestConnection(w http.ResponseWriter, r *http.Request) error {
	return h.test(w, r, false)
}

// TestTools serves POST /mcp-rest/test/tools/list: every tool of the server, whatever the
// record allows.
func (h *Handler) TestTools(w http.ResponseWriter, r *http.Request) error { return h.test(w, r, true) }

// test answers 200 where every step succeeded; else the status of the step that failed, with the
// whole report.
func (h *Handler) test(w http.ResponseWriter, r *http.Request, tools bool) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return problem.New(http.StatusBadRequest, "unreadable_body", "The request's body broke off.").Because(err)
	}
	if len(body) > maxBody {
		return problem.New(http.StatusRequestEntityTooLarge, "body_too_large", "The request's body is larger than 256 KiB.")
	}
	rec, err := h.Drafter.Draft(r.Context(), body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), h.Timeout, upstream.ErrTimeout)
	defer cancel()
	report := h.preview(ctx, rec, access.FromContext(r.Context()), tools)
	out := struct {
		*Report
		Error any             `json:"error"`
		Tools json.RawMessage `json:"tools,omitempty"`
	}{Report: report}
	if report.fault != nil {
		out.Error = map[string]string{"code": report.Code, "message": report.Message, "request_id": problem.RequestID(r.Context())}
		return answer(w, report.fault.Status, out)
	}
	out.Message = "The server answered."
	if tools {
		out.Tools = toolsOf(report)
		out.Message = "Successfully retrieved tools"
	}
	return answer(w, http.StatusOK, out)
}

func answer(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b)
	return nil
}
