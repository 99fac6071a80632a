package contract

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
)

// provider is an OpenID provider that signs in whoever comes.
type provider struct {
	*httptest.Server
	key    *ecdsa.PrivateKey
	claims map[string]any // of the next ID token, over the usual ones
	nonce  string
	now    func() time.Time
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{claims: map[string]any{}, now: time.Now}
	var err error
	p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	challenges := map[string]string{}
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			answer(w, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys", "code_challenge_methods_supported": []string{"S256"}})
		case "/keys":
			answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
		case "/authorize":
			q := r.URL.Query()
			p.nonce = q.Get("nonce")
			challenges["the-code"] = q.Get("code_challenge")
			http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {"the-code"}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
		case "/token":
			sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
			id, secret, _ := r.BasicAuth()
			if base64.RawURLEncoding.EncodeToString(sum[:]) != challenges[r.FormValue("code")] || id != "ui" || secret != "ui-secret" {
				w.WriteHeader(http.StatusBadRequest)
				answer(w, map[string]string{"error": "invalid_grant"})
				return
			}
			now := p.now().Unix()
			claims := map[string]any{"iss": p.URL, "aud": "ui", "sub": "u1", "email": "ada@example.com", "groups": []string{"ops"}, "iat": now, "exp": now + 60, "nonce": p.nonce}
			for k, v := range p.claims {
				claims[k] = v
			}
			token := p.sign(claims)
			answer(w, map[string]any{"access_token": "unused", "token_type": "Bearer", "expires_in": 60, "id_token": token})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// sign makes a token of this provider.
func (p *provider) sign(claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: "k"}}, nil)
	if err != nil {
		panic(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		panic(err)
	}
	return token
}

// accessToken answers one of a subject that entries with the audience "ui" accept.
func (p *provider) accessToken(subject string) string {
	now := p.now().Unix()
	return p.sign(map[string]any{"iss": p.URL, "aud": "ui", "sub": subject, "iat": now, "exp": now + 60})
}

// signsIn makes the provider the one at which people sign in, with these grants.
func (w *realm) signsIn(p *provider, grants string) {
	w.t.Helper()
	w.set("/v1/settings/sign-in", `{"issuer":"`+p.URL+`","client_id":"ui","client_secret":"ui-secret","name_claim":"email","grants":`+grants+`}`, `{"issuer":""}`)
}

func (w *realm) signIn(b *browser, p *provider) (*http.Response, string) {
	w.t.Helper()
	resp, body := b.get(w.url + "/signin?return_to=/ui/servers")
	require.Equal(w.t, http.StatusFound, resp.StatusCode, body)
	return b.get(b.authorize(resp.Header.Get("Location")))
}

func TestSignIn(t *testing.T) {
	w, p := newRealm(t), newProvider(t)
	_, body := w.request("GET", "/signin/status", "")
	assert.JSONEq(t, `{"enabled":false,"url":"/signin"}`, body)
	resp, _ := w.request("GET", "/signin", "")
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)

	configure := func(grants string) {
		out := w.set("/v1/settings/sign-in", `{"issuer":"`+p.URL+`","client_id":"ui","client_secret":"ui-secret","scopes":["email"],"name_claim":"email","grants":`+grants+`}`, `{"issuer":""}`)
		assert.Equal(t, true, out["has_secret"])
		assert.NotContains(t, out, "client_secret")
	}
	configure(`[{"claim":"groups","value":"ops","role":"viewer"},{"claim":"email","value":"root@example.com","role":"admin"}]`)
	b := newBrowser(t)
	resp, body = w.signIn(b, p)
	require.Equal(t, http.StatusSeeOther, resp.StatusCode, body)
	assert.Equal(t, "/ui/servers", resp.Header.Get("Location"))
	resp, body = b.get(w.url + "/v1/session")
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	assert.Contains(t, body, `"name":"ada@example.com"`)
	assert.Contains(t, body, `"role":"viewer"`)
	resp, _ = b.get(w.url + "/v1/keys")
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	r, err := http.NewRequest("POST", w.url+"/v1/keys", strings.NewReader(`{"name":"x"}`))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Grantway-CSRF", "1")
	resp, _ = b.do(r)
	assert.Equal(t, http.StatusForbidden, resp.StatusCode, "a viewer changes nothing")

	t.Run("attacks", func(t *testing.T) {
		for name, claims := range map[string]map[string]any{
			"another nonce":      {"nonce": "other"},
			"no nonce":           {"nonce": nil},
			"another audience":   {"aud": "other"},
			"another party":      {"azp": "other"},
			"two audiences":      {"aud": []string{"ui", "other"}},
			"another issuer":     {"iss": "https://evil.example"},
			"expired":            {"exp": time.Now().Add(-time.Hour).Unix()},
			"nothing is granted": {"groups": []string{"guests"}, "email": "eve@example.com"},
		} {
			p.claims = claims
			resp, _ := w.signIn(newBrowser(t), p)
			assert.Equal(t, http.StatusForbidden, resp.StatusCode, name)
			for _, c := range resp.Cookies() {
				assert.NotContains(t, c.Name, "session", name)
			}
		}
		eve := newBrowser(t)
		p.claims = map[string]any{"groups": []string{"guests"}}
		resp, _ := eve.get(w.url + "/signin")
		r, err := http.NewRequest("GET", eve.authorize(resp.Header.Get("Location")), nil)
		require.NoError(t, err)
		r.Header.Set("Accept", "text/html")
		resp, page := eve.do(r)
		assert.Equal(t, http.StatusForbidden, resp.StatusCode)
		assert.Equal(t, "text/html; charset=utf-8", resp.Header.Get("Content-Type"), "a person is told on a page")
		for _, text := range []string{"sign_in_not_granted", "nothing is granted to you", resp.Header.Get("X-Request-Id"), `href="/ui/"`} {
			assert.Contains(t, page, text)
		}

		p.claims = map[string]any{}
		mallory := newBrowser(t)
		resp, _ = mallory.get(w.url + "/signin")
		back := mallory.authorize(resp.Header.Get("Location"))
		resp, _ = newBrowser(t).get(back)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "another browser: login CSRF")
		resp, _ = mallory.get(strings.Replace(back, "state=", "state=x", 1))
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "forged state")
		for _, to := range []string{"https://evil.example/ui/", "//evil.example", "/ui/../v1", "/v1/keys"} {
			b := newBrowser(t)
			resp, _ := b.get(w.url + "/signin?return_to=" + url.QueryEscape(to))
			resp, _ = b.get(b.authorize(resp.Header.Get("Location")))
			assert.Equal(t, "/ui/", resp.Header.Get("Location"), to)
		}
	})

	configure(`[{"claim":"email","value":"root@example.com","role":"admin"}]`)
	resp, _ = b.get(w.url + "/v1/session")
	assert.Equal(t, http.StatusUnauthorized, resp.StatusCode, "a change of the mapping ends the sessions it made")
	p.claims = map[string]any{"email": "root@example.com"}
	resp, _ = w.signIn(b, p)
	require.Equal(t, http.StatusSeeOther, resp.StatusCode)
	_, body = b.get(w.url + "/v1/session")
	assert.Contains(t, body, `"role":"admin"`)
	status, _ := w.do("PUT", "/v1/settings/sign-in", `{"issuer":""}`)
	require.Equal(t, http.StatusOK, status)
	resp, _ = b.get(w.url + "/v1/session")
	assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
}

