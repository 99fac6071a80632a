package contract

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// realm is a gateway and what a test of identities puts around it. The gateway has one instance, so that a change of its
// settings holds at once, and is left as it was found.
type realm struct {
	*gateway
	t       *testing.T
	servers []string
	settled []string // settings to empty

	// Of a realm with an interactive server.
	idp    *authserver.Listening
	server *mcpserver.Listening
}

var realms struct {
	sync.Mutex
	gateway *gateway
	stop    func() error
	count   atomic.Int64
}

func newRealm(t *testing.T) *realm {
	t.Helper()
	realms.Lock()
	defer realms.Unlock()
	if realms.gateway == nil {
		environment := goodEnvironment()
		if hostName == "memory" {
			realms.gateway, realms.stop = startGateway(t, environment)
		} else {
			h, err := host.Start(hostName, host.Options{Env: environment, Instances: 1})
			require.NoError(t, err)
			realms.gateway, realms.stop = &gateway{url: h.URL(), adminKey: environment["GRANTWAY_ADMIN_KEY"], instances: 1}, h.Stop
		}
	}
	w := &realm{gateway: realms.gateway, t: t}
	t.Cleanup(func() {
		for _, slug := range w.servers {
			status, out := w.do("DELETE", "/v1/mcp/server/"+slug, "")
			assert.Less(t, status, 300, "%v", out)
		}
		for _, empty := range w.settled {
			path, body, _ := strings.Cut(empty, " ")
			status, out := w.do("PUT", path, body)
			assert.Equal(t, http.StatusOK, status, "%v", out)
		}
	})
	return w
}

// do sends as the administrator.
func (w *realm) do(method, path, body string) (int, map[string]any) {
	w.t.Helper()
	resp, text := w.request(method, path, body, "Authorization", "Bearer "+w.adminKey)
	var out map[string]any
	if len(text) > 0 && text[0] == '{' {
		require.NoError(w.t, json.Unmarshal([]byte(text), &out), "%s", text)
	}
	return resp.StatusCode, out
}

// request sends a request with these headers and answers the response with its body read.
func (w *realm) request(method, path, body string, headers ...string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if w.t.Context().Err() != nil { // in a cleanup
		r, err = http.NewRequest(method, w.url+path, strings.NewReader(body))
	}
	require.NoError(w.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	resp, err := observed(r)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp, string(b)
}

// m2m registers an upstream under this name.
func (w *realm) m2m(slug string) *upstream {
	w.t.Helper()
	u := newUpstream(w.t)
	record := u.record()
	record["server_name"], record["slug"] = slug, slug
	b, err := json.Marshal(record)
	require.NoError(w.t, err)
	w.create(slug, string(b))
	return u
}

// create makes a server record.
func (w *realm) create(slug, record string) map[string]any {
	w.t.Helper()
	status, out := w.do("POST", "/v1/mcp/server", record)
	require.Equal(w.t, http.StatusCreated, status, "%v", out)
	w.servers = append(w.servers, slug)
	return out
}

// key makes an access key that may call every server.
func (w *realm) key(name string) string {
	w.t.Helper()
	status, out := w.do("POST", "/v1/keys", fmt.Sprintf(`{"name":%q,"all_servers":true}`, name))
	require.Equal(w.t, http.StatusCreated, status, "%v", out)
	return out["key"].(string)
}

// newIssuer starts an authorization server with clients that obtain tokens for the gateway.
func (w *realm) newIssuer(clients ...authserver.Client) *authserver.Listening {
	w.t.Helper()
	return w.authserver(authserver.Options{Scopes: []string{"mcp:call", "mcp:admin"}, Clients: clients})
}

func (w *realm) authserver(options authserver.Options) *authserver.Listening {
	w.t.Helper()
	s, err := authserver.Listen("127.0.0.1:0", options)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { s.Close() })
	return s
}

func (w *realm) mcpserver(issuer *authserver.Listening) *mcpserver.Listening {
	w.t.Helper()
	s, err := mcpserver.Listen("127.0.0.1:0", mcpserver.Options{Issuer: issuer.Issuer(), KeysURL: issuer.KeysURL(), Revoked: issuer.Revoked})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { s.Close() })
	return s
}

// newInteractiveRealm is a realm with the interactive server "files", whose record has these fields besides.
func newInteractiveRealm(t *testing.T, options authserver.Options, fields string) *realm {
	t.Helper()
	w := newRealm(t)
	w.idp = w.authserver(options)
	w.server = w.mcpserver(w.idp)
	w.add("files", fields)
	return w
}

