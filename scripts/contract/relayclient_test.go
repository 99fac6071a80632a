package contract

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
)

// publisher serves a client's metadata document; %s in it is the document's own URL.
func publisher(t *testing.T, document string) (id string, asked *atomic.Int64) {
	asked = &atomic.Int64{}
	base := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if document == "REDIRECT" {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(document, "%s", "http://"+r.Host+r.URL.Path))
	})
	return base + "/client.json", asked
}

// TestRelayPublishedClient: a client whose client_id is the URL of its metadata document
// needs no registration.
func TestRelayPublishedClient(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	alice := w.key("alice")
	_, body := w.request("GET", "/.well-known/oauth-authorization-server/files", "")
	assert.Contains(t, body, `"client_id_metadata_document_supported":true`)
	id, asked := publisher(t, `{"client_id":"%s","client_name":"Editor","redirect_uris":["http://127.0.0.1/cb","http://[::1]/cb","https://editor.example/cb"]}`)

	c := &relayClient{browser: newBrowser(t), w: w, issuer: w.url + "/files", id: id, redirect: "http://127.0.0.1:5555/cb", verifier: strings.Repeat("v", 50)}
	_, page := c.get(c.address())
	assert.Contains(t, page, "<dt>Published by</dt><dd>"+mustURL(t, id).Host+"</dd>", "the consent names who publishes it")
	resp, page := c.get(c.authorize(c.consent(alice)))
	require.Equal(t, http.StatusFound, resp.StatusCode, page)
	back := mustURL(t, resp.Header.Get("Location"))
	assert.Equal(t, c.redirect, "http://"+back.Host+back.Path)
	status, out := c.exchange(c.codeForm(back.Query().Get("code")))
	require.Equal(t, http.StatusOK, status, "%v", out)
	got, body := w.call(out["access_token"].(string), "files")
	assert.Equal(t, http.StatusOK, got, body)
	status, _ = c.exchange(url.Values{"grant_type": {"refresh_token"}, "client_id": {id + "x"}, "refresh_token": {out["refresh_token"].(string)}})
	assert.Equal(t, http.StatusBadRequest, status, "a grant is its client's")
	assert.EqualValues(t, 1, asked.Load(), "read once and remembered")

	for redirect, want := range map[string]int{
		"http://127.0.0.1:1/cb":               http.StatusOK, // any port, as the document names none
		"http://[::1]:1/cb":                   http.StatusOK,
		"https://editor.example/cb":           http.StatusOK,
		"http://localhost:1/cb":               http.StatusBadRequest,
		"http://127.0.0.1:1/cb/":              http.StatusBadRequest,
		"http://127.0.0.1:1/cb?x":             http.StatusBadRequest,
		"https://editor.example:444/cb":       http.StatusBadRequest,
		"https://127.0.0.1:1/cb":              http.StatusBadRequest,
		"http://127.0.0.1:1@evil.example/cb":  http.StatusBadRequest,
		"http://127.0.0.1.evil.example:80/cb": http.StatusBadRequest,
	} {
		resp, _ := c.get(c.address("redirect_uri", redirect))
		assert.Equal(t, want, resp.StatusCode, redirect)
		assert.Empty(t, resp.Header.Get("Location"), redirect)
	}
}

// TestRelayPublishedClientAttacks: documents that are not believed, and addresses that are
// not asked.
func TestRelayPublishedClientAttacks(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	for name, document := range map[string]string{
		"another client's":              `{"client_id":"https://editor.example/client.json","client_name":"Editor","redirect_uris":["https://evil.example/cb"]}`,
		"no client_id":                  `{"client_name":"Editor","redirect_uris":["https://evil.example/cb"]}`,
		"no redirect URI":               `{"client_id":"%s","client_name":"Editor","redirect_uris":[]}`,
		"a redirect URI that is script": `{"client_id":"%s","redirect_uris":["https://evil.example/cb","javascript:alert(1)"]}`,
		"a secret for everybody":        `{"client_id":"%s","redirect_uris":["https://evil.example/cb"],"client_secret":"x"}`,
		"a client that proves itself":   `{"client_id":"%s","redirect_uris":["https://evil.example/cb"],"token_endpoint_auth_method":"private_key_jwt"}`,
		"no JSON":                       `<html>`,
		"too large":                     `{"client_id":"%s","redirect_uris":["https://evil.example/cb"],"x":"` + strings.Repeat("x", 1<<20) + `"}`,
		"a redirect to the inside":      "REDIRECT",
	} {
		id, asked := publisher(t, document)
		for range 2 {
			resp, page := w.request("GET", "/files/authorize?"+url.Values{"client_id": {id}, "redirect_uri": {"https://evil.example/cb"}, "response_type": {"code"}}.Encode(), "")
			assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "%s: %s", name, page)
			assert.Empty(t, resp.Header.Get("Location"), name)
		}
		assert.EqualValues(t, 1, asked.Load(), "%s: that there is nothing is remembered", name)
	}
	for _, id := range []string{
		"https://10.0.0.1/client.json", "https://169.254.169.254/latest/meta-data", "https://2130706433/c", "https://0x7f.1/c", "https://[::ffff:10.0.0.1]/c", "https://[64:ff9b::a00:1]/c",
		"https://[2002:a00:1::]/c", "https://metadata.google.internal/c", "http://editor.example/c", "https://editor.example", "https://editor.example/", "https://editor.example/a/../c",
		"https://u:p@editor.example/c", "https://editor.example/c#f", "file:///etc/passwd", "gopher://editor.example/c", "https://editor.example/" + strings.Repeat("x", 1024),
	} {
		resp, page := w.request("GET", "/files/authorize?"+url.Values{"client_id": {id}, "redirect_uri": {"https://evil.example/cb"}, "response_type": {"code"}}.Encode(), "")
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, id)
		assert.Contains(t, page, "invalid_client", id)
	}
	resp, body := w.request("GET", "/.well-known/oauth-authorization-server/files", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &m))
	assert.Equal(t, []any{"none"}, m["token_endpoint_auth_methods_supported"])
}
