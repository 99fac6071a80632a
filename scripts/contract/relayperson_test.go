package contract

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
	"github.com/grantway/grantway/scripts/demo/authserver"
)

var signInLink = regexp.MustCompile(`href="(/signin\?[^"]+)"`)

// comeIn signs a person in by the link on a page and answers the page that the browser comes back to.
func (b *browser) comeIn(w *realm, page string) (*http.Response, string) {
	b.t.Helper()
	m := signInLink.FindStringSubmatch(page)
	require.NotNil(b.t, m, page)
	resp, body := b.get(w.url + html.UnescapeString(m[1]))
	require.Equal(b.t, http.StatusFound, resp.StatusCode, body)
	resp, body = b.get(b.authorize(resp.Header.Get("Location")))
	require.Equal(b.t, http.StatusOK, resp.StatusCode, body)
	return b.get(w.url + refresh(resp))
}

// tokens exchanges what a consent has led to, over the upstream if it is asked first.
func (c *relayClient) tokens(at string) map[string]any {
	c.t.Helper()
	if strings.HasPrefix(at, c.w.idp.Issuer()) {
		resp, page := c.get(c.authorize(at))
		require.Equal(c.t, http.StatusFound, resp.StatusCode, page)
		at = resp.Header.Get("Location")
	}
	status, out := c.exchange(c.codeForm(mustURL(c.t, at).Query().Get("code")))
	require.Equal(c.t, http.StatusOK, status, "%v", out)
	return out
}

func (c *relayClient) renew(refresh any) (int, map[string]any) {
	c.t.Helper()
	return c.exchange(url.Values{"grant_type": {"refresh_token"}, "client_id": {c.id}, "refresh_token": {refresh.(string)}})
}

