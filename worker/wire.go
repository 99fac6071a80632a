package worker

import (
	"net/http"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/admin"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/interactive"
	"github.com/grantway/grantway/worker/mcp"
	"github.com/grantway/grantway/worker/mcp/rest"
	"github.com/grantway/grantway/worker/metrics"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/seal"
	"github.com/grantway/grantway/worker/settings"
	"github.com/grantway/grantway/worker/token"
)

// services are what one owner's wiring makes for the others.
type services struct {
	directory     *directory.Client
	source        *registry.Cached
	keys          *access.Keys
	sessions      *access.Sessions
	authenticator access.Authenticator // keys, sessions and tokens of issuers
	trail         *trail
	admin         *admin.API
	keyring       *seal.Keyring
	settings      *settings.Settings
	metrics       *metrics.Registry
	tokens        *token.Engine
	mcp           *mcp.Handler
	rest          *rest.Handler
	wellKnown     *http.ServeMux // /.well-known/
	identity      identity
	interactive   *interactive.Handler
}

// wire makes the domain packages and gives each the services it needs. It
// answers why the gateway cannot work: a problem that names the variable.
func (g *Gateway) wire() *problem.Problem {
	if p := g.wireDirectory(); p != nil {
		return p
	}
	if p := g.wireToken(); p != nil {
		return p
	}
	if p := g.wireIdentity(); p != nil {
		return p
	}
	g.wireAdmin()
	g.wireMCP()
	g.wireTokenAPI()
	g.wireIdentityAPI()
	g.wireInteractive()
	return nil
}
