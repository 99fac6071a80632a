package contract

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
)

// insides are addresses of private and reserved networks, in all their spellings. (This machine is permitted here.)
var insides = []string{
	"10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1",
	"167772161", "012.0.0.1", "0xa.0.0.1", "0x0a000001", "10.1", "10.0.0.1.",
	"[fc00::1]", "[fe80::1]", "[fec0::1]", "[ff02::1]", "[::]", "[::ffff:10.0.0.1]", "[::ffff:a00:1]", "[::10.0.0.1]", "[::ffff:0:10.0.0.1]", "[64:ff9b::a00:1]", "[64:ff9b:1::a00:1]", "[2002:a00:1::]",
	"metadata.google.internal", "printer.local", "router.lan", "nas.home.arpa",
}

// TestAddressesOfSettings: no setting names an address inside, and a record that does is not used.
func TestAddressesOfSettings(t *testing.T) {
	w := newRealm(t)
	server := newServer(t, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNotFound) })
	for _, host := range insides {
		at := "https://" + host + "/x"
		for path, body := range map[string]string{
			"/v1/settings/issuers ":     `{"jwt_issuers":[{"issuer":"` + at + `","grants":[{"all_servers":true}]}]}`,
			"/v1/settings/issuers keys": `{"jwt_issuers":[{"issuer":"https://idp.example.com","jwks_url":"` + at + `","grants":[{"all_servers":true}]}]}`,
			"/v1/settings/sign-in":      `{"issuer":"` + at + `","client_id":"ui","grants":[{"claim":"sub","value":"x","role":"viewer"}]}`,
		} {
			path, _, _ = strings.Cut(path, " ")
			status, out := w.do("PUT", path, body)
			assert.Equal(t, http.StatusUnprocessableEntity, status, "%s: %s: %v", path, host, out)
		}
		status, out := w.do("POST", "/mcp-rest/test/token", `{"server_name":"x","url":"`+server+`","transport":"http","auth_type":"oauth2","oauth2_flow":"client_credentials","client_id":"c",
			"token_url":"`+at+`","token_endpoint_auth_method":"client_secret_basic","credentials":{"client_secret":"the-secret"}}`)
		assert.Contains(t, fmt.Sprint(out), "token_url_refused", "%d %s", status, host)
	}
	for i, host := range []string{"10.0.0.1", "0x0a000001", "[64:ff9b::a00:1]"} {
		for _, field := range []string{"authorization_url", "token_url", "registration_url"} {
			slug := fmt.Sprint("inside", i, field[:3])
			record := map[string]any{
				"server_name": slug, "slug": slug, "url": server, "transport": "http", "auth_type": "oauth2", "oauth2_flow": "authorization_code",
				"authorization_url": "https://idp.example.com/authorize", "token_url": "https://idp.example.com/token",
			}
			record[field] = "https://" + host + "/x"
			b, err := json.Marshal(record)
			require.NoError(t, err)
			w.create(slug, string(b))
			status, out := w.do("POST", "/v1/mcp/server/"+slug+"/connect", `{}`)
			assert.GreaterOrEqual(t, status, 500, "%s %s: %v", field, host, out)
		}
	}
}

