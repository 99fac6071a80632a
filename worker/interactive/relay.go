package interactive

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

// The relay is an authorization server for one interactive MCP server at the gateway, for
// MCP clients that know nothing but OAuth. It authorizes the client at the gateway in the
// name of the bearer of an access key, or of a person whom the identity provider of the sign-in
// vouches for, and the gateway at the upstream in between, if that has not been done. A client never gets a token of the upstream, and never anything without
// the person's consent to this very client (the confused deputy of the MCP specification).
const (
	relayCodeLife    = time.Minute
	relayTokenLife   = time.Hour
	relayRefreshLife = 30 * 24 * time.Hour
	relayTicketLife  = 10 * time.Minute
	maxRedirects     = 10  // redirect URIs of one client
	maxRedirect      = 512 // length of one, in bytes
	maxClientName    = 100
	maxClientID      = 4 << 10
)

// Prefixes tell what the gateway has issued apart.
const (
	relayClientPrefix  = "gwc_"
	relayTokenPrefix   = "gwt_"
	relayRefreshPrefix = "gwr_"
)

// relayRequest is an authorization request that was found good.
type relayRequest struct {
	ServerID    string `json:"server_id"`
	ClientID    string `json:"client_id"` // SHA-256 of it
	ClientName  string `json:"client_name"`
	RedirectURI string `json:"redirect_uri"`
	State       string `json:"state"`
	Challenge   string `json:"challenge"`
	Issuer      string `json:"issuer"`
	Expires     int64  `json:"expires"` // Unix s

	Named string          `json:"named,omitempty"` // id of the principal as whom the page says one is signed in
	By    access.SignedIn `json:"by"`              // whose consent it is
}

// relayGrant is what a code or refresh token stands for.
type relayGrant struct {
	access.SignedIn
	ServerID    string `json:"s"`
	ClientID    string `json:"c"`
	RedirectURI string `json:"r,omitempty"`
	Challenge   string `json:"h,omitempty"`
	Expires     int64  `json:"e,omitempty"` // of an access token, Unix s
}

// Relay serves /{server}/authorize, /{server}/token and /{server}/register, and the same
// without a server where there is just one it can mean. It answers false for other paths.
func (h *Handler) Relay(w http.ResponseWriter, r *http.Request) bool {
	path := strings.Trim(r.URL.Path, "/")
	server, action, two := strings.Cut(path, "/")
	if !two {
		server, action = "", path
	}
	var serve func(http.ResponseWriter, *http.Request, *registry.Record, string) error
	switch action {
	case "authorize":
		serve = h.relayAuthorize
	case "token":
		serve = h.relayToken
	case "register":
		serve = h.relayRegister
	default:
		return false
	}
	rec, err := h.relayServer(r.Context(), server)
	if err == nil {
		issuer := h.base(r)
		if server != "" {
			issuer += "/" + server
		}
		err = serve(w, r, rec, issuer)
	}
	switch {
	case err == nil:
	case action == "authorize":
		h.failPage(w, r, err)
	default:
		relayFail(w, r, err)
	}
	return true
}

// relayServer answers the interactive server with this name, or the only one there is.
func (h *Handler) relayServer(ctx context.Context, ref string) (*registry.Record, error) {
	if ref != "" {
		rec, err := h.Source.Lookup(ctx, ref)
		if isNotFound(err) {
			return nil, problem.New(http.StatusNotFound, "server_not_found", "There is no such MCP server.")
		}
		if err != nil {
			return nil, problem.New(http.StatusServiceUnavailable, "directory_unavailable", "The server's record cannot be read now.").Because(err)
		}
		return rec, check(rec)
	}
	all, err := h.Source.All(ctx)
	if err != nil {
		return nil, problem.New(http.StatusServiceUnavailable, "directory_unavailable", "The servers' records cannot be read now.").Because(err)
	}
	var found []*registry.Record
	var names []string
	for _, rec := range all {
		if check(rec) == nil {
			found, names = append(found, rec), append(names, rec.Slug)
		}
	}
	switch len(found) {
	case 0:
		return nil, problem.New(http.StatusNotFound, "no_interactive_server", "No server here uses the interactive flow.")
	case 1:
		return found[0], nil
	}
	return nil, problem.New(http.StatusNotFound, "server_ambiguous", "Several servers use the interactive flow; put one in front of the path: "+strings.Join(names[:min(len(names), 20)], ", ")+".")
}

// relayMetadata is RFC 8414 §2.
type relayMetadata struct {
	Issuer           string   `json:"issuer"`
	Authorization    string   `json:"authorization_endpoint"`
	Token            string   `json:"token_endpoint"`
	Registration     string   `json:"registration_endpoint"`
	ResponseTypes    []string `json:"response_types_supported"`
	ResponseModes    []string `json:"response_modes_supported"`
	GrantTypes       []string `json:"grant_types_supported"`
	ChallengeMethods []string `json:"code_challenge_methods_supported"`
	AuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	Iss              bool     `json:"authorization_response_iss_parameter_supported"`
	Documents        bool     `json:"client_id_metadata_document_supported"`
}

// RelayMetadata serves /.well-known/oauth-authorization-server and
// /.well-known/openid-configuration, each with /{server} behind it.
func (h *Handler) RelayMetadata(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if r.Method == http.MethodOptions {
		w.Header().Set("Access-Control-Allow-Methods", "GET")
		w.Header().Set("Access-Control-Allow-Headers", "MCP-Protocol-Version")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_, server, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/.well-known/"), "/")
	server = strings.TrimSuffix(server, "/")
	if s, ok := strings.CutSuffix(server, "/mcp"); ok { // LiteLLM's form
		server = s
	}
	if _, err := h.relayServer(r.Context(), server); err != nil {
		problem.Write(w, r, err)
		return
	}
	issuer := h.base(r)
	if server != "" {
		issuer += "/" + server
	}
	b, err := json.Marshal(relayMetadata{
		Issuer: issuer, Authorization: issuer + "/authorize", Token: issuer + "/token", Registration: issuer + "/register",
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, GrantTypes: []string{"authorization_code", "refresh_token"},
		ChallengeMethods: []string{"S256"}, AuthMethods: []string{"none"}, Iss: true, Documents: true,
	})
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=60")
	_, _ = w.Write(b)
}

// RelayIssuer answers the relay's issuer identifier for a server, "" if it has none.
func (h *Handler) RelayIssuer(ctx context.Context, base, server string) string {
	if server == "" {
		return ""
	}
	if _, err := h.relayServer(ctx, server); err != nil {
		return ""
	}
	return base + "/" + server
}

// relayFail answers in the form of RFC 6749 §5.2.
func relayFail(w http.ResponseWriter, r *http.Request, err error) {
	p := problem.From(err)
	code := p.Code
	if p.Status >= 500 {
		code = "server_error"
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	b, merr := json.Marshal(map[string]string{"error": code, "error_description": p.Message, "request_id": problem.RequestID(r.Context())})
	if merr != nil {
		b = []byte(`{"error":"server_error"}`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(b)
}

func oauthError(code, message string) *problem.Problem {
	return problem.New(http.StatusBadRequest, code, message)
}

// preflightRelay answers browsers that ask before a token or registration request.
func preflightRelay(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if r.Method != http.MethodOptions {
		return false
	}
	w.Header().Set("Access-Control-Allow-Methods", "POST")
	w.Header().Set("Access-Control-Allow-Headers", "Content-Type, MCP-Protocol-Version")
	w.WriteHeader(http.StatusNoContent)
	return true
}

var _ Engine = (*token.Engine)(nil)
