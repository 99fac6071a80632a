// Package tokenapi is the management API of tokens: status, refresh, purge, test
// and explanation of a server's credential. No answer holds a byte of a token or
// secret.
package tokenapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

// maxBody bounds a test's body, in bytes.
const maxBody = 256 << 10

// Drafter makes the record that a request body describes, without keeping it. With
// server_id it lays the body over the stored record.
type Drafter interface {
	Draft(ctx context.Context, body []byte) (*registry.Record, error)
}

// Trail takes what was done by hand. It must not block.
type Trail interface {
	Purged(ctx context.Context, rec *registry.Record, who *access.Principal, generation int64)
}

// Epochs raises the token epoch of a record, or of one caller there, and records that it did.
type Epochs interface {
	RaiseTokenEpoch(r *http.Request, ref, caller string, life time.Duration) (epoch int64, err error)
}

// Handler serves the endpoints. All fields but Trail are required.
type Handler struct {
	Engine  *token.Engine
	Epochs  Epochs
	Source  registry.Source
	Drafter Drafter
	Trail   Trail
}

func (h *Handler) find(r *http.Request) (*registry.Record, error) {
	ref := r.PathValue("id")
	rec, err := h.Source.Lookup(r.Context(), ref)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, problem.New(http.StatusNotFound, "server_not_found", fmt.Sprintf("There is no server %q.", ref))
	}
	return rec, err
}

// maxCaller bounds a principal's id, in bytes.
const maxCaller = 1024

// findCaller is find, and the caller whose token is meant: ?caller=ID, where callers have tokens of
// their own; "" for none.
func (h *Handler) findCaller(r *http.Request) (*registry.Record, string, error) {
	rec, err := h.find(r)
	given := r.URL.Query()["caller"]
	if err != nil || given == nil {
		return rec, "", err
	}
	if len(given) > 1 || given[0] == "" || len(given[0]) > maxCaller {
		return nil, "", problem.New(http.StatusBadRequest, "invalid_query", fmt.Sprintf("caller must be the id of one principal, of at most %d bytes.", maxCaller))
	}
	return rec, given[0], h.Engine.CheckCaller(r.Context(), rec, given[0])
}

// Status serves GET /v1/mcp/server/{id}/token.
func (h *Handler) Status(w http.ResponseWriter, r *http.Request) error {
	rec, caller, err := h.findCaller(r)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, h.Engine.Status(r.Context(), rec, caller, access.FromContext(r.Context())))
}

// Refresh serves POST /v1/mcp/server/{id}/token: a new token now.
func (h *Handler) Refresh(w http.ResponseWriter, r *http.Request) error {
	rec, caller, err := h.findCaller(r)
	if err != nil {
		return err
	}
	st, err := h.Engine.Refresh(r.Context(), rec, caller, access.FromContext(r.Context()))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, st)
}

// Purge serves DELETE /v1/mcp/server/{id}/token.
func (h *Handler) Purge(w http.ResponseWriter, r *http.Request) error {
	rec, caller, err := h.findCaller(r)
	if err != nil {
		return err
	}
	var generation int64
	own := !h.Engine.ByEpoch(rec)
	if own {
		generation, err = h.Engine.Purge(r.Context(), rec)
	} else {
		generation, err = h.Epochs.RaiseTokenEpoch(r, rec.ServerID, caller, h.Engine.LongestLife())
	}
	if err != nil {
		return err
	}
	if own && h.Trail != nil {
		h.Trail.Purged(r.Context(), rec, access.FromContext(r.Context()), generation)
	}
	purged := map[string]any{"server_id": rec.ServerID, "purged": true, "generation": generation}
	if caller != "" {
		purged["caller"] = caller
	}
	return answer(w, http.StatusOK, purged)
}

// Explain serves POST /v1/mcp/server/{id}/explain.
func (h *Handler) Explain(w http.ResponseWriter, r *http.Request) error {
	rec, err := h.find(r)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, h.Engine.Explain(r.Context(), rec, access.FromContext(r.Context())))
}

// Test serves POST /mcp-rest/test/token. A token is 200; a fault of the configuration
// 422; of the authorization server 502, or 503 if waiting may help. The body is a
// token.TestResult each time, with the member error where it failed.
func (h *Handler) Test(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return problem.New(http.StatusBadRequest, "unreadable_body", "The request's body broke off.").Because(err)
	}
	if len(body) > maxBody {
		return problem.New(http.StatusRequestEntityTooLarge, "body_too_large", "The request body is larger than 256 KiB.")
	}
	rec, err := h.Drafter.Draft(r.Context(), body)
	if err != nil {
		return err
	}
	result := h.Engine.Test(r.Context(), rec, access.FromContext(r.Context()))
	if result.OK {
		return answer(w, http.StatusOK, result)
	}
	status := http.StatusBadGateway
	switch {
	case result.Stage == token.StageConfiguration:
		status = http.StatusUnprocessableEntity
	case result.Class == oauth.Unavailable:
		status = http.StatusServiceUnavailable
	}
	return answer(w, status, struct {
		*token.TestResult
		Error map[string]string `json:"error"`
	}{result, map[string]string{"code": result.Code, "message": result.Message, "request_id": problem.RequestID(r.Context())}})
}

// Discover serves POST /mcp-rest/test/discovery: what the server at url, and its
// authorization server, publish about themselves.
func (h *Handler) Discover(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		URL string `json:"url"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(&in); err != nil || in.URL == "" {
		return problem.New(http.StatusBadRequest, "missing_parameter", "The string url is required.")
	}
	m, err := h.Engine.Discover(r.Context(), in.URL)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, m)
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
