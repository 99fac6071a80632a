package admin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const litellmConfig = `
mcp_servers:
  deepwiki_mcp:
    url: "https://mcp.deepwiki.example/mcp"
    transport: "http"
  github_mcp:
    url: "https://api.githubcopilot.example/mcp"
    transport: "http"
    auth_type: "bearer_token"
    auth_value: os.environ/GITHUB_TOKEN
  crm_mcp:
    url: "https://crm.example/mcp"
    transport: http
    auth_type: oauth2
    client_id: crm
    client_secret: os.environ/CRM_SECRET
    token_url: "https://idp.example/oauth/token"
    scopes: ["read"]
`

func envelope(t *testing.T, doc string, env map[string]string) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"document": doc, "environment": env})
	require.NoError(t, err)
	return string(b)
}

// actions answers what an import did, name → action.
func actions(r reply) map[string]string {
	out := map[string]string{}
	for _, c := range r.json()["changes"].([]any) {
		m := c.(map[string]any)
		out[m["name"].(string)] = m["action"].(string)
	}
	return out
}

func TestImportFromLiteLLM(t *testing.T) {
	g := newGateway(t)

	missing := g.do("POST", "/v1/import", litellmConfig, "Content-Type", "application/yaml")
	require.Equal(t, http.StatusUnprocessableEntity, missing.StatusCode)
	assert.Equal(t, map[string]string{"mcp_servers.crm_mcp.client_secret": "unresolved_environment", "mcp_servers.github_mcp.auth_value": "unresolved_environment"}, missing.fields())
	assert.Equal(t, "[]", g.must(http.StatusOK, "GET", "/v1/mcp/server", "").text, "everything or nothing")

	body := envelope(t, litellmConfig, map[string]string{"GITHUB_TOKEN": "t0ken", "CRM_SECRET": "s3cret"})
	dry := g.must(http.StatusOK, "POST", "/v1/import?dry_run=true", body)
	assert.Equal(t, map[string]string{"deepwiki_mcp": "create", "github_mcp": "create", "crm_mcp": "create"}, actions(dry))
	assert.NotContains(t, dry.text, "s3cret")
	assert.Equal(t, "[]", g.must(http.StatusOK, "GET", "/v1/mcp/server", "").text, "a dry run does nothing")

	done := g.must(http.StatusOK, "POST", "/v1/import", body).json()
	assert.Equal(t, true, done["applied"])
	crm := g.must(http.StatusOK, "GET", "/v1/mcp/server/crm_mcp", "").json()
	assert.Equal(t, "client_credentials", crm["oauth2_flow"])
	assert.Equal(t, "s3cret", g.secret("crm_mcp", "client_secret"))

	again := g.must(http.StatusOK, "POST", "/v1/import", body)
	assert.Equal(t, map[string]string{"deepwiki_mcp": "unchanged", "github_mcp": "unchanged", "crm_mcp": "unchanged"}, actions(again))
	assert.Equal(t, crm["version"], g.must(http.StatusOK, "GET", "/v1/mcp/server/crm_mcp", "").json()["version"])

	changed := g.must(http.StatusOK, "POST", "/v1/import", strings.Replace(body, `[\"read\"]`, `[\"read\", \"write\"]`, 1))
	assert.Equal(t, "update", actions(changed)["crm_mcp"])

	assert.Equal(t, "exists", g.do("POST", "/v1/import?on_conflict=fail", body).fields()["mcp_servers.crm_mcp"])
	skipped := g.must(http.StatusOK, "POST", "/v1/import?on_conflict=skip", body)
	assert.Equal(t, "skip", actions(skipped)["crm_mcp"])
}

func TestImportIsAllOrNothing(t *testing.T) {
	g := newGateway(t)
	r := g.do("POST", "/v1/import", `{"mcpServers":{"good":{"url":"https://a.example/mcp"},"bad":{"url":"ftp://b"},"worse":{"url":"https://c.example/mcp","headers":{"Content-Length":"1"}}}}`)
	require.Equal(t, http.StatusUnprocessableEntity, r.StatusCode)
	assert.Equal(t, map[string]string{"mcpServers.bad.url": "invalid_url", "mcpServers.worse.static_headers.Content-Length": "reserved_header"}, r.fields())
	assert.Equal(t, "[]", g.must(http.StatusOK, "GET", "/v1/mcp/server", "").text)

	r = g.do("POST", "/v1/import", `{"mcpServers":{"a b":{"url":"https://a.example/mcp"},"A-B":{"url":"https://b.example/mcp"},"a_b":{"url":"https://b.example/mcp"}}}`)
	assert.Equal(t, "duplicate", r.fields()["mcpServers.a_b"], r.text)
}

