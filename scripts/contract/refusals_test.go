package contract

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/registry"
)

// Every documented error of the management API. TestMain fails a run that has not seen one of them.

// managed is a server and a key for one operation to be refused on.
type managed struct {
	g                     *gateway
	server, slug, key     string
	serverName, otherSlug string
}

func newManaged(t *testing.T, g *gateway) *managed {
	t.Helper()
	m := &managed{g: g, slug: name("refusing"), otherSlug: name("refusing")}
	m.server = g.want(t, 201, "POST", "/v1/mcp/server", plainServer(m.slug)).object(t)["server_id"].(string)
	m.serverName = "Server " + m.otherSlug
	g.want(t, 201, "POST", "/v1/mcp/server", with(plainServer(m.otherSlug), "empty_prefix", false))
	m.key = g.want(t, 201, "POST", "/v1/keys", map[string]any{"name": name("refusing")}).object(t)["id"].(string)
	return m
}

// path is the operation's path about the server or key.
func (m *managed) path(o *operation) string {
	id := m.server
	if strings.HasPrefix(o.path, "/v1/keys") {
		id = m.key
	}
	return strings.ReplaceAll(o.path, "{id}", id)
}

// body is one that the operation accepts; nil where it needs none.
func (m *managed) body(o *operation) any {
	switch o.String() {
	case "POST /v1/mcp/server":
		return plainServer(name("accepted"))
	case "PUT /v1/mcp/server":
		return map[string]any{"server_id": m.server, "description": name("x")}
	case "PUT /v1/mcp/server/{id}", "PATCH /v1/mcp/server/{id}":
		return map[string]any{"description": name("x")}
	case "POST /v1/mcp/server/bulk":
		return map[string]any{"action": "disable", "server_ids": []string{m.server}}
	case "POST /v1/keys", "PUT /v1/keys/{id}", "PATCH /v1/keys/{id}":
		return map[string]any{"name": name("accepted")}
	case "POST /v1/keys/{id}/rotate":
		return map[string]any{"overlap_seconds": 60}
	case "POST /v1/session":
		return map[string]any{"key": m.g.adminKey}
	case "PUT /v1/settings", "PATCH /v1/settings":
		return map[string]any{"currency": "CHF"}
	case "PUT /v1/settings/issuers":
		return map[string]any{"jwt_issuers": []any{}}
	case "PUT /v1/settings/sign-in":
		return map[string]any{"issuer": ""}
	case "POST /v1/import":
		return map[string]any{"grantway": 1, "servers": []any{plainServer(name("accepted"))}}
	case "POST /v1/export":
		return map[string]any{"recipient": "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"}
	}
	return nil
}

// interactiveServer is the body of a server at which a person signs in.
func interactiveServer(slug string) map[string]any {
	return oauthServer(slug, map[string]any{"oauth2_flow": "authorization_code", "client_id": "x", "authorization_url": "https://idp.example/authorize", "token_url": "https://idp.example/token"})
}

// bearerServer is the body of a server whose callers come with a JWT.
func bearerServer(slug string) map[string]any {
	return oauthServer(slug, map[string]any{"oauth2_flow": "jwt_bearer", "client_id": "x", "token_url": "https://idp.example/token", "token_endpoint_auth_method": "client_secret_basic", "credentials": map[string]any{"client_secret": "x"}})
}

func oauthServer(slug string, fields map[string]any) map[string]any {
	server := with(plainServer(slug), "auth_type", "oauth2")
	maps.Copy(server, fields)
	return server
}

// management answers the operations of the management API.
func management() (out []*operation) {
	operations, _ := described()
	for _, o := range operations {
		if o.role != "" || o.errors != nil {
			out = append(out, o)
		}
	}
	return out
}

func TestEveryOperationAsksWhoCalls(t *testing.T) {
	g := theGateway(t)
	m := newManaged(t, g)
	keys := map[string]string{}
	for _, role := range []string{"caller", "viewer"} {
		keys[role] = g.want(t, 201, "POST", "/v1/keys", map[string]any{"name": name(role), "role": role}).object(t)["key"].(string)
	}
	for _, o := range management() {
		if o.role == "" {
			continue
		}
		refused(t, g.anonymous(t, o.method, m.path(o), m.body(o)), 401, "unauthorized")
		if o.role != "caller" {
			refused(t, g.anonymous(t, o.method, m.path(o), m.body(o), "Authorization", "Bearer "+keys["caller"]), 403, "forbidden")
		}
		if o.role == "admin" {
			refused(t, g.anonymous(t, o.method, m.path(o), m.body(o), "Authorization", "Bearer "+keys["viewer"]), 403, "forbidden")
		}
	}
	refused(t, g.admin(t, "GET", "/v1/nothing", nil), 404, "not_found")
	refused(t, g.admin(t, "DELETE", "/v1/keys", nil), 405, "method_not_allowed")
}