// TestRelayPerson: a person whom the gateway knows by the identity provider alone allows a client, on the way or because of a
// session of the UI, and the client acts for this person at this server.
func TestRelayPerson(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	w.add("other", "")
	p := newProvider(t)
	w.signsIn(p, `[{"claim":"groups","value":"ops","servers":["files"]},{"claim":"groups","value":"watch","role":"viewer"}]`)
	w.trust(map[string]any{"issuer": p.URL, "audiences": []string{"ui"}, "grants": []any{map[string]any{"all_servers": true}}})

	t.Run("who signs in on the way", func(t *testing.T) {
		c := w.newRelayClient("/files")
		resp, page := c.get(c.address())
		require.Equal(t, http.StatusOK, resp.StatusCode, page)
		assert.Contains(t, page, `name="key"`, "an access key serves as well")
		resp, page = c.comeIn(w, page)
		require.Equal(t, http.StatusOK, resp.StatusCode, page)
		assert.Contains(t, page, "“Editor” asks to use the MCP server files")
		assert.Contains(t, page, "Signed in as ada@example.com.")
		resp, page = c.decide(w, page, c.address(), "allow", "")
		require.Equal(t, http.StatusOK, resp.StatusCode, page)
		require.True(t, strings.HasPrefix(refresh(resp), w.idp.Issuer()), "the upstream is connected on the way: %s", page)
		out := c.tokens(refresh(resp))
		token := out["access_token"].(string)
		got, body := w.call(token, "files")
		require.Equal(t, http.StatusOK, got, body)
		got, _ = w.call(token, "other")
		assert.Equal(t, http.StatusUnauthorized, got)
		got, body = w.call(p.accessToken("u1"), "files")
		assert.Equal(t, http.StatusOK, got, "the connection is the person's own: %s", body)
		got, _ = w.call(p.accessToken("u2"), "files")
		assert.Equal(t, http.StatusForbidden, got, "and nobody else's")
		status, out := c.renew(out["refresh_token"])
		require.Equal(t, http.StatusOK, status, "%v", out)
		got, body = w.call(out["access_token"].(string), "files")
		assert.Equal(t, http.StatusOK, got, body)
		_, audit := w.do("GET", "/v1/audit?action=relay.consent", "")
		b, err := json.Marshal(audit)
		require.NoError(t, err)
		assert.Contains(t, string(b), `"name":"ada@example.com"`)
	})
	t.Run("who is signed in to the UI", func(t *testing.T) {
		p.claims = map[string]any{"groups": []string{"ops", "watch"}}
		c := w.newRelayClient("/files")
		resp, body := w.signIn(c.browser, p)
		require.Equal(t, http.StatusSeeOther, resp.StatusCode, body)
		_, page := c.get(c.address())
		assert.Contains(t, page, "Signed in as ada@example.com.")
		got, body := w.call(c.tokens(c.consent(""))["access_token"].(string), "files")
		assert.Equal(t, http.StatusOK, got, body)
	})
	t.Run("an administrator with a key, who is signed in to the UI", func(t *testing.T) {
		c := w.newRelayClient("/files")
		r, err := http.NewRequest("POST", w.url+"/v1/session", strings.NewReader(`{"key":"`+w.adminKey+`"}`))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		resp, body := c.do(r)
		require.Equal(t, http.StatusOK, resp.StatusCode, body)
		_, page := c.get(c.address())
		assert.Contains(t, page, "Signed in as bootstrap admin.")
		c.tokens(c.consent(""))
		alice := w.key("alice")
		c.tokens(c.consent(alice)) // the key that is given decides
		assert.Equal(t, true, w.connectionOf(alice, "files")["connected"])
	})
	t.Run("whom nothing is granted for this server", func(t *testing.T) {
		p.claims = map[string]any{"groups": []string{"watch"}, "sub": "u3"}
		c := w.newRelayClient("/files")
		resp, body := w.signIn(c.browser, p)
		require.Equal(t, http.StatusSeeOther, resp.StatusCode, body)
		_, page := c.get(c.address())
		assert.Contains(t, page, "Signed in as ada@example.com, who may not use this server.")
		resp, body = c.decide(w, page, c.address(), "allow", "")
		assert.Equal(t, http.StatusForbidden, resp.StatusCode, body)
		resp, body = c.decide(w, page, c.address(), "deny", "")
		assert.Contains(t, resp.Header.Get("Refresh"), "error=access_denied", body)
	})
	t.Run("whose name is long", func(t *testing.T) {
		p.claims = map[string]any{"sub": strings.Repeat("s", 1000)}
		c := w.newRelayClient("/files")
		_, page := c.get(c.address())
		c.comeIn(w, page)
		got, body := w.call(c.tokens(c.consent(""))["access_token"].(string), "files")
		assert.Equal(t, http.StatusOK, got, body)
	})
	t.Run("two clients ask in one browser", func(t *testing.T) {
		alice := w.key("alice")
		one, two := w.newRelayClient("/files"), w.newRelayClient("/other")
		two.browser = one.browser
		_, first := one.get(one.address())
		_, second := two.get(two.address("resource", w.url+"/mcp/other"))
		resp, body := one.decide(w, first, one.address(), "allow", alice)
		assert.Equal(t, http.StatusOK, resp.StatusCode, body)
		resp, body = two.decide(w, second, two.address(), "allow", alice)
		assert.Equal(t, http.StatusOK, resp.StatusCode, body)
	})
	t.Run("a request that is too long to come back to", func(t *testing.T) {
		c := w.newRelayClient("/files")
		_, page := c.get(c.address("state", strings.Repeat("s", 2400)))
		assert.Contains(t, page, `href="/signin?return_to=%2Fconnect"`)
		assert.Contains(t, page, "begin again in the application")
	})
	t.Run("a change of the sign-in ends it", func(t *testing.T) {
		p.claims = map[string]any{}
		c := w.newRelayClient("/files")
		_, page := c.get(c.address())
		c.comeIn(w, page)
		out := c.tokens(c.consent(""))
		w.signsIn(p, `[{"claim":"groups","value":"ops","servers":["files"]}]`)
		got, _ := w.call(out["access_token"].(string), "files")
		assert.Equal(t, http.StatusUnauthorized, got)
		status, refused := c.renew(out["refresh_token"])
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Equal(t, "invalid_grant", refused["error"])
	})
	t.Run("grants name servers that exist", func(t *testing.T) {
		status, out := w.do("PUT", "/v1/settings/sign-in", `{"issuer":"`+p.URL+`","client_id":"ui","grants":[{"claim":"groups","value":"ops","servers":["nowhere"]}]}`)
		assert.Equal(t, http.StatusUnprocessableEntity, status)
		assert.Contains(t, out["error"].(map[string]any)["fields"], map[string]any{"path": "grants[0].servers[0]", "code": "unknown_server", "message": "There is no server with this id or slug."})
	})
}

