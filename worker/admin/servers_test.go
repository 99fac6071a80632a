package admin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker"
	"github.com/grantway/grantway/worker/platform/memory"
)

const adminKey = "bootstrap-key-of-this-test"

// gateway is one instance on its own in-memory platform.
type gateway struct {
	t *testing.T
	*memory.Platform
	program *worker.Gateway
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	p := memory.New(map[string]string{
		"GRANTWAY_ADMIN_KEY":   adminKey,
		"GRANTWAY_SEALING_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
	})
	g := &gateway{t: t, Platform: p, program: worker.New(p)}
	p.Objects = g.program
	t.Cleanup(p.Wait)
	return g
}

type reply struct {
	*http.Response
	text string
}

// json answers the reply's body as an object.
func (r reply) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.text), &m), r.text)
	return m
}

// code answers the problem's code.
func (r reply) code(t *testing.T) string {
	t.Helper()
	e, _ := r.json(t)["error"].(map[string]any)
	s, _ := e["code"].(string)
	return s
}

// do sends a request with the bootstrap key; headers are name, value pairs.
func (g *gateway) do(method, path, body string, headers ...string) reply {
	g.t.Helper()
	r := httptest.NewRequest(method, "https://gateway.test"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+adminKey)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.program.ServeHTTP(w, r)
	res := w.Result()
	b, err := io.ReadAll(res.Body)
	require.NoError(g.t, err)
	return reply{res, string(b)}
}

func TestServerLifeCycle(t *testing.T) {
	g := newGateway(t)

	created := g.do("POST", "/v1/mcp/server", `{"server_name":"Weather Service","url":"https://weather.test/mcp","auth_type":"none"}`)
	require.Equal(t, http.StatusCreated, created.StatusCode, created.text)
	rec := created.json(t)
	id := rec["server_id"].(string)
	assert.Equal(t, "weather_service", rec["slug"])
	assert.Equal(t, "/v1/mcp/server/"+id, created.Header.Get("Location"))
	etag := created.Header.Get("ETag")
	assert.NotEmpty(t, etag)

	for _, ref := range []string{id, "weather_service", "Weather%20Service"} {
		got := g.do("GET", "/v1/mcp/server/"+ref, "")
		require.Equal(t, http.StatusOK, got.StatusCode, got.text)
		assert.Equal(t, id, got.json(t)["server_id"])
		assert.Equal(t, etag, got.Header.Get("ETag"))
	}

	changed := g.do("PUT", "/v1/mcp/server/"+id, `{"description":"tells the weather"}`, "If-Match", etag)
	require.Equal(t, http.StatusOK, changed.StatusCode, changed.text)
	assert.Equal(t, "tells the weather", changed.json(t)["description"])
	assert.Equal(t, "https://weather.test/mcp", changed.json(t)["url"])

	late := g.do("PUT", "/v1/mcp/server/"+id, `{"description":"no"}`, "If-Match", etag)
	assert.Equal(t, http.StatusPreconditionFailed, late.StatusCode)
	assert.Equal(t, changed.Header.Get("ETag"), late.Header.Get("ETag"), "the conflict tells the current version")

	var list []map[string]any
	require.NoError(t, json.Unmarshal([]byte(g.do("GET", "/v1/mcp/server", "").text), &list))
	require.Len(t, list, 1)
	page := g.do("GET", "/v1/mcp/server?limit=10&q=weath", "").json(t)
	assert.EqualValues(t, 1, page["total"])

	assert.Equal(t, http.StatusNoContent, g.do("DELETE", "/v1/mcp/server/"+id, "").StatusCode)
	gone := g.do("GET", "/v1/mcp/server/"+id, "")
	assert.Equal(t, http.StatusNotFound, gone.StatusCode)
	assert.Equal(t, "server_not_found", gone.code(t))
	require.NoError(t, json.Unmarshal([]byte(g.do("GET", "/v1/mcp/server", "").text), &list))
	assert.Empty(t, list)
}

func TestOnlyTheRightKeyEnters(t *testing.T) {
	g := newGateway(t)
	for _, tc := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"bearer", []string{"Authorization", "Bearer " + adminKey}, 200},
		{"own header", []string{"Authorization", "", "X-Grantway-Key", adminKey}, 200},
		{"LiteLLM's header", []string{"Authorization", "", "x-litellm-api-key", "Bearer " + adminKey}, 200},
		{"none", []string{"Authorization", ""}, 401},
		{"wrong", []string{"Authorization", "Bearer wrong"}, 401},
		{"not a bearer", []string{"Authorization", "Basic " + adminKey}, 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := g.do("GET", "/v1/mcp/server", "", tc.headers...)
			assert.Equal(t, tc.status, got.StatusCode, got.text)
			if tc.status == 401 {
				assert.Equal(t, "unauthorized", got.code(t))
				assert.NotEmpty(t, got.Header.Get("WWW-Authenticate"))
			}
		})
	}
}
