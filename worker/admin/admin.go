// Package admin is the management API under /v1: it checks who asks, takes
// requests apart, and leaves the decisions to the domain packages and the truth to the
// Directory.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/openapi"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/schema"
	"github.com/grantway/grantway/worker/seal"
	"github.com/grantway/grantway/worker/usage"
)

// maxBody bounds the body of a management request, in bytes; imports have their own.
const maxBody = 256 << 10

// Config is what the API needs. Fields are required unless they say otherwise.
type Config struct {
	Platform  platform.Platform
	Directory *directory.Client
	Source    *registry.Cached
	Keys      *access.Keys
	Sessions  *access.Sessions
	Keyring   *seal.Keyring // nil: no secret can be kept
	Audit     *audit.Recorder
	Usage     *usage.Recorder
	// AllowLoopback permits issuers and providers on this machine, by http.
	AllowLoopback bool
	// PurgeTokens takes away every token of a server, everywhere; nil: nothing.
	PurgeTokens func(ctx context.Context, rec *registry.Record) error
	// SettingsChanged makes a change of the settings effective in this instance at once.
	SettingsChanged func(directory.Settings)
}

// API serves /v1.
type API struct {
	Config
	mux      *http.ServeMux
	patterns []string
}

// Patterns answers the patterns of every endpoint, for the test that compares
// them with /openapi.json.
func (a *API) Patterns() []string { return a.patterns }

// New makes the API.
func New(c Config) *API {
	a := &API{Config: c, mux: http.NewServeMux()}
	for _, e := range []struct {
		pattern string
		least   access.Role
		handler Handler
	}{
		{"GET /v1/mcp/server", access.RoleCaller, a.listServers},
		{"POST /v1/mcp/server", access.RoleAdmin, a.createServer},
		{"PUT /v1/mcp/server", access.RoleAdmin, a.updateServer},
		{"POST /v1/mcp/server/bulk", access.RoleAdmin, a.bulkServers},
		{"GET /v1/mcp/server/{id}", access.RoleCaller, a.getServer},
		{"PUT /v1/mcp/server/{id}", access.RoleAdmin, a.updateServer},
		{"PATCH /v1/mcp/server/{id}", access.RoleAdmin, a.updateServer},
		{"DELETE /v1/mcp/server/{id}", access.RoleAdmin, a.deleteServer},
		{"GET /v1/keys", access.RoleViewer, a.listKeys},
		{"POST /v1/keys", access.RoleAdmin, a.createKey},
		{"GET /v1/keys/{id}", access.RoleViewer, a.getKey},
		{"PUT /v1/keys/{id}", access.RoleAdmin, a.updateKey},
		{"PATCH /v1/keys/{id}", access.RoleAdmin, a.updateKey},
		{"DELETE /v1/keys/{id}", access.RoleAdmin, a.revokeKey},
		{"POST /v1/keys/{id}/rotate", access.RoleAdmin, a.rotateKey},
		{"GET /v1/session", access.RoleCaller, a.getSession},
		{"DELETE /v1/session", access.RoleCaller, a.signOut},
		{"GET /v1/audit", access.RoleViewer, a.listAudit},
		{"GET /v1/audit/verify", access.RoleViewer, a.verifyAudit},
		{"GET /v1/audit/export", access.RoleViewer, a.exportAudit},
		{"GET /v1/usage", access.RoleViewer, a.getUsage},
		{"GET /v1/usage/sparkline", access.RoleViewer, a.getSparkline},
		{"GET /v1/settings", access.RoleViewer, a.getSettings},
		{"PUT /v1/settings", access.RoleAdmin, a.updateSettings},
		{"PATCH /v1/settings", access.RoleAdmin, a.updateSettings},
		{"GET /v1/settings/issuers", access.RoleViewer, a.getIssuers},
		{"PUT /v1/settings/issuers", access.RoleAdmin, a.updateIssuers},
		{"GET /v1/settings/sign-in", access.RoleViewer, a.getProvider},
		{"PUT /v1/settings/sign-in", access.RoleAdmin, a.updateProvider},
		{"GET /v1/settings/reseal", access.RoleViewer, a.getReseal},
		{"POST /v1/settings/reseal", access.RoleAdmin, a.startReseal},
		{"POST /v1/settings/republish", access.RoleAdmin, a.republish},
		{"POST /v1/import", access.RoleAdmin, a.importFile},
		{"GET /v1/export", access.RoleViewer, a.exportFile},
		{"POST /v1/export", access.RoleAdmin, a.exportSealed},
	} {
		a.Mount(e.pattern, e.least, e.handler)
	}
	a.mux.HandleFunc("POST /v1/session", func(w http.ResponseWriter, r *http.Request) {
		if err := a.signIn(w, r); err != nil {
			a.fail(w, r, err)
		}
	})
	return a
}