// Signing out everywhere at one browser ends the same person's session at another within the
// documented bound, nobody else's, and does not keep the person from signing in again.
func TestSignOutEverywhere(t *testing.T) {
	w, p := newRealm(t), newProvider(t)
	w.set("/v1/settings/sign-in", `{"issuer":"`+p.URL+`","client_id":"ui","client_secret":"ui-secret","grants":[{"claim":"groups","value":"ops","role":"viewer"}]}`, `{"issuer":""}`)
	signedIn := func(b *browser) int {
		resp, _ := b.get(w.url + "/v1/session")
		return resp.StatusCode
	}
	come := func(b *browser, subject string) {
		t.Helper()
		p.claims = map[string]any{"sub": subject}
		resp, body := w.signIn(b, p)
		require.Equal(t, http.StatusSeeOther, resp.StatusCode, body)
		require.Equal(t, http.StatusOK, signedIn(b))
	}
	office, home, other := newBrowser(t), newBrowser(t), newBrowser(t)
	come(office, "ada")
	come(home, "ada")
	come(other, "bob")
	ours := mustURL(t, w.url)
	stolen := office.http.Jar.Cookies(ours) // the browser is told to forget it, a thief is not

	r, err := http.NewRequest("DELETE", w.url+"/v1/session?everywhere=true", nil)
	require.NoError(t, err)
	r.Header.Set("X-Grantway-CSRF", "1")
	resp, body := office.do(r)
	require.Equal(t, http.StatusNoContent, resp.StatusCode, body)
	thief := newBrowser(t)
	thief.http.Jar.SetCookies(ours, stolen)
	for name, b := range map[string]*browser{"at the office": office, "at home": home, "a copied cookie": thief} {
		assert.Eventually(t, func() bool { return signedIn(b) == http.StatusUnauthorized }, patience, 200*time.Millisecond, name)
	}
	assert.Equal(t, http.StatusOK, signedIn(other), "another person's session")
	come(home, "ada")
	assert.Equal(t, http.StatusUnauthorized, signedIn(thief))
}

// A caller who has no access key: the identity provider's word opens the connections page,
// and what is connected there serves the same person's access tokens.
func TestPersonConnects(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	p := newProvider(t)
	w.set("/v1/settings/sign-in", `{"issuer":"`+p.URL+`","client_id":"ui","client_secret":"ui-secret","grants":[{"all_servers":true}]}`, `{"issuer":""}`)
	w.trust(map[string]any{"issuer": p.URL, "audiences": []string{"ui"}, "grants": []any{map[string]any{"all_servers": true}}})
	b := newBrowser(t)
	resp, _ := w.signIn(b, p)
	assert.Equal(t, http.StatusForbidden, resp.StatusCode, "the UI is not for callers")
	_, page := b.get(w.url + "/connect")
	assert.Contains(t, page, "/signin?return_to=%2Fconnect")
	resp, _ = b.get(w.url + "/signin?return_to=/connect")
	resp, page = b.get(b.authorize(resp.Header.Get("Location")))
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	require.Equal(t, "0; url=/connect", resp.Header.Get("Refresh"))
	_, page = b.get(w.url + "/connect")
	assert.Contains(t, page, "Signed in as u1")
	resp, page = b.post(w.url+"/connect/files", w.url, url.Values{"action": {"connect"}})
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	resp, page = b.get(b.authorize(refresh(resp)))
	require.Equal(t, http.StatusOK, resp.StatusCode, page)

	got, body := w.call(p.accessToken("u1"), "files")
	assert.Equal(t, http.StatusOK, got, body)
	got, _ = w.call(p.accessToken("u2"), "files")
	assert.Equal(t, http.StatusForbidden, got)
	assert.Equal(t, http.StatusOK, func() int { s, _ := w.do("PUT", "/v1/settings/sign-in", `{"issuer":""}`); return s }())
	_, page = b.get(w.url + "/connect")
	assert.NotContains(t, page, "Signed in")
}