func TestExportAndImportElsewhere(t *testing.T) {
	g := newGateway(t)
	g.create(m2m)
	g.create(`{"server_name":"Keyed","url":"https://keyed.test/mcp","auth_type":"api_key","credentials":{"auth_value":"s3cret-api"},"static_headers":{"X-Tenant":"acme","X-Other-Key":"s3cret-header"},"allowed_tools":[]}`)
	g.create(`{"server_name":"Signed","url":"https://signed.test/mcp","auth_type":"oauth2","oauth2_flow":"client_credentials","client_id":"c","token_endpoint_auth_method":"private_key_jwt","credentials":{"client_private_key_generate":"EdDSA"}}`)
	key := g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"ci","servers":["crm"],"tools":{"crm":["t"]}}`).json()["key"].(string)

	open := g.must(http.StatusOK, "GET", "/v1/export", "").text
	assert.NotContains(t, open, "s3cret")
	assert.Contains(t, open, "os.environ/CRM_CLIENT_SECRET")
	same := g.must(http.StatusOK, "POST", "/v1/import", open, "Content-Type", "application/yaml")
	for name, action := range actions(same) {
		assert.Contains(t, []string{"unchanged", "skip"}, action, name)
	}

	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	assert.Equal(t, "invalid_recipient", g.do("POST", "/v1/export", `{"recipient":"age1nonsense"}`).fields()["recipient"])
	sealed := g.must(http.StatusOK, "POST", "/v1/export", `{"recipient":"`+id.Recipient().String()+`"}`).text
	r, err := age.Decrypt(bytes.NewReader([]byte(sealed)), id)
	require.NoError(t, err)
	full, err := io.ReadAll(r)
	require.NoError(t, err)

	other := newGateway(t)
	other.must(http.StatusOK, "POST", "/v1/import", string(full), "Content-Type", "application/yaml")
	assert.Equal(t, "s3cret-one", other.secret("crm", "client_secret"))
	assert.Equal(t, g.secret("signed", "client_private_key"), other.secret("signed", "client_private_key"))
	assert.Contains(t, other.secret("keyed", "static_headers"), "s3cret-header")
	assert.Equal(t, []any{}, other.must(http.StatusOK, "GET", "/v1/mcp/server/keyed", "").json()["allowed_tools"], "no tools is not all tools")
	mine := other.must(http.StatusOK, "GET", "/v1/mcp/server", "", "Authorization", "Bearer "+key)
	assert.Contains(t, mine.text, "crm", "the key works there too")
	assert.Equal(t, g.must(http.StatusOK, "GET", "/v1/export?format=json", "").text, other.must(http.StatusOK, "GET", "/v1/export?format=json", "").text)
}

func TestFileOfRecord(t *testing.T) {
	g := newGateway(t)
	g.create(`{"server_name":"Mine","url":"https://mine.test/mcp","auth_type":"none"}`)
	file := "grantway: 1\nservers:\n- {server_name: A, slug: aa, url: 'https://a.test/mcp', auth_type: none, description: from the file}\n- {server_name: B, slug: bb, url: 'https://b.test/mcp', auth_type: none}\n"
	g.must(http.StatusOK, "POST", "/v1/import?managed=true", file, "Content-Type", "application/yaml")
	assert.Equal(t, true, g.must(http.StatusOK, "GET", "/v1/mcp/server/aa", "").json()["read_only"])
	for _, r := range []reply{
		g.do("PUT", "/v1/mcp/server/aa", `{"description":"x"}`),
		g.do("DELETE", "/v1/mcp/server/aa", ""),
	} {
		assert.Equal(t, "read_only", r.code())
	}
	assert.Contains(t, g.must(http.StatusOK, "POST", "/v1/mcp/server/bulk", `{"action":"delete","server_ids":["aa"]}`).text, "read_only")
	assert.Equal(t, "read_only", g.do("POST", "/v1/import", file, "Content-Type", "application/yaml").fields()["servers[0]"])

	next := "grantway: 1\nservers:\n- {server_name: A, slug: aa, url: 'https://a.test/mcp', auth_type: none}\n"
	r := g.must(http.StatusOK, "POST", "/v1/import?managed=true", next, "Content-Type", "application/yaml")
	assert.Equal(t, map[string]string{"A": "update", "B": "delete"}, actions(r))
	assert.NotContains(t, g.must(http.StatusOK, "GET", "/v1/mcp/server/aa", "").json(), "description", "the record is what the file says")
	assert.Equal(t, http.StatusNotFound, g.do("GET", "/v1/mcp/server/bb", "").StatusCode)
	g.must(http.StatusOK, "GET", "/v1/mcp/server/mine", "")
}

// A key of the file of record is changed there only; one that a file has twice is not two.
func TestImportOfKeys(t *testing.T) {
	g := newGateway(t)
	key := func(name string, n int) string {
		return fmt.Sprintf(`{"name":%q,"hash":"%064x","prefix":"gw_x"}`, name, n)
	}
	file := func(keys ...string) string {
		return `{"grantway":1,"servers":[],"keys":[` + strings.Join(keys, ",") + `]}`
	}
	assert.Equal(t, map[string]string{"keys[1]": "duplicate"}, g.do("POST", "/v1/import", file(key("a", 1), key("b", 1))).fields())
	g.must(http.StatusOK, "POST", "/v1/import?managed=true", file(key("recorded", 1)))
	assert.Equal(t, map[string]string{"keys[0]": "read_only"}, g.do("POST", "/v1/import", file(key("renamed", 1))).fields())
	assert.Equal(t, map[string]string{"keys[1]": "duplicate"}, g.do("POST", "/v1/import?managed=true", file(key("recorded", 1), key("again", 1))).fields())
	keys := g.must(http.StatusOK, "GET", "/v1/keys?limit=10", "").json()["data"].([]any)
	require.Len(t, keys, 1)
	assert.Equal(t, "recorded", keys[0].(map[string]any)["name"])
	assert.Equal(t, true, keys[0].(map[string]any)["read_only"])

	var wg sync.WaitGroup
	for i := range 4 { // administrators who import the same file at once make one key
		wg.Go(func() { g.must(http.StatusOK, "POST", "/v1/import", file(key(fmt.Sprint("by ", i), 2))) })
	}
	wg.Wait()
	assert.EqualValues(t, 2, g.must(http.StatusOK, "GET", "/v1/keys?limit=10", "").json()["total"])
}

// What cannot be applied is said by the dry run already.
func TestDryRunSaysWhatCannotBe(t *testing.T) {
	g := newGateway(t)
	server := func(fields string) string { return `{"url":"https://a.test/mcp","auth_type":"none",` + fields + `}` }
	file := func(servers ...string) string { return `{"grantway":1,"servers":[` + strings.Join(servers, ",") + `]}` }
	problems := func(file string) map[string]string {
		out := map[string]string{}
		for _, p := range g.must(http.StatusOK, "POST", "/v1/import?dry_run=true&managed=true", file).json()["problems"].([]any) {
			out[p.(map[string]any)["path"].(string)] = p.(map[string]any)["code"].(string)
		}
		return out
	}
	assert.Equal(t, map[string]string{"servers[1]": "duplicate"}, problems(file(server(`"server_name":"A","slug":"aa","alias":"second"`), server(`"server_name":"Second","slug":"bb"`))))
	many := func(prefix string) string {
		var out []string
		for i := range 200 {
			out = append(out, server(fmt.Sprintf(`"server_name":"%s %d","slug":"%s-%d"`, prefix, i, prefix, i)))
		}
		return file(out...)
	}
	g.must(http.StatusOK, "POST", "/v1/import?managed=true", many("old"))
	assert.Equal(t, map[string]string{"": "too_many"}, problems(many("new")))
	assert.Equal(t, "invalid_import", g.do("POST", "/v1/import?managed=true", many("new")).code())
	g.must(http.StatusOK, "POST", "/v1/import?managed=true", file(server(`"server_name":"A","slug":"aa"`)))
	assert.Equal(t, map[string]string{"servers[1]": "duplicate"}, problems(file(server(`"server_name":"A","slug":"aa"`), server(`"server_name":"Other","slug":"a"`))))
}

func TestImportOfHugeFiles(t *testing.T) {
	g := newGateway(t)
	assert.Equal(t, http.StatusRequestEntityTooLarge, g.do("POST", "/v1/import", strings.Repeat("a", 10<<20), "Content-Type", "application/yaml").StatusCode)
	var b strings.Builder
	b.WriteString("mcpServers:\n")
	for i := range 301 {
		b.WriteString("  s" + string(rune('a'+i%26)) + strings.Repeat("x", i/26) + ":\n    url: https://a.test/mcp\n")
	}
	assert.Equal(t, "too_many", g.do("POST", "/v1/import", b.String(), "Content-Type", "application/yaml").fields()[""])
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n" // stands for ten million values
	for c := 'b'; c <= 'g'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 10), ",") + "]\n"
	}
	assert.Equal(t, "unreadable", g.do("POST", "/v1/import", bomb, "Content-Type", "application/yaml").fields()[""])
}
