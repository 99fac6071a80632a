// Package interactive lets a person authorize the gateway at an upstream: the
// authorization code grant with PKCE (RFC 6749 §4.1, RFC 7636) for servers whose
// oauth2_flow is authorization_code, and the pages around it.
//
// Rules that every file here keeps:
//
//   - A flow lives in a Durable Object, sealed, for five minutes, for one use, and for the
//     browser that began it. Its verifier, its secrets and its tokens never reach a browser.
//   - The authorization response must come from the authorization server that the flow was
//     begun at (RFC 9207). Nothing of a response is shown or followed before that is known.
//   - Pages hold no script and no inline style, and cannot be framed. The gateway redirects to
//     the authorization endpoint of a record, to a registered redirect URI after consent, and
//     to its own pages: nowhere else.
//   - A server that is not interactive has none of this: nobody may spend the stored client
//     of an M2M server.
package interactive

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/jwt"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/recall"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/seal"
	"github.com/grantway/grantway/worker/token"
)

// Documented limits.
const (
	FlowLife     = 5 * time.Minute // from the start to the callback
	maxParameter = 4 << 10         // of one parameter of a callback, in bytes
)

// Paths of the gateway's own pages.
const (
	CallbackPath = "/callback"
	ConnectPath  = "/connect"
	DocumentPath = ConnectPath + "/client.json" // the client metadata document
	stylePath    = ConnectPath + "/style.css"
)

// Engine keeps connections; token.Engine is one.
type Engine interface {
	Connect(ctx context.Context, rec *registry.Record, c token.Connection, tok *oauth.Token) error
	Disconnect(ctx context.Context, rec *registry.Record, subject string) (*token.Connection, error)
	ConnectionStatus(ctx context.Context, rec *registry.Record, subject string) (*token.ConnectionStatus, error)
	WantedScopes(ctx context.Context, rec *registry.Record, subject string) []string
	Exchange(ctx context.Context, rec *registry.Record, g oauth.Grant, own bool, who *access.Principal) (*oauth.Token, error)
	BindIssuer(ctx context.Context, rec *registry.Record, issuer string) error
}

// Config is what the handlers need. All fields are required.
type Config struct {
	Platform  platform.Platform
	Keyring   *seal.Keyring
	Engine    Engine
	Endpoint  *oauth.Endpoint
	Discovery *oauth.Discovery
	Keys      *jwt.KeySets // of authorization servers that sign what they say of a person
	Source    registry.Source
	Sessions  *access.Sessions
	// PersonGrant is how long a client acts for a person on the word of the identity provider,
	// from when the person signed in; at most access.PersonMax.
	PersonGrant time.Duration
	// Base answers the gateway's public URL for a request.
	Base  func(*http.Request) (base string, fixed bool)
	Audit func(context.Context, audit.Entry)
}

// Handler serves the flow, the connections and the relay.
type Handler struct {
	Config
	store     *store
	documents *recall.Cache[*relayClient] // of published clients, by their URL
	log       *slog.Logger
}

// New makes a Handler.
func New(c Config) *Handler {
	documents := recall.New[*relayClient](c.Platform.Background, documentTimes, maxDocuments)
	return &Handler{Config: c, log: c.Platform.Log(), documents: documents, store: &store{object: c.Platform.Object(platform.Minter, ObjectName), keyring: c.Keyring}}
}

func (h *Handler) base(r *http.Request) string {
	base, _ := h.Base(r)
	return base
}

// find answers an interactive server that this principal may use.
func (h *Handler) find(ctx context.Context, ref string, p *access.Principal) (*registry.Record, error) {
	rec, err := h.Source.Lookup(ctx, ref)
	switch {
	case isNotFound(err) || err == nil && !p.MayCall(rec):
		return nil, problem.New(http.StatusNotFound, "server_not_found", "There is no such MCP server, or you may not use it.")
	case err != nil:
		return nil, problem.New(http.StatusServiceUnavailable, "directory_unavailable", "The server's record cannot be read now.").Because(err)
	}
	return rec, check(rec)
}

// check refuses what is not an enabled interactive server.
func check(rec *registry.Record) error {
	switch {
	case rec.AuthType != registry.AuthOAuth2 || rec.OAuth2Flow != registry.FlowAuthorizationCode:
		return problem.New(http.StatusNotFound, "not_interactive", "Server "+rec.Slug+" does not use the interactive flow: there is nothing to authorize.")
	case rec.Disabled:
		return problem.New(http.StatusForbidden, "server_disabled", "This MCP server is disabled.")
	}
	return nil
}

// subjectFor answers whose connection a request is about.
func subjectFor(p *access.Principal, shared bool) (string, error) {
	if !shared {
		return p.ID, nil
	}
	if p.Role != access.RoleAdmin {
		return "", problem.New(http.StatusForbidden, "forbidden", "Only an administrator connects the shared identity.")
	}
	return token.SharedSubject, nil
}

func (h *Handler) record(r *http.Request, action string, p *access.Principal, rec *registry.Record, outcome string) {
	e := audit.Entry{
		Time: time.Now(), Action: action, Outcome: outcome, RequestID: problem.RequestID(r.Context()),
		Target: audit.Target{Type: "server", ID: rec.ServerID, Name: rec.Slug}, Actor: audit.Actor{ID: "anonymous"},
	}
	if p != nil {
		e.Actor = audit.Actor{ID: p.ID, Name: p.Name}
	}
	h.Audit(r.Context(), e)
}
