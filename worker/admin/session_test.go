package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// browser keeps the session cookie as a browser would.
type browser struct {
	*gateway
	cookie string
}

func signIn(g *gateway, key string) *browser {
	g.t.Helper()
	r := g.must(http.StatusOK, "POST", "/v1/session", `{"key":"`+key+`"}`, "Authorization", "", "Sec-Fetch-Site", "same-origin")
	require.Len(g.t, r.Cookies(), 1)
	c := r.Cookies()[0]
	assert.Equal(g.t, "__Host-grantway_session", c.Name)
	assert.True(g.t, c.HttpOnly && c.Secure && c.SameSite == http.SameSiteStrictMode && c.Path == "/" && c.Domain == "")
	assert.NotContains(g.t, c.Value, key)
	return &browser{g, c.Name + "=" + c.Value}
}

func (b *browser) do(method, path, body string, headers ...string) reply {
	b.t.Helper()
	r := b.gateway.do(method, path, body, append([]string{"Authorization", "", "Cookie", b.cookie}, headers...)...)
	for _, c := range r.Cookies() {
		b.cookie = c.Name + "=" + c.Value
	}
	return r
}

func TestSessionCookie(t *testing.T) {
	g := newGateway(t)
	b := signIn(g, adminKey)
	s := b.do("GET", "/v1/session", "")
	require.Equal(t, http.StatusOK, s.StatusCode, s.text)
	assert.Equal(t, "admin", s.json()["principal"].(map[string]any)["role"])

	server := `{"server_name":"A","slug":"aa","url":"https://a.test/mcp","auth_type":"none"}`
	for name, tc := range map[string]struct {
		headers []string
		status  int
	}{
		"no header":             {nil, 403},
		"cross-site":            {[]string{"X-Grantway-CSRF", "1", "Sec-Fetch-Site", "cross-site"}, 403},
		"same-site is not same": {[]string{"X-Grantway-CSRF", "1", "Sec-Fetch-Site", "same-site"}, 403},
		"foreign origin":        {[]string{"X-Grantway-CSRF", "1", "Origin", "https://evil.test"}, 403},
		"own page":              {[]string{"X-Grantway-CSRF", "1", "Origin", "https://gateway.test", "Sec-Fetch-Site", "same-origin"}, 201},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.do("POST", "/v1/mcp/server", server, tc.headers...)
			assert.Equal(t, tc.status, r.StatusCode, r.text)
			if tc.status == 403 {
				assert.Equal(t, "csrf_rejected", r.code())
			}
		})
	}
	assert.Equal(t, http.StatusCreated, b.do("POST", "/v1/mcp/server", strings.NewReplacer(`"A"`, `"B"`, "aa", "bb").Replace(server),
		"X-Grantway-CSRF", "1", "Origin", "https://public.test", "Sec-Fetch-Site", "same-origin").StatusCode, "a proxy may change the Host")
	assert.Equal(t, http.StatusOK, b.do("GET", "/v1/mcp/server", "").StatusCode, "reading needs no header")

	out := b.do("DELETE", "/v1/session", "", "X-Grantway-CSRF", "1")
	assert.Equal(t, http.StatusNoContent, out.StatusCode)
	assert.Less(t, out.Cookies()[0].MaxAge, 0)
}

func TestSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		far := g.another()
		made := g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"v","role":"viewer"}`).json()
		key := made["key"].(string)

		t.Log("without use after an hour")
		b := signIn(g, key)
		time.Sleep(61 * time.Minute)
		assert.Equal(t, http.StatusUnauthorized, b.do("GET", "/v1/session", "").StatusCode)

		t.Log("with use after twelve")
		b = signIn(g, key)
		hours := 0
		for ; b.do("GET", "/v1/session", "").StatusCode == http.StatusOK; hours++ {
			time.Sleep(40 * time.Minute)
			require.Less(t, hours, 30)
		}
		assert.Equal(t, 18, hours, "18 × 40 minutes")

		t.Log("by signing out, on every instance")
		b = signIn(g, key)
		stolen := &browser{far, b.cookie}
		require.Equal(t, http.StatusOK, stolen.do("GET", "/v1/session", "").StatusCode)
		require.Equal(t, http.StatusNoContent, b.do("DELETE", "/v1/session", "", "X-Grantway-CSRF", "1").StatusCode)
		time.Sleep(5 * time.Second)
		assert.Equal(t, http.StatusUnauthorized, stolen.do("GET", "/v1/session", "").StatusCode)

		t.Log("everywhere at once")
		one, two := signIn(g, key), signIn(far, key)
		require.Equal(t, http.StatusNoContent, one.do("DELETE", "/v1/session?everywhere=true", "", "X-Grantway-CSRF", "1").StatusCode)
		time.Sleep(5 * time.Second)
		assert.Equal(t, http.StatusUnauthorized, two.do("GET", "/v1/session", "").StatusCode)
		three := signIn(g, key)
		assert.Equal(t, http.StatusOK, three.do("GET", "/v1/session", "").StatusCode, "a new one works")

		t.Log("with its key")
		g.must(http.StatusNoContent, "DELETE", "/v1/keys/"+made["id"].(string), "")
		assert.Equal(t, http.StatusUnauthorized, three.do("GET", "/v1/session", "").StatusCode)
	})
}

func TestWhoMaySignIn(t *testing.T) {
	g := newGateway(t)
	caller := g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"c"}`).json()["key"].(string)
	r := g.do("POST", "/v1/session", `{"key":"`+caller+`"}`, "Authorization", "")
	assert.Equal(t, "session_role", r.code())
	assert.Equal(t, "unauthorized", g.do("POST", "/v1/session", `{"key":"wrong"}`, "Authorization", "").code())
	assert.Equal(t, "csrf_rejected", g.do("POST", "/v1/session", `{"key":"`+adminKey+`"}`, "Authorization", "", "Origin", "https://evil.test").code())

	viewer := g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"v","role":"viewer"}`).json()["key"].(string)
	b := signIn(g, viewer)
	assert.Equal(t, http.StatusOK, b.do("GET", "/v1/audit", "").StatusCode)
	assert.Equal(t, http.StatusForbidden, b.do("POST", "/v1/keys", `{"name":"x"}`, "X-Grantway-CSRF", "1").StatusCode)

	limited := false
	for range 30 {
		limited = limited || g.do("POST", "/v1/session", `{"key":"wrong"}`, "Authorization", "").code() == "rate_limited"
	}
	assert.True(t, limited, "guessing is slowed down")

	rows := g.must(http.StatusOK, "GET", "/v1/audit?action=session.create&limit=200", "").text
	assert.Contains(t, rows, `"outcome":"denied"`)
	assert.Contains(t, rows, `"outcome":"ok"`)
	assert.False(t, strings.Contains(rows, viewer) || strings.Contains(rows, caller))
}
