package contract

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
)

// TestSessionsEndAtEveryInstance: signing out everywhere, and a change of the sign-in, hold at each of several instances within
// the documented bounds, although all had let the person in before: for the UI, the pages, a copied cookie, and what a client
// was given. Requests take turns among the instances.
func TestSessionsEndAtEveryInstance(t *testing.T) {
	instances := 4
	if hostName == "workerd" {
		instances = 2
	}
	g := newWorld(t, host.Options{Instances: instances})
	if g == nil {
		return
	}
	w, p := newTimedRealm(t, g, 3*time.Hour)
	w.signsIn(p, `[{"claim":"groups","value":"ops","role":"viewer","all_servers":true}]`)
	const settingsBound, bound = 10 * time.Second, 65 * time.Second
	g.advance(t, settingsBound)

	// everywhere says whether something is so at each instance, twice.
	everywhere := func(holds func() bool) bool {
		all := true
		for range 2 * instances {
			all = holds() && all
		}
		return all
	}
	nowhere := func(holds func() bool) bool { return everywhere(func() bool { return !holds() }) }
	inUI := func(b *browser) func() bool {
		return func() bool { resp, _ := b.get(w.url + "/v1/session"); return resp.StatusCode == http.StatusOK }
	}
	atPages := func(b *browser) func() bool {
		return func() bool { _, page := b.get(w.url + "/connect"); return strings.Contains(page, "Signed in as") }
	}
	mayCall := func(token any) func() bool {
		return func() bool { status, _ := w.call(token.(string), "files"); return status == http.StatusOK }
	}
	come := func(subject string) *browser {
		t.Helper()
		b := newBrowser(t)
		p.claims = map[string]any{"sub": subject}
		resp, body := w.signIn(b, p)
		require.Equal(t, http.StatusSeeOther, resp.StatusCode, body)
		_, page := b.get(w.url + "/connect")
		_, page = b.comeIn(w, page)
		require.Contains(t, page, "Signed in as")
		require.True(t, everywhere(inUI(b)))
		require.True(t, everywhere(atPages(b)))
		return b
	}
	copyOf := func(b *browser) *browser {
		thief := newBrowser(t)
		thief.http.Jar.SetCookies(mustURL(t, w.url), b.http.Jar.Cookies(mustURL(t, w.url)))
		return thief
	}
	leave := func(b *browser) {
		t.Helper()
		r, err := http.NewRequest("DELETE", w.url+"/v1/session?everywhere=true", nil)
		require.NoError(t, err)
		r.Header.Set("X-Grantway-CSRF", "1")
		resp, body := b.do(r)
		require.Equal(t, http.StatusNoContent, resp.StatusCode, body)
	}

	office, home, other := come("ada"), come("ada"), come("bob")
	client := w.newRelayClient("/files")
	client.browser = home
	given := client.tokens(client.consent(""))
	require.True(t, everywhere(mayCall(given["access_token"])))
	stolen := copyOf(office)
	leave(office)
	g.advance(t, bound)
	for name, b := range map[string]*browser{"at the office": office, "at home": home, "a copied cookie": stolen} {
		assert.True(t, nowhere(inUI(b)), name)
		assert.True(t, nowhere(atPages(b)), name)
	}
	assert.True(t, nowhere(mayCall(given["access_token"])), "what a client was given on the person's word")
	status, refused := client.renew(given["refresh_token"])
	assert.Equal(t, http.StatusBadRequest, status, "%v", refused)
	assert.True(t, everywhere(inUI(other)), "another person's session")
	assert.True(t, everywhere(atPages(other)))
	again := come("ada")

	// The same with an access key; what a client was given by its bearer stays as long as the key.
	_, made := w.do("POST", "/v1/keys", `{"name":"vera","role":"viewer","all_servers":true}`)
	key := made["key"].(string)
	withKey := func() *browser {
		b := newBrowser(t)
		r, err := http.NewRequest("POST", w.url+"/v1/session", strings.NewReader(`{"key":"`+key+`"}`))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		resp, body := b.do(r)
		require.Equal(t, http.StatusOK, resp.StatusCode, body)
		b.post(w.url+"/connect", w.url, url.Values{"key": {key}})
		require.True(t, everywhere(inUI(b)))
		require.True(t, everywhere(atPages(b)))
		return b
	}
	one, two := withKey(), withKey()
	client = w.newRelayClient("/files")
	given = client.tokens(client.consent(key))
	leave(one)
	g.advance(t, bound)
	assert.True(t, nowhere(inUI(two)))
	assert.True(t, nowhere(atPages(two)))
	assert.True(t, everywhere(mayCall(given["access_token"])))

	// A change of the sign-in, after a minute in which nobody asked the instances for anything.
	require.True(t, everywhere(inUI(again)))
	g.advance(t, time.Minute)
	status, _ = w.do("PUT", "/v1/settings/sign-in", `{"issuer":""}`)
	require.Equal(t, http.StatusOK, status)
	g.advance(t, settingsBound)
	assert.True(t, nowhere(inUI(again)))
	assert.True(t, nowhere(atPages(again)))
}
