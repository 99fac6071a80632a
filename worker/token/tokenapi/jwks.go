package tokenapi

import (
	"encoding/json"
	"net/http"

	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// JWKS serves GET /.well-known/jwks.json (RFC 7517 §5): the public halves of the keys
// that the gateway made, so that authorization servers can check its client assertions.
// A key that an administrator brought is published by its owner, not here.
func JWKS(source registry.Source) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recs, err := source.All(r.Context())
		if err != nil {
			problem.Write(w, r, problem.New(http.StatusServiceUnavailable, "directory_unavailable", "The keys cannot be read now.").Because(err))
			return
		}
		keys := []json.RawMessage{}
		seen := map[string]bool{}
		for _, rec := range recs {
			if k := rec.ClientKey; k != nil && k.Generated && json.Valid([]byte(k.PublicJWK)) && !seen[k.PublicJWK] {
				seen[k.PublicJWK] = true
				keys = append(keys, json.RawMessage(k.PublicJWK))
			}
		}
		b, err := json.Marshal(map[string]any{"keys": keys})
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(b)
	})
}
