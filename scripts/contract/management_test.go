package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// want sends as administrator and checks the status.
func (g *gateway) want(t *testing.T, status int, method, path string, body any, headers ...string) answer {
	t.Helper()
	a := g.admin(t, method, path, body, headers...)
	require.Equal(t, status, a.StatusCode, "%s %s: %s", method, path, a.text)
	return a
}

// refused checks status and code of an error.
func refused(t *testing.T, a answer, status int, code string) {
	t.Helper()
	assert.Equal(t, status, a.StatusCode, "%s", a.text)
	assert.Equal(t, code, a.problem(t))
}

var unique struct {
	sync.Mutex
	n int
}

// name makes a name that no other test uses.
func name(prefix string) string {
	unique.Lock()
	defer unique.Unlock()
	unique.n++
	return fmt.Sprintf("%s-%d", prefix, unique.n)
}

func plainServer(slug string) map[string]any {
	return map[string]any{"server_name": "Server " + slug, "slug": slug, "url": "https://" + slug + ".example/mcp", "auth_type": "none"}
}

func TestManagementOfServers(t *testing.T) {
	g := theGateway(t)
	slug := name("managed")
	created := g.want(t, 201, "POST", "/v1/mcp/server", plainServer(slug))
	id := created.object(t)["server_id"].(string)
	etag := created.Header.Get("ETag")
	path := "/v1/mcp/server/" + id
	assert.Equal(t, path, created.Header.Get("Location"))

	changed := g.want(t, 200, "PUT", path, map[string]any{"description": "one"}, "If-Match", etag)
	late := g.admin(t, "PUT", path, map[string]any{"description": "two"}, "If-Match", etag)
	refused(t, late, 412, "version_conflict")
	assert.Equal(t, changed.Header.Get("ETag"), late.Header.Get("ETag"))
	assert.Equal(t, "one", g.want(t, 200, "GET", "/v1/mcp/server/"+slug, nil).object(t)["description"])
	g.want(t, 200, "PATCH", path, map[string]any{"description": nil})
	g.want(t, 200, "PUT", "/v1/mcp/server", map[string]any{"server_id": id, "instructions": "x"})

	refused(t, g.admin(t, "POST", "/v1/mcp/server", plainServer(slug)), 409, "duplicate_slug")
	bad := g.admin(t, "POST", "/v1/mcp/server", map[string]any{"server_name": "x", "url": "nonsense", "auth_type": "oauth2", "colour": 1})
	refused(t, bad, 422, "invalid_record")
	for _, path := range []string{"url", "colour", "oauth2_flow"} {
		assert.Contains(t, string(bad.text), `"path":"`+path+`"`, "all problems at once")
	}
	refused(t, g.admin(t, "POST", "/v1/mcp/server", "{"), 400, "invalid_json")
	refused(t, g.admin(t, "POST", "/v1/mcp/server", `"`+strings.Repeat("x", 300<<10)+`"`), 413, "body_too_large")
	refused(t, g.admin(t, "DELETE", "/v1/mcp/server", nil), 405, "method_not_allowed")
	refused(t, g.admin(t, "GET", "/v1/mcp/server?colour=red", nil), 400, "invalid_query")

	other := name("managed")
	g.want(t, 201, "POST", "/v1/mcp/server", plainServer(other))
	page := g.want(t, 200, "GET", "/v1/mcp/server?limit=1&q=managed-&sort=-slug", nil).object(t)
	assert.GreaterOrEqual(t, page["total"], 2.0)
	require.NotNil(t, page["next_cursor"])
	next := g.want(t, 200, "GET", fmt.Sprintf("/v1/mcp/server?limit=1&q=managed-&sort=-slug&cursor=%s", page["next_cursor"]), nil).object(t)
	assert.NotEqual(t, page["data"], next["data"])

	bulk := g.want(t, 200, "POST", "/v1/mcp/server/bulk", map[string]any{"action": "disable", "server_ids": []string{slug, other, "nobody"}})
	assert.Contains(t, string(bulk.text), "not_found")
	assert.Equal(t, true, g.want(t, 200, "GET", path, nil).object(t)["disabled"])
	g.want(t, 200, "POST", "/v1/mcp/server/bulk", map[string]any{"action": "delete", "server_ids": []string{other}})
	g.want(t, 204, "DELETE", path, nil)
	refused(t, g.admin(t, "GET", path, nil), 404, "server_not_found")
}