// TestRelayPersonAttacks: the way over the identity provider leads nobody else's consent, browser or address in.
func TestRelayPersonAttacks(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	p := newProvider(t)
	w.signsIn(p, `[{"all_servers":true}]`)
	come := func(c *relayClient, subject string) string {
		p.claims = map[string]any{"sub": subject, "email": subject + "@example.com"}
		_, page := c.get(w.url + "/connect")
		if strings.Contains(page, "Signed in") {
			c.post(w.url+"/connect", w.url, url.Values{"action": {"leave"}})
			_, page = c.get(w.url + "/connect")
		}
		c.comeIn(w, page)
		_, page = c.get(c.address())
		require.Contains(t, page, "Signed in as "+subject+"@example.com.")
		return page
	}
	t.Run("the page asked another person", func(t *testing.T) {
		c := w.newRelayClient("/files")
		asked := come(c, "u1")
		come(c, "u2")
		resp, page := c.decide(w, asked, c.address(), "allow", "")
		assert.Equal(t, http.StatusForbidden, resp.StatusCode)
		assert.Contains(t, page, "not signed in here any more")
		assert.Empty(t, resp.Header.Get("Refresh"))
	})
	t.Run("the page asked nobody", func(t *testing.T) {
		c := w.newRelayClient("/files")
		_, asked := c.get(c.address())
		come(c, "u1")
		resp, _ := c.decide(w, asked, c.address(), "allow", "")
		assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	})
	t.Run("another browser, another site", func(t *testing.T) {
		c, other := w.newRelayClient("/files"), w.newRelayClient("/files")
		asked := come(c, "u1")
		come(other, "u1")
		resp, _ := other.decide(w, asked, c.address(), "allow", "")
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "the ticket is the other browser's")
		ticket := html.UnescapeString(ticketField.FindStringSubmatch(asked)[1])
		resp, _ = c.post(c.issuer+"/authorize", "https://evil.example", url.Values{"ticket": {ticket}, "decision": {"allow"}})
		assert.Equal(t, http.StatusForbidden, resp.StatusCode, "CSRF")
		resp, _ = c.decide(w, asked, c.address(), "allow", "")
		assert.Equal(t, http.StatusOK, resp.StatusCode, "its own can")
	})
	t.Run("a sign-in that another browser began (session fixation, login CSRF)", func(t *testing.T) {
		mallory, victim := newBrowser(t), w.newRelayClient("/files")
		resp, _ := mallory.get(w.url + "/signin?return_to=" + url.QueryEscape(strings.TrimPrefix(victim.address(), w.url)))
		back := mallory.authorize(resp.Header.Get("Location"))
		resp, page := victim.get(back)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, page)
		assert.Empty(t, resp.Header.Get("Refresh"))
		_, page = victim.get(victim.address())
		assert.NotContains(t, page, "Signed in")
	})
	t.Run("pages cannot be framed", func(t *testing.T) {
		c := w.newRelayClient("/files")
		_, page := c.get(c.address())
		resp, _ := c.get(w.url + html.UnescapeString(signInLink.FindStringSubmatch(page)[1]))
		welcome, _ := c.get(c.authorize(resp.Header.Get("Location")))
		consent, _ := c.get(c.address())
		for name, resp := range map[string]*http.Response{"welcome": welcome, "consent": consent} {
			assert.Equal(t, http.StatusOK, resp.StatusCode, name)
			assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'", name)
			assert.Equal(t, "DENY", resp.Header.Get("X-Frame-Options"), name)
			assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"), name)
		}
	})
	t.Run("open redirect", func(t *testing.T) {
		for _, to := range []string{
			"https://evil.example/files/authorize", "//evil.example/authorize", "/\\evil.example/authorize", "/files/../authorize", "/a/b/authorize", "/%2e%2e/authorize", "/files/authorize#x",
			"/files/token", "/connect/../v1", "/connect//evil.example", "/files/authorize?x=\"", "javascript:/authorize", "/files/authorize?x=\r\nSet-Cookie: a=b",
		} {
			b := newBrowser(t)
			resp, _ := b.get(w.url + "/signin?return_to=" + url.QueryEscape(to))
			resp, body := b.get(b.authorize(resp.Header.Get("Location")))
			assert.Equal(t, http.StatusForbidden, resp.StatusCode, "%s: a caller has nothing to see in the UI, where everything else leads: %s", to, body)
			assert.Empty(t, resp.Header.Get("Refresh")+resp.Header.Get("Location"), to)
		}
	})
}

