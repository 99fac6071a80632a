package resource

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/problem"
)

// WellKnown is the first part of the path of protected-resource metadata (RFC 9728 §3).
const WellKnown = "/.well-known/oauth-protected-resource"

// Authority is an authorization server that issues tokens for an endpoint.
type Authority struct {
	Issuer string
	Scopes []string
}

// Handler serves the metadata and dresses refusals with challenges.
type Handler struct {
	Site *Site
	// Authorities answers the authorization servers of an MCP endpoint ("" for the
	// aggregated one or the gateway as a whole), or an error if they are not known now.
	Authorities func(ctx context.Context, base, server string) ([]Authority, error)
}

// metadata is the document of RFC 9728 §2.
type metadata struct {
	Resource      string   `json:"resource"`
	Servers       []string `json:"authorization_servers"`
	Scopes        []string `json:"scopes_supported,omitempty"`
	BearerMethods []string `json:"bearer_methods_supported"`
	Name          string   `json:"resource_name"`
}

// ServeHTTP serves WellKnown and WellKnown + the path of an endpoint.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodOptions:
		w.Header().Set("Access-Control-Allow-Methods", "GET")
		w.Header().Set("Access-Control-Allow-Headers", "MCP-Protocol-Version")
		w.Header().Set("Access-Control-Max-Age", "7200")
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodGet, http.MethodHead:
	default:
		p := problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "Metadata is read with GET.")
		p.Header = http.Header{"Allow": {"GET, HEAD, OPTIONS"}}
		problem.Write(w, r, p)
		return
	}
	path := strings.TrimPrefix(r.URL.EscapedPath(), WellKnown)
	server, endpoint := ServerOf(path)
	if !endpoint && path != "" && path != "/" {
		problem.Write(w, r, problem.New(http.StatusNotFound, "not_found", "No MCP endpoint has this path."))
		return
	}
	base, _ := h.Site.Base(r)
	list, err := h.Authorities(r.Context(), base, server)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	if len(list) == 0 {
		problem.Write(w, r, problem.New(http.StatusNotFound, "no_authorization_server", "This endpoint takes access keys only: no issuer of access tokens is configured for it."))
		return
	}
	m := metadata{Resource: base + strings.TrimSuffix(path, "/"), BearerMethods: []string{"header"}, Name: "Grantway"}
	if server != "" {
		m.Name += " / " + server
	}
	for _, a := range list {
		m.Servers = append(m.Servers, a.Issuer)
		for _, s := range a.Scopes {
			if !slices.Contains(m.Scopes, s) {
				m.Scopes = append(m.Scopes, s)
			}
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=60")
	w.Header().Add("Vary", "X-Forwarded-Host, X-Forwarded-Proto")
	_, _ = w.Write(b)
}

// Guard is an access.Authenticator that adds to a refusal where a token can be had
// (RFC 9728 §5.1).
type Guard struct {
	access.Authenticator
	Metadata *Handler
}

// Authenticate asks the authenticator within.
func (g *Guard) Authenticate(r *http.Request) (*access.Principal, error) {
	p, err := g.Authenticator.Authenticate(r)
	if err == nil {
		return p, nil
	}
	pr := problem.From(err)
	if pr.Status != http.StatusUnauthorized && pr.Status != http.StatusForbidden {
		return nil, err
	}
	if challenge := g.Metadata.challenge(r, pr); challenge != "" {
		q := *pr
		q.Header = pr.Header.Clone()
		if q.Header == nil {
			q.Header = http.Header{}
		}
		q.Header["Www-Authenticate"] = []string{challenge}
		return nil, &q
	}
	return nil, err
}

// challenge answers the WWW-Authenticate of a refused request to an MCP endpoint, or
// "" to leave it as it is.
func (h *Handler) challenge(r *http.Request, pr *problem.Problem) string {
	server, ok := ServerOf(r.URL.Path)
	own := pr.Header.Get("Www-Authenticate")
	if !ok || own == "" {
		return ""
	}
	base, _ := h.Site.Base(r)
	list, err := h.Authorities(r.Context(), base, server)
	if err != nil || len(list) == 0 {
		return ""
	}
	c := `Bearer resource_metadata="` + quotable(base+WellKnown+strings.TrimSuffix(r.URL.EscapedPath(), "/")) + `"`
	switch {
	case strings.Contains(own, "insufficient_scope"):
		return c + ", " + strings.TrimPrefix(own, "Bearer ")
	case access.Presented(r) != "":
		c += `, error="invalid_token"`
	}
	var scopes []string
	for _, a := range list {
		for _, s := range a.Scopes {
			if !slices.Contains(scopes, s) {
				scopes = append(scopes, s)
			}
		}
	}
	if len(scopes) > 0 {
		c += `, scope="` + strings.Join(scopes, " ") + `"`
	}
	return c
}

// quotable takes out what would end a quoted string.
func quotable(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '"' || c == '\\' || c < ' ' || c > '~' {
			return -1
		}
		return c
	}, s)
}