func TestTwoAdministrators(t *testing.T) {
	g := theGateway(t)
	slug := name("contended")
	etag := g.want(t, 201, "POST", "/v1/mcp/server", plainServer(slug)).Header.Get("ETag")
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range 10 {
		wg.Go(func() {
			a, err := g.send(t.Context(), "PUT", "/v1/mcp/server/"+slug, map[string]any{"description": fmt.Sprint(i)}, "Authorization", "Bearer "+g.adminKey, "If-Match", etag)
			if assert.NoError(t, err) {
				mu.Lock()
				statuses[a.StatusCode]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	assert.Equal(t, map[int]int{200: 1, 412: 9}, statuses)
	for i := range 10 {
		wg.Go(func() {
			a, err := g.send(t.Context(), "PUT", "/v1/mcp/server/"+slug, map[string]any{"static_headers": map[string]string{"X-N": fmt.Sprint(i)}}, "Authorization", "Bearer "+g.adminKey)
			if assert.NoError(t, err) {
				assert.Contains(t, []int{200, 412}, a.StatusCode, "%s", a.text)
			}
		})
	}
	wg.Wait()
}

func TestManagementOfKeys(t *testing.T) {
	g := theGateway(t)
	slug := name("keyed")
	g.want(t, 201, "POST", "/v1/mcp/server", plainServer(slug))
	made := g.want(t, 201, "POST", "/v1/keys", map[string]any{"name": name("key"), "servers": []string{slug}}).object(t)
	id, secret := made["id"].(string), made["key"].(string)
	path := "/v1/keys/" + id
	as := func(key, method, path string, body any) answer {
		return g.anonymous(t, method, path, body, "Authorization", "Bearer "+key)
	}
	mine := as(secret, "GET", "/v1/mcp/server", nil)
	require.Equal(t, 200, mine.StatusCode, "%s", mine.text)
	assert.Contains(t, string(mine.text), slug)
	assert.NotContains(t, string(mine.text), ".example", "a caller does not see where a server is")
	refused(t, as(secret, "POST", "/v1/keys", map[string]any{"name": "x"}), 403, "forbidden")
	for _, header := range []string{"X-Grantway-Key", "x-litellm-api-key"} {
		assert.Equal(t, 200, g.anonymous(t, "GET", "/v1/mcp/server", nil, header, secret).StatusCode, header)
	}
	refused(t, g.anonymous(t, "GET", "/v1/keys", nil), 401, "unauthorized")
	refused(t, as(secret+"x", "GET", "/v1/mcp/server", nil), 401, "unauthorized")

	assert.NotContains(t, string(g.want(t, 200, "GET", path, nil).text), secret, "shown once")
	assert.Contains(t, string(g.want(t, 200, "GET", "/v1/keys?limit=200&server_id="+slug, nil).text), id)
	g.want(t, 200, "PUT", path, map[string]any{"owner": "somebody"})
	next := g.want(t, 200, "POST", path+"/rotate", map[string]any{"overlap_seconds": 0}).object(t)["key"].(string)
	stops := func(key string) {
		t.Helper()
		assert.Eventually(t, func() bool {
			a, err := g.send(t.Context(), "GET", "/v1/mcp/server", nil, "Authorization", "Bearer "+key)
			return err == nil && a.StatusCode == 401
		}, patience, 200*time.Millisecond, "every instance hears of it")
	}
	stops(secret)
	assert.Equal(t, 200, as(next, "GET", "/v1/mcp/server", nil).StatusCode)
	refused(t, g.admin(t, "POST", "/v1/keys", map[string]any{"servers": []string{"nobody"}, "role": "king"}), 422, "invalid_record")
	g.want(t, 204, "DELETE", path, nil)
	stops(next)
	refused(t, g.admin(t, "GET", path, nil), 404, "key_not_found")
}

func TestBrowserSession(t *testing.T) {
	g := theGateway(t)
	refused(t, g.anonymous(t, "POST", "/v1/session", map[string]any{"key": "wrong"}), 401, "unauthorized")
	in := g.anonymous(t, "POST", "/v1/session", map[string]any{"key": g.adminKey})
	require.Equal(t, 200, in.StatusCode, "%s", in.text)
	require.Len(t, in.Cookies(), 1)
	c := in.Cookies()[0]
	assert.True(t, c.HttpOnly)
	assert.Equal(t, http.SameSiteStrictMode, c.SameSite)
	cookie := c.Name + "=" + c.Value
	assert.Equal(t, 200, g.anonymous(t, "GET", "/v1/session", nil, "Cookie", cookie).StatusCode)
	refused(t, g.anonymous(t, "POST", "/v1/keys", map[string]any{"name": "x"}, "Cookie", cookie), 403, "csrf_rejected")
	refused(t, g.anonymous(t, "POST", "/v1/keys", map[string]any{"name": "x"}, "Cookie", cookie, "X-Grantway-CSRF", "1", "Origin", "https://evil.example"), 403, "csrf_rejected")
	assert.Equal(t, 201, g.anonymous(t, "POST", "/v1/keys", map[string]any{"name": "x"}, "Cookie", cookie, "X-Grantway-CSRF", "1", "Origin", g.url).StatusCode)
	assert.Equal(t, 204, g.anonymous(t, "DELETE", "/v1/session", nil, "Cookie", cookie, "X-Grantway-CSRF", "1").StatusCode)
	assert.Eventually(t, func() bool {
		a, err := g.send(t.Context(), "GET", "/v1/session", nil, "Cookie", cookie)
		return err == nil && a.StatusCode == 401
	}, patience, 200*time.Millisecond)
}

func TestAuditSettingsUsage(t *testing.T) {
	g := theGateway(t)
	slug := name("audited")
	g.want(t, 201, "POST", "/v1/mcp/server", plainServer(slug), "X-Request-Id", slug)
	rows := g.want(t, 200, "GET", "/v1/audit?action=server.create&target="+slug, nil)
	assert.Contains(t, string(rows.text), `"request_id":"`+slug+`"`)
	assert.Equal(t, true, g.want(t, 200, "GET", "/v1/audit/verify", nil).object(t)["ok"])
	lines := g.want(t, 200, "GET", "/v1/audit/export?target="+slug, nil)
	assert.Equal(t, "application/x-ndjson", lines.Header.Get("Content-Type"))
	assert.True(t, json.Valid(bytes.TrimSpace(lines.text)))
	refused(t, g.admin(t, "GET", "/v1/audit?cursor=x", nil), 400, "invalid_cursor")
	assert.Equal(t, 401, g.anonymous(t, "POST", "/mcp/"+slug, map[string]any{}).StatusCode)
	assert.Eventually(t, func() bool {
		a, err := g.send(t.Context(), "GET", "/v1/audit?action=call.denied&actor=anonymous&since="+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), nil, "Authorization", "Bearer "+g.adminKey)
		return err == nil && strings.Contains(string(a.text), "Present an access key")
	}, patience, 200*time.Millisecond, "who is not known is recorded too")

	settings := g.want(t, 200, "GET", "/v1/settings", nil)
	g.want(t, 200, "PUT", "/v1/settings", map[string]any{"currency": "EUR"}, "If-Match", settings.Header.Get("ETag"))
	refused(t, g.admin(t, "PUT", "/v1/settings", map[string]any{"currency": "USD"}, "If-Match", settings.Header.Get("ETag")), 412, "version_conflict")
	refused(t, g.admin(t, "PUT", "/v1/settings", map[string]any{"audit_retention_days": 0}), 422, "invalid_record")
	g.want(t, 202, "POST", "/v1/settings/reseal", nil)
	assert.Eventually(t, func() bool {
		a, err := g.send(t.Context(), "GET", "/v1/settings/reseal", nil, "Authorization", "Bearer "+g.adminKey)
		return err == nil && strings.Contains(string(a.text), `"state":"done"`)
	}, patience, 100*time.Millisecond)
	g.want(t, 202, "POST", "/v1/settings/republish", nil)
	g.want(t, 200, "GET", "/v1/mcp/server/"+slug, nil)

	usage := g.want(t, 200, "GET", "/v1/usage?interval=hour&group_by=server&since="+time.Now().Add(-2*time.Hour).UTC().Format(time.RFC3339), nil).object(t)
	assert.Contains(t, usage, "totals")
	assert.Contains(t, g.want(t, 200, "GET", "/v1/usage/sparkline", nil).object(t), "servers")
	refused(t, g.admin(t, "GET", "/v1/usage?interval=year", nil), 400, "invalid_query")
	description := g.anonymous(t, "GET", "/openapi.json", nil)
	assert.Equal(t, "3.1.0", description.object(t)["openapi"])
}

// A LiteLLM configuration with three servers imports, and its M2M server answers a
// tool call.
func TestImportOfLiteLLM(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	rec := u.record()
	creds := rec["credentials"].(map[string]any)
	field := func(name string) any {
		if v, ok := rec[name]; ok {
			return v
		}
		return creds[name]
	}
	plain, static, m2m := name("deepwiki"), name("github"), name("crm")
	config := fmt.Sprintf(`
mcp_servers:
  %s:
    url: "https://mcp.deepwiki.example/mcp"
    transport: "http"
  %s:
    url: "https://api.github.example/mcp"
    transport: "http"
    auth_type: "bearer_token"
    auth_value: os.environ/GITHUB_TOKEN
  %s:
    url: %q
    transport: "http"
    auth_type: "oauth2"
    client_id: %q
    client_secret: os.environ/CLIENT_SECRET
    token_url: %q
    token_endpoint_auth_method: client_secret_basic
    scopes: [%q, %q]
`, plain, static, m2m, field("url"), field("client_id"), field("token_url"), mcpserver.ScopeRead, mcpserver.ScopeCall)
	refused(t, g.admin(t, "POST", "/v1/import", config, "Content-Type", "application/yaml"), 422, "invalid_import")
	refused(t, g.admin(t, "GET", "/v1/mcp/server/"+plain, nil), 404, "server_not_found")
	body := map[string]any{"document": config, "environment": map[string]any{"GITHUB_TOKEN": "t0ken", "CLIENT_SECRET": field("client_secret")}}
	dry := g.want(t, 200, "POST", "/v1/import?dry_run=true", body).object(t)
	assert.Len(t, dry["changes"], 3)
	assert.Equal(t, false, dry["applied"])
	assert.Equal(t, true, g.want(t, 200, "POST", "/v1/import", body).object(t)["applied"])

	session := g.connect(t, "/mcp/"+m2m, g.adminKey)
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "add", Arguments: map[string]any{"a": 20, "b": 22}})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"sum": 42.0}, result.StructuredContent)

	open := g.want(t, 200, "GET", "/v1/export", nil)
	assert.NotContains(t, string(open.text), "t0ken")
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	sealed := g.want(t, 200, "POST", "/v1/export", map[string]any{"recipient": identity.Recipient().String()})
	r, err := age.Decrypt(bytes.NewReader(sealed.text), identity)
	require.NoError(t, err)
	full, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Contains(t, string(full), "t0ken")

	refused(t, g.admin(t, "POST", "/v1/import", strings.Repeat("a", 10<<20), "Content-Type", "application/yaml"), 413, "body_too_large")
	refused(t, g.admin(t, "POST", "/v1/import", "a: &a [x]\nb: [*a]\n", "Content-Type", "application/yaml"), 422, "invalid_import")
}

