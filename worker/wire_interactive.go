package worker

import (
	"net/http"
	"strings"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/interactive"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
)

// newInteractive makes the handlers of the interactive flow; the records, the keys and
// the token engine must be wired.
func (g *Gateway) newInteractive() *interactive.Handler {
	s := g.settings
	return interactive.New(interactive.Config{
		Platform: g.platform,
		Keyring:  g.keyring,
		Engine:   g.tokens,
		Endpoint: &oauth.Endpoint{
			HTTP: g.platform.HTTP(), Crypto: g.platform.Crypto(), Timeout: s.IdPTimeout, BodyLimit: s.IdPBodyLimit,
			AssertionLife: s.AssertionLife, Life: oauth.Life{Assumed: s.AssumedLife, Longest: s.MaxLife}, AllowLoopback: s.AllowLoopback,
		},
		Discovery:   &oauth.Discovery{HTTP: g.platform.HTTP(), Timeout: s.MetadataTimeout, BodyLimit: s.MetadataLimit, AllowLoopback: s.AllowLoopback},
		Keys:        g.identity.keys,
		Source:      g.source,
		Sessions:    g.sessions,
		PersonGrant: s.PersonGrant,
		Base:        g.identity.site.Base,
		Audit:       g.trail.audit.Record,
	})
}

// wireInteractive mounts the interactive flow, its pages, and the relay.
func (g *Gateway) wireInteractive() {
	h := g.interactive
	g.objects[platform.Minter] = byName{interactive.ObjectName: interactive.Object{}, "": g.tokens}
	g.admin.Mount("POST /v1/mcp/server/{id}/connect", access.RoleCaller, h.Start)
	g.admin.Mount("GET /v1/mcp/server/{id}/connection", access.RoleCaller, h.Status)
	g.admin.Mount("DELETE /v1/mcp/server/{id}/connection", access.RoleCaller, h.Delete)
	g.admin.Mount("GET /v1/connections", access.RoleCaller, h.List)
	g.routes["callback"] = http.HandlerFunc(h.Callback)
	g.routes["connect"] = http.HandlerFunc(h.Pages)
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		g.wellKnown.HandleFunc(path, h.RelayMetadata)
		g.wellKnown.HandleFunc(path+"/", h.RelayMetadata)
	}
}

// relays reports whether a path ends like one of the relay's.
func relays(path string) bool {
	last := path[strings.LastIndexByte(path, '/')+1:]
	return last == "authorize" || last == "token" || last == "register"
}

// byName serves the objects of one class by their names; "" is any other name.
type byName map[string]objectHandler

func (b byName) ServeObject(w http.ResponseWriter, r *http.Request, a platform.Actor) {
	h := b[a.Name]
	if h == nil {
		h = b[""]
	}
	h.ServeObject(w, r, a)
}

// firstOf asks authenticators until one knows the request's credential.
type firstOf []access.Authenticator

func (f firstOf) Authenticate(r *http.Request) (*access.Principal, error) {
	for _, a := range f {
		if p, err := a.Authenticate(r); p != nil || err != nil {
			return p, err
		}
	}
	return nil, nil
}
