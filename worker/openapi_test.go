package worker

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/openapi"
	"github.com/grantway/grantway/worker/platform/memory"
)

// What the management API serves and what /openapi.json describes is the same.
func TestEveryEndpointIsDescribed(t *testing.T) {
	g := New(memory.New(map[string]string{"GRANTWAY_ADMIN_KEY": "x", "GRANTWAY_SEALING_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}))
	require.Nil(t, g.misconfigured)
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(openapi.Document, &doc))
	served := map[string]bool{"POST /v1/session": true} // checks its key itself
	for _, p := range g.admin.Patterns() {
		served[p] = true
		method, path, _ := strings.Cut(p, " ")
		assert.Contains(t, doc.Paths[path], strings.ToLower(method), "%s is not described", p)
	}
	for path, methods := range doc.Paths {
		for method := range methods {
			if method != "parameters" && strings.HasPrefix(path, "/v1/") {
				assert.True(t, served[strings.ToUpper(method)+" "+path], "%s %s is described and not served", method, path)
			}
		}
	}
}