func TestUsageCountsCalls(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	server := u.create(t, g)
	session := g.connect(t, "/mcp/"+server.slug, g.adminKey)
	_, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "x"}})
	require.NoError(t, err)
	assert.Eventually(t, func() bool {
		a, err := g.send(t.Context(), "GET", "/v1/usage?group_by=tool&server_id="+server.id, nil, "Authorization", "Bearer "+g.adminKey)
		return err == nil && strings.Contains(string(a.text), "/echo")
	}, patience, 200*time.Millisecond)
	assert.Eventually(t, func() bool {
		a, err := g.send(t.Context(), "GET", "/v1/audit?action=token.mint&target="+server.id, nil, "Authorization", "Bearer "+g.adminKey)
		return err == nil && strings.Contains(string(a.text), `"outcome":"ok"`)
	}, patience, 200*time.Millisecond, "each mint is a row")

	record := u.record()
	record["credentials"].(map[string]any)["client_secret"] = "not the secret"
	wrong := g.want(t, 201, "POST", "/v1/mcp/server", record).object(t)["server_id"].(string)
	key := g.want(t, 201, "POST", "/v1/keys", map[string]any{"name": name("night"), "servers": []string{wrong}}).object(t)
	g.anonymous(t, "GET", "/mcp-rest/tools/list?server_id="+wrong, nil, "Authorization", "Bearer "+key["key"].(string))
	assert.Eventually(t, func() bool {
		a, err := g.send(t.Context(), "GET", "/v1/audit?action=token.mint&outcome=failed&target="+wrong, nil, "Authorization", "Bearer "+g.adminKey)
		return err == nil && strings.Contains(string(a.text), `"oauth_error":"invalid_client"`) && strings.Contains(string(a.text), `"name":"`+key["name"].(string)+`"`)
	}, patience, 200*time.Millisecond, "a mint that failed says why, and whose call it was")
}