// What can be wrong with a request itself.
func TestEveryOperationRefusesBadRequests(t *testing.T) {
	g := theGateway(t)
	m := newManaged(t, g)
	interactive := g.want(t, 201, "POST", "/v1/mcp/server", interactiveServer(name("interactive"))).object(t)["server_id"].(string)
	disabled := g.want(t, 201, "POST", "/v1/mcp/server", with(interactiveServer(name("disabled")), "disabled", true)).object(t)["server_id"].(string)
	bearer := g.want(t, 201, "POST", "/v1/mcp/server", bearerServer(name("bearer"))).object(t)["server_id"].(string)
	for _, o := range management() {
		of := func(server string) string { return strings.ReplaceAll(o.path, "{id}", server) }
		for _, e := range o.errors {
			path := m.path(o)
			var a answer
			switch e {
			case "403 server_disabled":
				a = g.admin(t, o.method, of(disabled), nil)
			case "404 not_interactive", "409 token_not_applicable":
				a = g.admin(t, o.method, path, nil)
			case "404 not_connected":
				a = g.admin(t, o.method, of(interactive)+"?caller=key:nobody", nil)
			case "404 caller_unknown":
				a = g.admin(t, o.method, of(bearer)+"?caller=key:nobody", nil)
			case "409 token_not_per_caller":
				a = g.admin(t, o.method, path+"?caller=shared", nil)
			case "409 too_many_purges":
				for i := range registry.MaxCallerEpochs + 1 {
					a = g.admin(t, o.method, of(bearer)+"?caller="+access.TokenHolder+fmt.Sprint(i), nil)
				}
			case "400 invalid_json":
				a = g.admin(t, o.method, path, "{")
			case "400 invalid_query":
				query := "?colour=red"
				if strings.HasSuffix(o.path, "/token") {
					query = "?caller="
				}
				a = g.admin(t, o.method, path+query, m.body(o))
			case "400 invalid_cursor":
				a = g.admin(t, o.method, path+"?limit=1&cursor=!", nil)
			case "404 server_not_found", "404 key_not_found":
				body := m.body(o)
				switch {
				case o.path == "/v1/mcp/server":
					body = map[string]any{"server_id": "nobody", "description": "x"}
				case o.path == "/v1/mcp/server/health":
					path += "?server_ids=nobody"
				case strings.Contains(o.path, "{id}"):
					path = strings.ReplaceAll(o.path, "{id}", "0192f000-0000-7000-8000-000000000000")
				default:
					path += "?server_id=nobody"
				}
				a = g.admin(t, o.method, path, body)
			case "412 version_conflict":
				a = g.admin(t, o.method, path, m.body(o), "If-Match", `"999999999"`)
				assert.NotEmpty(t, a.Header.Get("ETag"), o)
			case "413 body_too_large":
				size := 300 << 10
				if o.path == "/v1/import" {
					size = 10 << 20
				}
				a = g.admin(t, o.method, path, `"`+strings.Repeat("x", size)+`"`)
				assert.Regexp(t, "[0-9]{6} bytes", string(a.text), "the limit is named")
			case "415 unsupported_media_type":
				a = g.admin(t, o.method, path, "name=x", "Content-Type", "application/x-www-form-urlencoded")
			case "422 invalid_record":
				if strings.HasSuffix(o.path, "/connect") {
					a = g.admin(t, o.method, of(interactive), map[string]any{"return_to": "https://evil.example"})
					break
				}
				body := map[string]any{"colour": "red", "server_id": m.server, "document": "x"}
				if o.path != "/v1/mcp/server" || o.method != "PUT" {
					delete(body, "server_id")
				}
				a = g.admin(t, o.method, path, body)
				assert.Contains(t, string(a.text), `"path":"colour"`, "an unknown field is named")
			case "422 invalid_import":
				a = g.admin(t, o.method, path, map[string]any{"grantway": 1, "servers": []any{map[string]any{"server_name": "x", "colour": "red"}}})
				assert.Contains(t, string(a.text), `"path":"servers[0].colour"`)
			case "413 record_too_large":
				descriptions := map[string]string{}
				for i := range 38 {
					descriptions[fmt.Sprint(i)] = strings.Repeat("x", 4000)
				}
				server := with(plainServer(name("large")), "tool_name_to_description", descriptions)
				tools := slices.Repeat([]string{strings.Repeat("x", 250)}, 700)
				switch {
				case o.path == "/v1/import":
					a = g.admin(t, o.method, path, map[string]any{"grantway": 1, "servers": []any{server}})
				case strings.HasPrefix(o.path, "/v1/keys"):
					a = g.admin(t, o.method, path, map[string]any{"name": "large", "tools": map[string]any{m.slug: tools}})
				case o.method == "POST":
					a = g.admin(t, o.method, path, server)
				default:
					a = g.admin(t, o.method, path, map[string]any{"server_id": m.server, "tool_name_to_description": descriptions})
				}
			default:
				continue
			}
			status, code, _ := strings.Cut(e, " ")
			assert.Equal(t, status, fmt.Sprint(a.StatusCode), "%s: %.300s", o, a.text)
			assert.Equal(t, code, a.problem(t), "%s", o)
		}
	}
}

