package admin_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServerLifeCycle(t *testing.T) {
	g := newGateway(t)

	created := g.do("POST", "/v1/mcp/server", `{"server_name":"Weather Service","url":"https://weather.test/mcp","auth_type":"none"}`)
	require.Equal(t, http.StatusCreated, created.StatusCode, created.text)
	rec := created.json()
	id := rec["server_id"].(string)
	assert.Equal(t, "weather_service", rec["slug"])
	assert.Equal(t, "/v1/mcp/server/"+id, created.Header.Get("Location"))
	etag := created.Header.Get("ETag")
	assert.NotEmpty(t, etag)

	for _, ref := range []string{id, "weather_service", "Weather%20Service"} {
		got := g.do("GET", "/v1/mcp/server/"+ref, "")
		require.Equal(t, http.StatusOK, got.StatusCode, got.text)
		assert.Equal(t, id, got.json()["server_id"])
		assert.Equal(t, etag, got.Header.Get("ETag"))
	}

	changed := g.do("PUT", "/v1/mcp/server/"+id, `{"description":"tells the weather"}`, "If-Match", etag)
	require.Equal(t, http.StatusOK, changed.StatusCode, changed.text)
	assert.Equal(t, "tells the weather", changed.json()["description"])
	assert.Equal(t, "https://weather.test/mcp", changed.json()["url"])

	late := g.do("PUT", "/v1/mcp/server/"+id, `{"description":"no"}`, "If-Match", etag)
	assert.Equal(t, http.StatusPreconditionFailed, late.StatusCode)
	assert.Equal(t, changed.Header.Get("ETag"), late.Header.Get("ETag"), "the conflict tells the current version")

	var list []map[string]any
	require.NoError(t, json.Unmarshal([]byte(g.do("GET", "/v1/mcp/server", "").text), &list))
	require.Len(t, list, 1)
	page := g.do("GET", "/v1/mcp/server?limit=10&q=weath", "").json()
	assert.EqualValues(t, 1, page["total"])

	assert.Equal(t, http.StatusNoContent, g.do("DELETE", "/v1/mcp/server/"+id, "").StatusCode)
	gone := g.do("GET", "/v1/mcp/server/"+id, "")
	assert.Equal(t, http.StatusNotFound, gone.StatusCode)
	assert.Equal(t, "server_not_found", gone.code())
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
				assert.Equal(t, "unauthorized", got.code())
				assert.NotEmpty(t, got.Header.Get("WWW-Authenticate"))
			}
		})
	}
}
