package contract

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// scopeReports is a scope that the record asks for and no request needs: a step-up must not lose it.
const scopeReports = "reports"

// stepUpRecord asks for too little for tools/call.
func (u *upstream) stepUpRecord(allowed bool) map[string]any {
	record := with(u.record(), "allow_scope_step_up", allowed)
	record["credentials"].(map[string]any)["scopes"] = []string{mcpserver.ScopeRead, scopeReports}
	return record
}

func stepUpUpstream(t *testing.T) *upstream {
	t.Helper()
	return upstreamAt(t, authserver.Options{Scopes: []string{mcpserver.ScopeRead, mcpserver.ScopeCall, scopeReports}})
}

// scopes are those of the token that a successful whoami was called with.
func (a answer) scopes(t *testing.T) []any {
	t.Helper()
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	identity, _ := a.object(t)["structuredContent"].(map[string]any)
	scopes, _ := identity["scopes"].([]any)
	return scopes
}

// 403 insufficient_scope (RFC 6750 §3.1) is answered by one token with the union of the scopes, where the record allows it: one for
// all instances and later calls. A purge voids it too, wherever it was asked for.
func TestScopeStepUp(t *testing.T) {
	g, u := theGateway(t), stepUpUpstream(t)
	a := g.admin(t, "POST", "/v1/mcp/server", u.stepUpRecord(true))
	require.Equal(t, 201, a.StatusCode, "%s", a.text)
	id, _ := a.object(t)["server_id"].(string)
	slug, _ := a.object(t)["slug"].(string)
	listed, err := g.connect(t, "/mcp/"+slug, g.adminKey).ListTools(t.Context(), nil)
	require.NoError(t, err)
	require.NotEmpty(t, listed.Tools)
	require.Equal(t, 1, u.mints(), "the record's scopes are enough")

	a = g.whoami(t, id)
	old := a.tokenID(t)
	assert.ElementsMatch(t, []any{mcpserver.ScopeRead, mcpserver.ScopeCall, scopeReports}, a.scopes(t))
	assert.Empty(t, g.burst(t, id, 20))
	assert.Equal(t, 2, u.mints())

	a = g.admin(t, "DELETE", "/v1/mcp/server/"+id+"/token", nil)
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	require.Eventually(t, func() bool { // each of the instances in turn
		for range g.instances {
			if g.whoami(t, id).tokenID(t) == old {
				return false
			}
		}
		return true
	}, changeReach, patience/100)
}

// There is no step-up where the record does not allow it: the server's answer stands, and so it does where the authorization
// server does not grant the scopes, and where a token that has them is refused all the same.
func TestNoScopeStepUp(t *testing.T) {
	g := theGateway(t)
	create := func(record map[string]any) (id string) {
		a := g.admin(t, "POST", "/v1/mcp/server", record)
		require.Equal(t, 201, a.StatusCode, "%s", a.text)
		id, _ = a.object(t)["server_id"].(string)
		return id
	}
	const calls = 10
	forbidden := func(t *testing.T, id string) {
		t.Helper()
		for range calls {
			refused(t, g.whoami(t, id), 502, "upstream_forbidden")
		}
	}
	t.Run("not allowed", func(t *testing.T) {
		u := stepUpUpstream(t)
		forbidden(t, create(u.stepUpRecord(false)))
		assert.Equal(t, 1, u.idp.Stats().TokenRequests)
	})
	t.Run("not granted", func(t *testing.T) {
		u := stepUpUpstream(t)
		u.client.Scopes = []string{mcpserver.ScopeRead, scopeReports}
		u.idp.Register(u.client)
		forbidden(t, create(u.stepUpRecord(true)))
		assert.Less(t, u.idp.Stats().TokenRequests, calls/2, "asked now and then, not for each call")
	})
	t.Run("not enough", func(t *testing.T) {
		u := stepUpUpstream(t)
		var requests atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			requests.Add(1)
			rw.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+mcpserver.ScopeCall+`"`)
			rw.WriteHeader(http.StatusForbidden)
		}))
		defer server.Close()
		id := create(with(u.stepUpRecord(true), "url", server.URL+"/mcp"))
		forbidden(t, id)
		assert.Equal(t, 2, u.mints())
		before := requests.Load()
		forbidden(t, id)
		assert.LessOrEqual(t, requests.Load()-before, int64(calls+g.instances), "no further replay, but for an instance that was not asked before")
		assert.Equal(t, 2, u.mints())
	})
}