// newTimedRealm is a realm on the clock of a gateway of its own, with the interactive server "files" whose tokens live so
// long, and a provider at which people sign in.
func newTimedRealm(t *testing.T, g *world, life time.Duration) (*realm, *provider) {
	t.Helper()
	w := &realm{gateway: g.gateway, t: t}
	w.idp = w.authserver(authserver.Options{Registration: true, Now: g.now, TokenLifetime: life})
	var err error
	w.server, err = mcpserver.Listen("127.0.0.1:0", mcpserver.Options{Issuer: w.idp.Issuer(), KeysURL: w.idp.KeysURL(), Now: g.now})
	require.NoError(t, err)
	t.Cleanup(func() { w.server.Close() })
	w.add("files", "")
	p := newProvider(t)
	p.now = g.now
	return w, p
}

// add registers an interactive server at the gateway.
func (w *realm) add(slug, fields string) {
	w.t.Helper()
	w.create(slug, fmt.Sprintf(`{"server_name":%q,"slug":%q,"url":%q,"transport":"http","auth_type":"oauth2","oauth2_flow":"authorization_code"%s}`, slug, slug, w.server.URL(), fields))
}

// trust makes issuers the accepted ones.
func (w *realm) trust(issuers ...map[string]any) {
	w.t.Helper()
	if issuers == nil {
		issuers = []map[string]any{}
	}
	b, err := json.Marshal(map[string]any{"jwt_issuers": issuers})
	require.NoError(w.t, err)
	w.set("/v1/settings/issuers", string(b), `{"jwt_issuers":[]}`)
}

// set changes a setting until the end of the test.
func (w *realm) set(path, value, empty string) map[string]any {
	w.t.Helper()
	status, out := w.do("PUT", path, value)
	require.Equal(w.t, http.StatusOK, status, "%v", out)
	w.settled = append(w.settled, path+" "+empty)
	return out
}

// mint obtains a token at an issuer by client credentials.
func mint(t *testing.T, s *authserver.Listening, client, secret string, form url.Values) string {
	t.Helper()
	form.Set("grant_type", "client_credentials")
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.TokenEndpoint(), strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, secret)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	var out struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&out))
	require.NotEmpty(t, out.AccessToken)
	return out.AccessToken
}

// forResource are the parameters of a request for a token with this audience.
func forResource(resource string, scopes ...string) url.Values {
	form := url.Values{}
	if resource != "" {
		form.Set("resource", resource)
	}
	if len(scopes) > 0 {
		form.Set("scope", strings.Join(scopes, " "))
	}
	return form
}

// call lists the tools of a server with a credential.
func (w *realm) call(credential, slug string) (int, string) {
	w.t.Helper()
	resp, body := w.request("POST", "/mcp/"+slug, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "Authorization", "Bearer "+credential, "Mcp-Protocol-Version", "2025-11-25")
	return resp.StatusCode, body
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// newServer starts a server and answers its URL.
func newServer(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}

// browser is a person's browser: it keeps cookies and follows a redirect when told to. Each has an address of its own on
// this machine, because the attempts to sign in from one address are limited.
type browser struct {
	t    *testing.T
	http *http.Client
}

func newBrowser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	n := realms.count.Add(1)
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(n>>8), byte(n))}}
	transport := &http.Transport{DialContext: from.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t, &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (b *browser) do(r *http.Request) (*http.Response, string) {
	b.t.Helper()
	resp, err := b.http.Do(r)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return resp, string(body)
}

func (b *browser) get(url string) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), "GET", url, nil)
	require.NoError(b.t, err)
	return b.do(r)
}

// post sends a form as a page of this origin would.
func (b *browser) post(address, origin string, form url.Values) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), "POST", address, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", origin)
	return b.do(r)
}

// authorize lets the authorization server approve and answers where it sends the browser.
func (b *browser) authorize(address string) string {
	b.t.Helper()
	resp, body := b.get(address)
	require.Equal(b.t, http.StatusFound, resp.StatusCode, body)
	return resp.Header.Get("Location")
}

// refresh answers where a page sends the browser on.
func refresh(resp *http.Response) string {
	return strings.TrimPrefix(resp.Header.Get("Refresh"), "0; url=")
}