// Names that are taken, by every way to write a server.
func TestTakenNames(t *testing.T) {
	g := theGateway(t)
	m := newManaged(t, g)
	owner := g.want(t, 201, "POST", "/v1/mcp/server", with(plainServer(name("unprefixed")), "empty_prefix", true)).object(t)["server_id"].(string)
	for _, o := range management() {
		for e, field := range map[string][2]any{
			"409 duplicate_slug":         {"slug", m.otherSlug},
			"409 duplicate_name":         {"server_name", m.serverName},
			"409 duplicate_empty_prefix": {"empty_prefix", true},
		} {
			if !slices.Contains(o.errors, e) {
				continue
			}
			body := map[string]any{"server_id": m.server}
			if o.method == "POST" {
				body = plainServer(name("taking"))
			}
			body[field[0].(string)] = field[1]
			if o.path == "/v1/import" {
				body["slug"] = m.slug // it changes this server: by its name alone it would be the other one
				body = map[string]any{"grantway": 1, "servers": []any{body}}
			}
			refused(t, g.admin(t, o.method, m.path(o), body), 409, strings.TrimPrefix(e, "409 "))
		}
	}
	for _, slug := range []string{"Upper", "a b", "../x", "-a", "ä", strings.Repeat("x", 33), "a/b", "mcp?"} {
		a := g.admin(t, "POST", "/v1/mcp/server", plainServer(slug))
		refused(t, a, 422, "invalid_record")
		assert.Contains(t, string(a.text), `"path":"slug"`, slug)
	}
	g.want(t, 204, "DELETE", "/v1/mcp/server/"+owner, nil)
}

// What a file of record has made is changed there only.
func TestFileOfRecordIsReadOnly(t *testing.T) {
	g := theGateway(t)
	m := &managed{g: g, slug: name("recorded")}
	key := "gw_" // of a made-up hash: nobody has its secret
	file := map[string]any{"grantway": 1, "servers": []any{plainServer(m.slug)}, "keys": []any{map[string]any{"name": m.slug, "hash": fmt.Sprintf("%064x", len(m.slug)), "prefix": key}}}
	g.want(t, 200, "POST", "/v1/import?managed=true", file)
	server := g.want(t, 200, "GET", "/v1/mcp/server/"+m.slug, nil).object(t)
	assert.Equal(t, true, server["read_only"])
	m.server = server["server_id"].(string)
	keys := g.want(t, 200, "GET", "/v1/keys?q="+m.slug, nil).object(t)["data"].([]any)
	require.Len(t, keys, 1)
	m.key = keys[0].(map[string]any)["id"].(string)
	for _, o := range management() {
		if slices.Contains(o.errors, "409 read_only") {
			refused(t, g.admin(t, o.method, m.path(o), m.body(o)), 409, "read_only")
		}
	}
	bulk := g.want(t, 200, "POST", "/v1/mcp/server/bulk", map[string]any{"action": "delete", "server_ids": []string{m.slug}})
	assert.Contains(t, string(bulk.text), `"read_only"`)
	g.want(t, 200, "POST", "/v1/import?managed=true", map[string]any{"grantway": 1, "servers": []any{}, "keys": []any{}})
	refused(t, g.admin(t, "GET", "/v1/mcp/server/"+m.slug, nil), 404, "server_not_found")
	refused(t, g.admin(t, "GET", "/v1/keys/"+m.key, nil), 404, "key_not_found")
}

func TestSigningInIsRefused(t *testing.T) {
	g := theGateway(t)
	caller := g.want(t, 201, "POST", "/v1/keys", map[string]any{"name": name("caller")}).object(t)["key"].(string)
	in := func(key string, headers ...string) answer {
		return g.anonymous(t, "POST", "/v1/session", map[string]any{"key": key}, headers...)
	}
	refused(t, in(caller), 403, "session_role")
	refused(t, in(g.adminKey, "Origin", "https://evil.example"), 403, "csrf_rejected")
	refused(t, g.admin(t, "GET", "/v1/session", nil), 404, "no_session")
	refused(t, g.admin(t, "DELETE", "/v1/session", nil), 404, "no_session")
}

