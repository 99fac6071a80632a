package contract

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// issuer signs the JWTs of callers.
type issuer struct {
	url    string
	keys   jose.JSONWebKeySet
	signer jose.Signer
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i := &issuer{keys: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}}}
	i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, (&jose.SignerOptions{}).WithType("JWT"))
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(i.keys)
	}))
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

// token answers a JWT of this subject.
func (i *issuer) token(t *testing.T, subject string, audience ...string) string {
	t.Helper()
	now := time.Now()
	text, err := jwt.Signed(i.signer).Claims(jwt.Claims{
		Issuer: i.url, Subject: subject, Audience: audience, ID: rand.Text(), IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(10 * time.Minute)),
	}).Serialize()
	require.NoError(t, err)
	return text
}

var (
	tokenIDMember = regexp.MustCompile(`"token_id":"([^"]+)"`)
	subjectMember = regexp.MustCompile(`"subject":"([^"]+)"`)
)

// The flows in which a caller's own JWT becomes the access token for the upstream, at an authorization server that trusts
// the callers' issuer: each caller has a token of its own, and all of them can be purged.
func TestTokensOfCallers(t *testing.T) {
	g, stop := startGateway(t, goodEnvironment()) // other instances would follow a change of its issuers only within seconds
	defer func() { assert.NoError(t, stop()) }()
	callers := newIssuer(t)
	trusted := g.admin(t, "PUT", "/v1/settings/issuers", map[string]any{"jwt_issuers": []any{map[string]any{
		"issuer": callers.url, "jwks_url": callers.url + "/keys", "grants": []any{map[string]any{"all_servers": true}},
	}}})
	require.Equal(t, http.StatusOK, trusted.StatusCode, "%s", trusted.text)
	for flow, members := range map[string]map[string]any{
		"token_exchange": {"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, // RFC 8693 §3
		"jwt_bearer":     {},
	} {
		t.Run(flow, func(t *testing.T) {
			u := upstreamAt(t, authserver.Options{TrustedIssuers: []authserver.TrustedIssuer{{Issuer: callers.url, Keys: callers.keys}}})
			record := with(u.record(), "oauth2_flow", flow)
			record["token_endpoint_auth_method"] = "client_secret_basic"
			for name, value := range members {
				record[name] = value
			}
			a := g.admin(t, "POST", "/v1/mcp/server", record)
			require.Equal(t, 201, a.StatusCode, "%s", a.text)
			id, _ := a.object(t)["server_id"].(string)
			slug, _ := a.object(t)["slug"].(string)

			send := func(credential string) answer {
				return g.anonymous(t, "POST", "/mcp/"+slug, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`,
					"Authorization", "Bearer "+credential, "Accept", "application/json, text/event-stream", "Mcp-Protocol-Version", "2025-11-25")
			}
			call := func(credential string) (tokenID, subject string) {
				a := send(credential)
				require.Equal(t, 200, a.StatusCode, "%s", a.text)
				found, who := tokenIDMember.FindSubmatch(a.text), subjectMember.FindSubmatch(a.text)
				require.NotNil(t, found, "%s", a.text)
				require.NotNil(t, who, "%s", a.text)
				return string(found[1]), string(who[1])
			}
			jwtOf := func(subject string) string { return callers.token(t, subject, g.url, u.idp.Issuer()) }
			alice, bob := jwtOf("alice"), jwtOf("bob")
			var wait sync.WaitGroup
			for range 20 {
				wait.Go(func() { assert.Equal(t, 200, send(alice).StatusCode) })
			}
			wait.Wait()
			assert.Equal(t, 1, u.mints(), "one token for all of alice's calls")
			old, subject := call(alice)
			assert.Equal(t, "alice", subject)
			of, subject := call(bob)
			assert.Equal(t, "bob", subject)
			assert.NotEqual(t, old, of)
			assert.Equal(t, 2, u.mints())
			for _, r := range u.mcp.Requests() {
				assert.NotContains(t, r.Header.Get("Authorization"), alice, "the caller's own JWT stays here")
			}
			without := send(g.adminKey)
			assert.Equal(t, 502, without.StatusCode, "a caller without a JWT: %s", without.text)
			assert.Contains(t, string(without.text), "subject_token_missing")

			status := g.admin(t, "GET", "/v1/mcp/server/"+id+"/token", nil)
			assert.Equal(t, "per_caller", status.object(t)["state"])
			assert.NotContains(t, string(status.text), "eyJ")

			// A purge with a mint under way.
			release := make(chan struct{})
			u.idp.Fail(authserver.Fault{Hold: release})
			carol, before := jwtOf("carol"), u.idp.Stats().TokenRequests
			wait.Go(func() { assert.Equal(t, 200, send(carol).StatusCode) })
			require.Eventually(t, func() bool { return u.idp.Stats().TokenRequests > before }, patience, 5*time.Millisecond)
			purge := g.admin(t, "DELETE", "/v1/mcp/server/"+id+"/token", nil)
			require.Equal(t, 200, purge.StatusCode, "%s", purge.text)
			assert.Equal(t, 1.0, purge.object(t)["generation"])
			close(release)
			wait.Wait()
			void := map[string]bool{}
			for _, r := range u.mcp.Requests() {
				void[r.Header.Get("Authorization")] = true
			}
			require.Eventually(t, func() bool { // other instances hear of it within the bound of a changed record
				seen := len(u.mcp.Requests())
				for range g.instances {
					for _, credential := range []string{alice, bob, carol} {
						send(credential) // an assertion is good once (RFC 7523 §3 item 7): then there is no second token
					}
				}
				for _, r := range u.mcp.Requests()[seen:] {
					if void[r.Header.Get("Authorization")] {
						return false
					}
				}
				return true
			}, patience, 200*time.Millisecond)
			_, subject = call(jwtOf("alice"))
			assert.Equal(t, "alice", subject)
			if flow == "token_exchange" { // an assertion is good once
				record = with(record, "allow_scope_step_up", true)
				record["server_name"] = name("step-up")
				record["credentials"].(map[string]any)["scopes"] = []string{mcpserver.ScopeRead}
				a := g.admin(t, "POST", "/v1/mcp/server", record)
				require.Equal(t, 201, a.StatusCode, "%s", a.text)
				slug, _ = a.object(t)["slug"].(string)
				mints := u.mints()
				_, subject = call(jwtOf("alice"))
				assert.Equal(t, "alice", subject, "a token with more scopes is hers too")
				assert.Equal(t, 2, u.mints()-mints)
			}
			audit := g.admin(t, "GET", "/v1/audit?action=token.purge", nil)
			assert.Contains(t, string(audit.text), id)
		})
	}
}

// The tokens of one caller alone are purged, by the id that the audit log shows; there is one instance, where that holds at once.
func TestPurgeOfOneCaller(t *testing.T) {
	w, callers := newRealm(t), newIssuer(t)
	w.trust(map[string]any{"issuer": callers.url, "jwks_url": callers.url + "/keys", "grants": []any{map[string]any{"all_servers": true}}})
	for flow, subjectType := range map[string]string{"token_exchange": "urn:ietf:params:oauth:token-type:jwt", "jwt_bearer": ""} {
		t.Run(flow, func(t *testing.T) {
			u := upstreamAt(t, authserver.Options{TrustedIssuers: []authserver.TrustedIssuer{{Issuer: callers.url, Keys: callers.keys}}})
			record := with(with(u.record(), "oauth2_flow", flow), "token_endpoint_auth_method", "client_secret_basic")
			if subjectType != "" {
				record["subject_token_type"] = subjectType
			}
			a := w.admin(t, "POST", "/v1/mcp/server", record)
			require.Equal(t, 201, a.StatusCode, "%s", a.text)
			id, _ := a.object(t)["server_id"].(string)
			slug, _ := a.object(t)["slug"].(string)
			send := func(credential string) (tokenID string) {
				_, body := w.request("POST", "/mcp/"+slug, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`,
					"Authorization", "Bearer "+credential, "Mcp-Protocol-Version", "2025-11-25")
				if found := tokenIDMember.FindStringSubmatch(body); found != nil {
					return found[1]
				}
				return ""
			}
			alice, bob := callers.token(t, "alice", w.url, u.idp.Issuer()), callers.token(t, "bob", w.url, u.idp.Issuer())
			old, kept := send(alice), send(bob)
			require.NotEmpty(t, old)
			require.NotEmpty(t, kept)
			caller := principalOf(t, w.gateway, id, "alice")
			path := "/v1/mcp/server/" + id + "/token?caller=" + url.QueryEscape(caller)
			assert.Equal(t, 1.0, w.admin(t, "GET", path, nil).object(t)["held"])
			purge := w.admin(t, "DELETE", path, nil)
			require.Equal(t, 200, purge.StatusCode, "%s", purge.text)
			assert.Equal(t, caller, purge.object(t)["caller"])
			assert.Nil(t, w.admin(t, "GET", path, nil).object(t)["held"])
			assert.NotEqual(t, old, send(alice)) // an assertion is good once: then she gets no second token for it
			assert.Equal(t, kept, send(bob), "nobody else is concerned")
			assert.NotContains(t, []string{"", old}, send(callers.token(t, "alice", w.url, u.idp.Issuer())), "she may come again")
			for _, refresh := range []string{"/v1/mcp/server/" + id + "/token", path} {
				refused(t, w.admin(t, "POST", refresh, nil), 409, "token_per_caller")
			}
			refused(t, w.admin(t, "DELETE", "/v1/mcp/server/"+id+"/token?caller=key:x", nil), 404, "caller_unknown")
			refused(t, w.admin(t, "DELETE", "/v1/mcp/server/"+id+"/token?caller=", nil), 400, "invalid_query")
			assert.Contains(t, string(w.admin(t, "GET", "/v1/audit?action=token.purge&target="+id, nil).text), caller)
		})
	}
}

// principalOf finds the id of a principal by a mint that it caused at a server.
func principalOf(t *testing.T, g *gateway, server, subject string) (id string) {
	t.Helper()
	require.Eventually(t, func() bool { // rows are handed over in the background
		var rows struct {
			Data []struct{ Actor struct{ ID string } }
		}
		require.NoError(t, json.Unmarshal(g.admin(t, "GET", "/v1/audit?action=token.mint&limit=200&target="+server, nil).text, &rows))
		for _, row := range rows.Data {
			if strings.HasSuffix(row.Actor.ID, ":"+subject) {
				id = row.Actor.ID
			}
		}
		return id != ""
	}, time.Minute, 100*time.Millisecond)
	return id
}

// The token of one person's connection, and of the shared one: its state, a renewal now, a purge. The connection stays.
func TestTokenOfAConnection(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	ids := map[string]string{} // of the principals, by their keys
	key := func(name string) string {
		status, out := w.do("POST", "/v1/keys", fmt.Sprintf(`{"name":%q,"all_servers":true}`, name))
		require.Equal(t, http.StatusCreated, status, "%v", out)
		ids[out["key"].(string)] = "key:" + out["id"].(string)
		return out["key"].(string)
	}
	alice, bob := key("alice"), key("bob")
	for credential, body := range map[string]string{alice: "", bob: "", w.adminKey: `{"shared":true}`} {
		b := newBrowser(t)
		resp, page := b.get(b.authorize(w.begin(b, credential, "files", body)))
		require.Equal(t, http.StatusOK, resp.StatusCode, page)
	}
	whoami := func(credential string) (tokenID string) {
		t.Helper()
		_, body := w.request("POST", "/mcp-rest/tools/call", `{"server_id":"files","name":"whoami","arguments":{}}`, "Authorization", "Bearer "+credential)
		found := tokenIDMember.FindStringSubmatch(body)
		require.NotNil(t, found, body)
		return found[1]
	}
	path := func(caller string) string { return "/v1/mcp/server/files/token?caller=" + url.QueryEscape(caller) }
	_, out := w.do("GET", "/v1/mcp/server/files/connection", "")
	require.Equal(t, false, out["connected"], "the administrator has none")
	first, others := whoami(alice), whoami(bob)

	a := w.admin(t, "GET", path(ids[alice]), nil)
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	assert.Equal(t, "valid", a.object(t)["state"])
	assert.NotContains(t, string(a.text), "eyJ")
	a = w.admin(t, "POST", path(ids[alice]), nil)
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	assert.Equal(t, "refresh", a.object(t)["cause"])
	second := whoami(alice)
	assert.NotEqual(t, first, second)

	a = w.admin(t, "DELETE", path(ids[alice]), nil)
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	assert.NotContains(t, []string{first, second}, whoami(alice), "renewed, without her")
	assert.Equal(t, true, w.connectionOf(alice, "files")["connected"])
	assert.Equal(t, others, whoami(bob), "nobody else is concerned")

	carol := w.key("carol") // is served by the shared one
	first = whoami(carol)
	a = w.admin(t, "DELETE", path("shared"), nil)
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	assert.NotEqual(t, first, whoami(carol))

	refused(t, w.admin(t, "DELETE", path("key:nobody"), nil), 404, "not_connected")
	refused(t, w.admin(t, "POST", "/v1/mcp/server/files/token", nil), 409, "token_per_caller")
	w.m2m("plain")
	refused(t, w.admin(t, "DELETE", "/v1/mcp/server/plain/token?caller=shared", nil), 409, "token_not_per_caller")
	resp, _ := w.request("DELETE", path(ids[alice]), "", "Authorization", "Bearer "+alice)
	assert.Equal(t, http.StatusForbidden, resp.StatusCode, "an administrator's business")
	w.idp.Fail(authserver.Fault{Status: 400, Body: []byte(`{"error":"invalid_grant"}`)})
	refused(t, w.admin(t, "POST", path(ids[bob]), nil), 409, "connection_ended")
	assert.Equal(t, others, whoami(bob), "the old one serves to its end")
}