// The token of a connection gets further scopes by the person's consent alone: the caller is told where to give it, is asked there
// for the union of the scopes, and goes on.
func TestInteractiveScopeStepUp(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true, Scopes: []string{mcpserver.ScopeRead, mcpserver.ScopeCall, scopeReports}},
		`,"scopes":["`+mcpserver.ScopeRead+`","`+scopeReports+`"]`)
	alice, bob := w.key("alice"), w.key("bob")
	connect := func(key, body string) (scopes []string) {
		b := newBrowser(t)
		at := w.begin(b, key, "files", body)
		u, err := url.Parse(at)
		require.NoError(t, err)
		resp, page := b.get(b.authorize(at))
		require.Equal(t, http.StatusOK, resp.StatusCode, page)
		return strings.Fields(u.Query().Get("scope"))
	}
	call := func(key string) (int, map[string]any) {
		resp, body := w.request("POST", "/mcp-rest/tools/call", `{"server_id":"files","name":"whoami","arguments":{}}`, "Authorization", "Bearer "+key)
		out := map[string]any{}
		require.NoError(t, json.Unmarshal([]byte(body), &out), body)
		return resp.StatusCode, out
	}
	assert.ElementsMatch(t, []string{mcpserver.ScopeRead, scopeReports}, connect(alice, ""))
	status, body := w.call(alice, "files")
	require.Equal(t, http.StatusOK, status, body)

	mints := w.idp.Stats().TokenRequests
	for range 2 {
		status, out := call(alice)
		require.Equal(t, http.StatusForbidden, status, "%v", out)
		problem := out["error"].(map[string]any)
		assert.Equal(t, "interactive_step_up_required", problem["code"])
		assert.Contains(t, problem["message"], mcpserver.ScopeCall)
		assert.Contains(t, problem["message"], "/connect/files")
	}
	assert.Equal(t, mints, w.idp.Stats().TokenRequests, "no token is asked for without her")
	assert.Equal(t, []any{mcpserver.ScopeRead, mcpserver.ScopeCall}, w.connectionOf(alice, "files")["wanted_scopes"])
	resp, text := w.request("POST", "/mcp/files", `{"jsonrpc":"2.0","id":"a1","method":"tools/call","params":{"name":"whoami","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}}}}}}`,
		"Authorization", "Bearer "+alice, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "whoami")
	require.Equal(t, http.StatusOK, resp.StatusCode, text)
	assert.Contains(t, text, `"url":"`+w.url+`/connect/files"`, "a client that can open it is asked to")

	assert.ElementsMatch(t, []string{mcpserver.ScopeRead, scopeReports, mcpserver.ScopeCall}, connect(alice, ""), "the union")
	status, out := call(alice)
	require.Equal(t, http.StatusOK, status, "%v", out)
	assert.ElementsMatch(t, []any{mcpserver.ScopeRead, scopeReports, mcpserver.ScopeCall}, out["structuredContent"].(map[string]any)["scopes"])
	assert.Empty(t, w.connectionOf(alice, "files")["wanted_scopes"])
	w.idp.RevokeAll()
	status, out = call(alice)
	require.Equal(t, http.StatusOK, status, "a renewed token has them too: %v", out)

	assert.ElementsMatch(t, []string{mcpserver.ScopeRead, scopeReports}, connect(bob, ""), "what she has granted is nothing to him")
	status, _ = call(bob)
	assert.Equal(t, http.StatusForbidden, status)
}