// Every operation has an answer to a good request. What the answers say is checked elsewhere.
func TestEveryOperationAnswers(t *testing.T) {
	g := theGateway(t)
	for _, o := range management() {
		switch {
		case o.path == "/v1/session":
			continue // of browsers: TestBrowserSession
		case strings.HasSuffix(o.path, "/token"), strings.Contains(o.path, "/connect"), o.path == "/v1/mcp/server/health":
			continue // not for every server: below
		}
		m := newManaged(t, g)
		a := g.admin(t, o.method, m.path(o), m.body(o))
		assert.Less(t, a.StatusCode, 300, "%s: %.300s", o, a.text)
	}
	u := newUpstream(t)
	server := u.create(t, g)
	person := "/v1/mcp/server/" + g.want(t, 201, "POST", "/v1/mcp/server", interactiveServer(name("interactive"))).object(t)["server_id"].(string)
	for _, call := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/signin/status", nil},
		{"GET", "/v1/connections", nil},
		{"GET", "/v1/mcp/server/" + server.id + "/token", nil},
		{"POST", "/v1/mcp/server/" + server.id + "/token", nil},
		{"DELETE", "/v1/mcp/server/" + server.id + "/token", nil},
		{"POST", person + "/connect", map[string]any{}},
		{"GET", person + "/connection", nil},
		{"GET", "/v1/mcp/server/health?server_ids=" + server.id, nil},
		{"GET", "/v1/mcp/server/" + server.id + "/health", nil},
		{"POST", "/mcp-rest/test/connection", map[string]any{"server_id": server.id}},
		{"POST", "/mcp-rest/test/tools/list", map[string]any{"server_id": server.id}},
		{"POST", "/mcp-rest/test/discovery", map[string]any{"url": u.mcp.URL()}},
	} {
		a := g.admin(t, call.method, call.path, call.body)
		assert.Less(t, a.StatusCode, 300, "%s %s: %.300s", call.method, call.path, a.text)
	}
}

// What a key may: the servers of its groups, so often a minute, and after a rotation with its old secret for a while.
func TestGrantsLimitsAndOverlap(t *testing.T) {
	g := theGateway(t)
	blue, red, group := name("blue"), name("red"), name("group")
	g.want(t, 201, "POST", "/v1/mcp/server", with(plainServer(blue), "mcp_access_groups", []string{group}))
	g.want(t, 201, "POST", "/v1/mcp/server", plainServer(red))
	made := g.want(t, 201, "POST", "/v1/keys", map[string]any{"name": name("grouped"), "groups": []string{group}}).object(t)
	key, path := made["key"].(string), "/v1/keys/"+made["id"].(string)
	as := func(key, method, path string, body any) answer {
		return g.anonymous(t, method, path, body, "Authorization", "Bearer "+key)
	}
	require.Eventually(t, func() bool { // an instance that did not take the edit follows
		mine, err := g.send(t.Context(), "GET", "/v1/mcp/server", nil, "Authorization", "Bearer "+key)
		assert.NotContains(t, string(mine.text), red)
		return err == nil && strings.Contains(string(mine.text), `"`+blue+`"`)
	}, patience, 100*time.Millisecond)
	refused(t, as(key, "GET", "/v1/mcp/server/"+red, nil), 404, "server_not_found")
	assert.Equal(t, 404, as(key, "POST", "/mcp/"+red, map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).StatusCode)
	assert.Eventually(t, func() bool {
		a, err := g.send(t.Context(), "GET", "/v1/audit?action=call.denied&target="+red, nil, "Authorization", "Bearer "+g.adminKey)
		return err == nil && strings.Contains(string(a.text), "server_not_granted")
	}, patience, 200*time.Millisecond, "a denied call is recorded")

	rotated := g.want(t, 200, "POST", path+"/rotate", map[string]any{"overlap_seconds": 3600}).object(t)
	assert.NotEmpty(t, rotated["previous_expires_at"])
	for _, k := range []string{key, rotated["key"].(string)} {
		assert.Equal(t, 200, as(k, "GET", "/v1/mcp/server", nil).StatusCode, "both work while they overlap")
	}

	limited := g.want(t, 201, "POST", "/v1/keys", map[string]any{"name": name("limited"), "groups": []string{group}, "requests_per_minute": 5}).object(t)["key"].(string)
	statuses := map[int]int{}
	for n := 0; n < 100*g.instances && statuses[429] == 0; n++ { // a limit counts in each instance
		a := as(limited, "POST", "/mcp/"+blue, map[string]any{"jsonrpc": "2.0", "id": 1, "method": "nonsense/method"})
		if statuses[a.StatusCode]++; a.StatusCode == 429 {
			assert.NotEmpty(t, a.Header.Get("Retry-After"))
		}
	}
	assert.Positive(t, statuses[429], "%v", statuses)
}
