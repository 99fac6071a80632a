package admin

import (
	"net/http"

	"github.com/grantway/grantway/worker/openapi"
	"github.com/grantway/grantway/worker/problem"
)

// OpenAPI serves the description of the API, to anyone.
func OpenAPI(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		p := problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "This path has GET only.")
		p.Header = http.Header{"Allow": {"GET, HEAD"}}
		problem.Write(w, r, p)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(openapi.Document)
}
