package contract

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHealth(t *testing.T) {
	a := theGateway(t).anonymous(t, "GET", "/healthz", nil)
	assert.Equal(t, 200, a.StatusCode)
	assert.Equal(t, "ok", a.object(t)["status"])
}

func TestVersion(t *testing.T) {
	g := theGateway(t)
	a := g.anonymous(t, "GET", "/version", nil)
	require.Equal(t, 200, a.StatusCode)
	version := a.object(t)
	assert.Equal(t, g.moduleHash, version["module_sha256"], "the hash is that of the file that runs")
	assert.Equal(t, hostName, version["host"])
	assert.NotEmpty(t, version["version"])
}

func TestNothingThere(t *testing.T) {
	a := theGateway(t).admin(t, "GET", "/no/such/path", nil)
	assert.Equal(t, 404, a.StatusCode)
	a.problem(t)
}

func TestRequestID(t *testing.T) {
	g := theGateway(t)
	assert.Equal(t, "chosen-by-the-caller", g.anonymous(t, "GET", "/healthz", nil, "X-Request-Id", "chosen-by-the-caller").Header.Get("X-Request-Id"))
	first := g.anonymous(t, "GET", "/healthz", nil).Header.Get("X-Request-Id")
	assert.NotEmpty(t, first)
	assert.NotEqual(t, first, g.anonymous(t, "GET", "/healthz", nil).Header.Get("X-Request-Id"))
}

// A gateway that cannot work says which variable is to blame, and stays alive.
func TestMisconfigured(t *testing.T) {
	for _, test := range []struct{ name, variable, value string }{
		{"sealing key missing", "GRANTWAY_SEALING_KEY", ""},
		{"sealing key not base64", "GRANTWAY_SEALING_KEY", "not base64!"},
		{"sealing key too short", "GRANTWAY_SEALING_KEY", "c2hvcnQ="},
		{"admin key missing", "GRANTWAY_ADMIN_KEY", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			environment := goodEnvironment()
			if test.value == "" {
				delete(environment, test.variable)
			} else {
				environment[test.variable] = test.value
			}
			g, stop := startGateway(t, environment)
			defer func() { assert.NoError(t, stop()) }()
			for _, path := range []string{"/v1/mcp/server", "/mcp/anything"} {
				a := g.anonymous(t, "GET", path, nil, "Authorization", "Bearer whatever")
				assert.Equal(t, 503, a.StatusCode, "%s", a.text)
				a.problem(t)
				assert.Contains(t, string(a.text), test.variable)
				if test.value != "" {
					assert.NotContains(t, string(a.text), test.value)
				}
			}
			assert.Equal(t, 200, g.anonymous(t, "GET", "/healthz", nil).StatusCode)
			assert.Equal(t, 200, g.anonymous(t, "GET", "/version", nil).StatusCode)
		})
	}
}

func TestServerRecords(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	for _, key := range []string{"", "Bearer", "Bearer wrong", "Basic Z3c6eA=="} {
		a := g.anonymous(t, "POST", "/v1/mcp/server", u.record(), "Authorization", key)
		assert.Equal(t, 401, a.StatusCode, key)
		a.problem(t)
		assert.Equal(t, 401, g.anonymous(t, "GET", "/v1/mcp/server", nil, "Authorization", key).StatusCode, key)
	}

	record := u.record()
	a := g.admin(t, "POST", "/v1/mcp/server", record)
	require.Equal(t, 201, a.StatusCode, "%s", a.text)
	assert.NotContains(t, string(a.text), u.client.Secrets[0])
	one := a.object(t)
	assert.Equal(t, record["server_name"], one["server_name"])
	assert.Equal(t, record["url"], one["url"])
	assert.NotEmpty(t, one["server_id"])
	assert.Equal(t, strings.ToLower(record["server_name"].(string)), one["slug"])

	a = g.admin(t, "GET", "/v1/mcp/server", nil)
	require.Equal(t, 200, a.StatusCode)
	assert.NotContains(t, string(a.text), u.client.Secrets[0])
	var all []map[string]any
	require.NoError(t, json.Unmarshal(a.text, &all), "an array of records: %s", a.text)
	found := 0
	for _, other := range all {
		if other["server_id"] == one["server_id"] {
			found++
		}
	}
	assert.Equal(t, 1, found)

	for name, body := range map[string]any{
		"not JSON": "{", "not an object": "[]", "empty": map[string]any{},
		"no flow":      without(record, "oauth2_flow"),
		"no url":       without(record, "url"),
		"no client id": with(record, "credentials", map[string]any{"client_secret": "s"}),
	} {
		a := g.admin(t, "POST", "/v1/mcp/server", body)
		assert.Contains(t, []int{400, 422}, a.StatusCode, "%s: %s", name, a.text)
		a.problem(t)
	}
}

func with(record map[string]any, field string, value any) map[string]any {
	out := without(record, field)
	out[field] = value
	return out
}

func without(record map[string]any, field string) map[string]any {
	out := make(map[string]any)
	for name, value := range record {
		if name != field {
			out[name] = value
		}
	}
	return out
}