// TestRelayOverTime: what a client was given lasts as long as it may, and a refresh token that comes back ends it.
func TestRelayOverTime(t *testing.T) {
	environment := goodEnvironment()
	environment["GRANTWAY_PERSON_GRANT_SECONDS"] = "10000"
	g := newWorld(t, host.Options{Env: environment})
	if g == nil {
		return
	}
	w, p := newTimedRealm(t, g, 24*time.Hour)
	w.signsIn(p, `[{"all_servers":true}]`)
	g.advance(t, 11*time.Second) // every instance follows

	c := w.newRelayClient("/files")
	_, page := c.get(c.address())
	c.comeIn(w, page)
	out := c.tokens(c.consent(""))
	assert.EqualValues(t, 3600, out["expires_in"])
	g.advance(t, 61*time.Minute)
	got, _ := w.call(out["access_token"].(string), "files")
	assert.Equal(t, http.StatusUnauthorized, got, "an access token lasts an hour")
	status, out := c.renew(out["refresh_token"])
	require.Equal(t, http.StatusOK, status, "%v", out)
	g.advance(t, 61*time.Minute)
	g.fault(t, "CONFIG", host.Fault{Op: "get", Key: "person-left/", Fail: true})
	status, unsure := c.renew(out["refresh_token"])
	assert.Equal(t, http.StatusServiceUnavailable, status, "whether the person is still signed in cannot be read: %v", unsure)
	assert.Equal(t, "server_error", unsure["error"], "the client keeps its refresh token, which is good later")
	g.fault(t, "CONFIG", host.Fault{})
	status, out = c.renew(out["refresh_token"])
	require.Equal(t, http.StatusOK, status, "%v", out)
	assert.Less(t, out["expires_in"], 2700.0, "and no longer than the person's word")
	g.advance(t, 45*time.Minute)
	got, _ = w.call(out["access_token"].(string), "files")
	assert.Equal(t, http.StatusUnauthorized, got)
	status, out = c.renew(out["refresh_token"])
	assert.Equal(t, http.StatusBadRequest, status, "the person has to allow it again")
	assert.Equal(t, "invalid_grant", out["error"])

	// A refresh token that comes back: two processes of one client at once, and a thief.
	alice := w.key("alice")
	out = c.tokens(c.consent(alice))
	first := out["refresh_token"]
	status, out = c.renew(first)
	require.Equal(t, http.StatusOK, status, "%v", out)
	status, _ = c.renew(first)
	assert.Equal(t, http.StatusBadRequest, status)
	status, out = c.renew(out["refresh_token"])
	require.Equal(t, http.StatusOK, status, "who came second at once is refused, and that is all: %v", out)
	second := out["refresh_token"]
	status, out = c.renew(second)
	require.Equal(t, http.StatusOK, status, "%v", out)
	g.advance(t, 31*time.Second)
	status, _ = c.renew(second)
	assert.Equal(t, http.StatusBadRequest, status)
	status, out = c.renew(out["refresh_token"])
	assert.Equal(t, http.StatusBadRequest, status, "of two who hold one token one is a thief: neither goes on")
	assert.Equal(t, "invalid_grant", out["error"])
}