// Handler serves one endpoint; an error is answered as a problem.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Mount adds an endpoint for principals of at least this role. The pattern is
// http.ServeMux's, with a method and a path under /v1 (or another path that the
// gateway routes here). The principal is in the request's context (access.FromContext).
func (a *API) Mount(pattern string, least access.Role, h Handler) {
	a.patterns = append(a.patterns, pattern)
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		p, err := a.Sessions.Authenticate(r)
		if err == nil {
			r = r.WithContext(access.WithPrincipal(r.Context(), p))
			if !atLeast(p.Role, least) {
				pr := problem.New(http.StatusForbidden, "forbidden", "This needs the role "+string(least)+".")
				a.denied(r, p, pr)
				err = pr
			}
		}
		if err == nil {
			w.Header().Set("Cache-Control", "no-store")
			if c := a.Sessions.Renew(r, p); c != nil {
				http.SetCookie(w, c)
			}
			err = h(w, r)
		}
		if err != nil {
			a.fail(w, r, err)
		}
	})
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	if p := problem.From(err); p.Status >= 500 && r.Context().Err() == nil {
		a.Platform.Log().ErrorContext(r.Context(), "management request failed", "path", r.URL.Path, "request_id", problem.RequestID(r.Context()), "error", err.Error())
	}
	problem.Write(w, r, err)
}

func atLeast(have, need access.Role) bool {
	rank := map[access.Role]int{access.RoleCaller: 1, access.RoleViewer: 2, access.RoleAdmin: 3}
	return rank[have] >= rank[need]
}

// ServeHTTP serves a management request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h, pattern := a.mux.Handler(r); pattern == "" {
		probe := &headOnly{header: http.Header{}}
		h.ServeHTTP(probe, r)
		if probe.status == http.StatusMethodNotAllowed {
			p := problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "This path does not have that method.")
			p.Header = http.Header{"Allow": probe.header["Allow"]}
			problem.Write(w, r, p)
			return
		}
		problem.Write(w, r, problem.New(http.StatusNotFound, "not_found", "Nothing is served at this path."))
		return
	}
	a.mux.ServeHTTP(w, r)
}

// headOnly takes the mux's own answer, of which only the status and Allow are used.
type headOnly struct {
	header http.Header
	status int
}

func (h *headOnly) Header() http.Header         { return h.header }
func (h *headOnly) WriteHeader(status int)      { h.status = status }
func (h *headOnly) Write(b []byte) (int, error) { return len(b), nil }

// maxDrained is how much of a body that is too large is read before it is refused: a
// client that is still sending may otherwise see a broken connection and no answer.
const maxDrained = 16 << 20

func readBody(r *http.Request, limit int) ([]byte, error) {
	if r.ContentLength > int64(limit) {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrained)
		return nil, tooLarge(limit)
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, int64(limit)+1))
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		return nil, problem.New(http.StatusBadRequest, "unreadable_body", "The request's body broke off.").Because(err)
	}
	if len(b) > limit {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrained)
		return nil, tooLarge(limit)
	}
	return b, nil
}

// readJSON reads a body that must be JSON.
func readJSON(r *http.Request) ([]byte, error) {
	if ct, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); ct != "" && !strings.EqualFold(strings.TrimSpace(ct), "application/json") {
		return nil, problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "Send application/json.")
	}
	b, err := readBody(r, maxBody)
	if err != nil {
		return nil, err
	}
	if !json.Valid(b) {
		return nil, problem.New(http.StatusBadRequest, "invalid_json", "The body is not valid JSON.")
	}
	return b, nil
}

// readOptionalJSON is readJSON for a body that may be missing: then it is {}.
func readOptionalJSON(r *http.Request) ([]byte, error) {
	if r.ContentLength == 0 {
		return []byte("{}"), nil
	}
	return readJSON(r)
}

// readAs reads a JSON body into v, once it conforms to the schema of this name.
func readAs(r *http.Request, name string, mode schema.Mode, v any) error {
	body, err := readJSON(r)
	if err != nil {
		return err
	}
	if problems := openapi.Schemas().Check(name, body, mode); len(problems) > 0 {
		return invalid(problems)
	}
	return json.Unmarshal(body, v)
}

func answer(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err = w.Write(b)
	if err != nil {
		return nil // the client has left
	}
	return nil
}

// answerVersion answers a thing that can be changed, with the ETag of its version.
func answerVersion(w http.ResponseWriter, status int, version int64, v any) error {
	w.Header().Set("ETag", directory.ETag(version))
	return answer(w, status, v)
}

func invalid(fields []problem.Field) *problem.Problem {
	p := problem.New(http.StatusUnprocessableEntity, "invalid_record", "Some fields are not valid.")
	p.Fields = fields
	return p
}

// serverIDOf answers the server_id of a body in LiteLLM's form of an update.
func serverIDOf(body []byte) (string, error) {
	var in struct {
		ServerID string `json:"server_id"`
	}
	if err := json.Unmarshal(body, &in); err != nil || in.ServerID == "" {
		return "", invalid([]problem.Field{{Path: "server_id", Code: "required", Message: "Say which server, here or in the path."}})
	}
	return in.ServerID, nil
}

func tooLarge(limit int) *problem.Problem {
	return problem.New(http.StatusRequestEntityTooLarge, "body_too_large", "The body is larger than "+strconv.Itoa(limit)+" bytes.")
}

// actorOf answers the id of the principal of a request.
func actorOf(r *http.Request) string {
	if p := access.FromContext(r.Context()); p != nil {
		return p.ID
	}
	return ""
}
