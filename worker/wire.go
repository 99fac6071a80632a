package worker

import (
	"net/http"

	"github.com/grantway/grantway/worker/problem"
)

// wire makes the domain packages and gives each the services it needs. It
// answers why the gateway cannot work: a problem that names the variable.
func (g *Gateway) wire() *problem.Problem {
	return nil
}

// fallback serves /{server}/mcp, the alias of /mcp/{server}.
func (g *Gateway) fallback(w http.ResponseWriter, r *http.Request) {
	g.notFound(w, r)
}