// TestAddressesThatAreNotAsked: metadata of an untrusted server sends the gateway nowhere inside, and a redirect nowhere at all.
func TestAddressesThatAreNotAsked(t *testing.T) {
	w := newRealm(t)
	var reached atomic.Int64
	canary := newServer(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	var self string
	var prm, as, challenge string // documents; "REDIRECT" sends to the canary
	self = newServer(t, func(rw http.ResponseWriter, r *http.Request) {
		document := ""
		switch {
		case r.URL.Path == "/mcp":
			rw.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+challenge+`"`)
			rw.WriteHeader(http.StatusUnauthorized)
			return
		case strings.HasPrefix(r.URL.Path, "/.well-known/oauth-protected-resource"):
			document = prm
		case strings.HasPrefix(r.URL.Path, "/.well-known/"):
			document = as
		default:
			document = "REDIRECT"
		}
		if document == "REDIRECT" {
			http.Redirect(rw, r, canary+"/"+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		_, _ = rw.Write([]byte(document))
	})
	good := func(member, value string) string {
		m := map[string]any{
			"issuer": self, "authorization_endpoint": self + "/authorize", "token_endpoint": self + "/token", "registration_endpoint": self + "/register", "jwks_uri": self + "/keys",
			"code_challenge_methods_supported": []string{"S256"},
		}
		if member != "" {
			m[member] = value
		}
		b, err := json.Marshal(m)
		require.NoError(t, err)
		return string(b)
	}
	resource := func(issuer string) string {
		return fmt.Sprintf(`{"resource":"%s/mcp","authorization_servers":[%q]}`, self, issuer)
	}
	w.create("x", fmt.Sprintf(`{"server_name":"x","slug":"x","url":"%s/mcp","transport":"http","auth_type":"oauth2","oauth2_flow":"authorization_code"}`, self))
	refused := func(name string) {
		t.Helper()
		status, out := w.do("POST", "/v1/mcp/server/x/connect", `{}`)
		assert.GreaterOrEqual(t, status, 500, "%s: %v", name, out)
		assert.NotContains(t, fmt.Sprint(out), "authorization_url:", name)
	}
	usual := self + "/.well-known/oauth-protected-resource/mcp"
	for _, host := range insides {
		at := "https://" + host + "/x"
		challenge, prm, as = at, resource(self), good("", "")
		refused("resource metadata at " + at)
		challenge, prm = usual, resource("https://"+host)
		refused("authorization server at " + at)
		for _, member := range []string{"authorization_endpoint", "token_endpoint", "registration_endpoint"} {
			prm, as = resource(self), good(member, at)
			refused(member + " at " + at)
		}
	}
	for name, set := range map[string]func(){
		"resource metadata":     func() { prm, as = "REDIRECT", good("", "") },
		"server metadata":       func() { prm, as = resource(self), "REDIRECT" },
		"registration endpoint": func() { prm, as = resource(self), good("", "") },
	} {
		set()
		refused("a redirect of the " + name)
	}

	// The keys of an issuer: at an address inside, and behind a redirect.
	signer := w.newIssuer(authserver.Client{ID: "agent", Secrets: []string{"s"}})
	token := mint(t, signer, "agent", "s", forResource(w.url+"/mcp/x"))
	for name, keys := range map[string]string{"inside": "https://10.0.0.1/keys", "behind a redirect": self + "/keys"} {
		issuer := newServer(t, func(rw http.ResponseWriter, r *http.Request) {
			_ = json.NewEncoder(rw).Encode(map[string]any{"issuer": "http://" + r.Host, "token_endpoint": "http://" + r.Host + "/token", "jwks_uri": keys})
		})
		w.trust(map[string]any{"issuer": issuer, "grants": []any{map[string]any{"all_servers": true}}})
		forged := reissued(t, token, issuer)
		resp, body := w.request("POST", "/mcp/x", initialize, "Authorization", "Bearer "+forged)
		assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, "keys %s: %s", name, body)
		assert.Contains(t, body, "issuer_unavailable")
	}
	// A token endpoint that redirects gets the secret alone.
	u := w.m2m("m2m")
	u.idp.Fail(authserver.Fault{Times: -1, Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {canary + "/token"}}})
	resp, body := w.request("POST", "/mcp/m2m", initialize, "Authorization", "Bearer "+w.adminKey)
	assert.GreaterOrEqual(t, resp.StatusCode, 500, body)
	assert.Zero(t, reached.Load(), "no redirect is followed")
}

// reissued puts another issuer into a token, whose signature is then wrong.
func reissued(t *testing.T, token, issuer string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	claims := map[string]any{}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &claims))
	claims["iss"] = issuer
	b, err = json.Marshal(claims)
	require.NoError(t, err)
	parts[1] = base64.RawURLEncoding.EncodeToString(b)
	return strings.Join(parts, ".")
}

// TestForwardedHeaders: who the gateway is, and who its client, is a configured proxy's word and nobody else's.
func TestForwardedHeaders(t *testing.T) {
	if hostName == "workerd" {
		return // Cloudflare is the proxy there: a Worker's URL is the one that was asked for, and wrangler has no other peer
	}
	for proxies, want := range map[string]string{"127.0.0.0/8": "https://mcp.example.com", "10.0.0.0/8": ""} {
		environment := goodEnvironment()
		environment["GRANTWAY_TRUSTED_PROXIES"] = proxies
		g, stop := startGateway(t, environment)
		trusted := g.admin(t, "PUT", "/v1/settings/issuers", map[string]any{"jwt_issuers": []any{map[string]any{
			"issuer": "https://idp.example.com", "grants": []any{map[string]any{"all_servers": true}},
		}}}, "X-Forwarded-For", "192.0.2.1, 198.51.100.7")
		require.Equal(t, http.StatusOK, trusted.StatusCode, "%s", trusted.text)
		client := `"ip":"198.51.100.7"`
		if want == "" {
			want, client = g.url, `"ip":"127.0.0.1"`
		}
		assert.Contains(t, string(g.admin(t, "GET", "/v1/audit?action=settings.update", nil).text), client, "behind %s", proxies)
		a := g.anonymous(t, "POST", "/mcp", initialize, "X-Forwarded-Host", "evil.example, mcp.example.com", "X-Forwarded-Proto", "https", "Accept", "application/json, text/event-stream")
		assert.Contains(t, a.Header.Get("WWW-Authenticate"), `resource_metadata="`+want+`/.well-known/`, "behind %s: %s", proxies, a.text)
		a = g.anonymous(t, "GET", "/.well-known/oauth-protected-resource/mcp", nil, "X-Forwarded-Host", "evil.example, mcp.example.com", "X-Forwarded-Proto", "https")
		if a.StatusCode == http.StatusOK { // another instance may not know the issuer yet
			assert.Equal(t, want+"/mcp", a.object(t)["resource"], "behind %s", proxies)
		}
		require.NoError(t, stop())
	}
}
