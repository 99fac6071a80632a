package interactive

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/token"
)

// Start serves POST /v1/mcp/server/{id}/connect
//
//	{"shared": false, "return_to": "/ui/connected"}
//
// and answers where the browser must go, with the cookie that binds the flow to it. shared is
// for administrators; return_to is a path below /ui/, where the browser ends; without it a
// page says that the window can be closed.
func (h *Handler) Start(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Shared   bool   `json:"shared"`
		ReturnTo string `json:"return_to"`
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	if err != nil {
		return problem.New(http.StatusBadRequest, "unreadable_body", "The request's body broke off.").Because(err)
	}
	if len(b) > 0 && json.Unmarshal(b, &in) != nil {
		return problem.New(http.StatusBadRequest, "invalid_json", "The body is not valid JSON.")
	}
	if in.ReturnTo != "" && returnPath(in.ReturnTo) == "" {
		p := problem.New(http.StatusUnprocessableEntity, "invalid_record", "Some fields are not valid.")
		p.Fields = []problem.Field{{Path: "return_to", Code: "invalid_path", Message: "Must be a path of the gateway below /ui/."}}
		return p
	}
	p := access.FromContext(r.Context())
	subject, err := subjectFor(p, in.Shared)
	if err != nil {
		return err
	}
	rec, err := h.find(r.Context(), r.PathValue("id"), p)
	if err != nil {
		return err
	}
	s, err := h.start(r, rec, p, subject, in.ReturnTo, nil)
	if err != nil {
		return err
	}
	http.SetCookie(w, s.Cookie)
	return reply(w, http.StatusOK, map[string]any{"authorization_url": s.URL, "expires_in": int(FlowLife.Seconds())})
}

// Status serves GET /v1/mcp/server/{id}/connection, with ?shared=true for the shared one.
func (h *Handler) Status(w http.ResponseWriter, r *http.Request) error {
	p := access.FromContext(r.Context())
	rec, err := h.find(r.Context(), r.PathValue("id"), p)
	if err != nil {
		return err
	}
	subject := p.ID
	if r.URL.Query().Get("shared") == "true" {
		subject = token.SharedSubject
	}
	st, err := h.Engine.ConnectionStatus(r.Context(), rec, subject)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, st)
}

// Delete serves DELETE /v1/mcp/server/{id}/connection, with ?shared=true for the shared one.
func (h *Handler) Delete(w http.ResponseWriter, r *http.Request) error {
	p := access.FromContext(r.Context())
	subject, err := subjectFor(p, r.URL.Query().Get("shared") == "true")
	if err != nil {
		return err
	}
	rec, err := h.find(r.Context(), r.PathValue("id"), p)
	if err != nil {
		return err
	}
	if err := h.disconnect(r, rec, p, subject); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// List serves GET /v1/connections: the interactive servers that the caller may use, with
// the caller's own and the shared connection.
func (h *Handler) List(w http.ResponseWriter, r *http.Request) error {
	list, err := h.connections(r, access.FromContext(r.Context()))
	if err != nil {
		return err
	}
	type row struct {
		ServerID   string                  `json:"server_id"`
		Slug       string                  `json:"slug"`
		ServerName string                  `json:"server_name"`
		ConnectURL string                  `json:"connect_url"`
		Own        *token.ConnectionStatus `json:"own"`
		Shared     *token.ConnectionStatus `json:"shared"`
	}
	out := []row{}
	base := h.base(r)
	for _, c := range list {
		out = append(out, row{c.Server.ServerID, c.Server.Slug, c.Server.ServerName, base + ConnectPath + "/" + c.Server.Slug, c.Own, c.Shared})
	}
	return reply(w, http.StatusOK, map[string]any{"data": out})
}

// ConnectURL answers where the caller of a request can connect a server.
func (h *Handler) ConnectURL(r *http.Request, slug string) string {
	return h.base(r) + ConnectPath + "/" + strings.ReplaceAll(slug, "/", "")
}

func reply(w http.ResponseWriter, status int, v any) error {
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
