package token_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/metrics"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/platform/gocrypto"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/seal"
	"github.com/grantway/grantway/worker/settings"
	"github.com/grantway/grantway/worker/token"
)

const (
	serverURL = "https://mcp.example.com/mcp"
	tokenURL  = "https://idp.example.com/token"
	sealKey   = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)

// world is an authorization server, an upstream and several instances of the engine
// that share one platform, as instances in one data centre would.
type world struct {
	t        *testing.T
	platform *memory.Platform
	keyring  *seal.Keyring
	settings *settings.Settings
	env      map[string]string

	mu       sync.Mutex
	mints    int                                                          // token requests that arrived
	forms    []url.Values                                                 // what they said
	headers  []http.Header                                                // their headers
	answer   func(n int, r *http.Request, form url.Values) *http.Response // nil: a token of life
	life     int                                                          // seconds
	issued   map[string]time.Time                                         // token → expiry
	revoked  map[string]bool
	upstream func(r *http.Request) *http.Response // nil: checks the token
	latest   *registry.Record                     // what the Directory has; nil: nothing
	reads    int                                  // of it
	calls    int
	expired  int // calls that carried an expired token
	rows     []token.Mint
	log      safeBuffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, life: 300, issued: map[string]time.Time{}, revoked: map[string]bool{}, env: map[string]string{}}
	w.platform = memory.New(w.env)
	w.platform.Transport = roundTripper(w.network)
	w.platform.Signer = &gocrypto.Crypto{}
	w.platform.Logger = slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	t.Cleanup(w.checkNothingLeaked)
	var err error
	w.keyring, err = seal.NewKeyring(sealKey)
	require.NoError(t, err)
	w.settings = w.load()
	return w
}

func (w *world) load() *settings.Settings {
	s, problems := settings.Load(func(name string) string { return w.env[name] })
	require.Empty(w.t, problems)
	return s
}

// instance makes a further engine; the first one also serves the objects.
func (w *world) instance() *token.Engine {
	e := token.New(token.Config{Platform: w.platform, Keyring: w.keyring, Settings: w.settings, Metrics: metrics.New(), Audit: w, Latest: w.find})
	if w.platform.Objects == nil {
		w.platform.Objects = e
	}
	return e
}

func (w *world) find(context.Context, string) (*registry.Record, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	if w.latest == nil {
		return nil, registry.ErrNotFound
	}
	return w.latest, nil
}

func (w *world) Minted(_ context.Context, m token.Mint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows = append(w.rows, m)
}

// record is a client_credentials server.
func (w *world) record(edit ...func(*registry.Record)) *registry.Record {
	r := &registry.Record{
		ServerID: "11111111-1111-4111-8111-111111111111", ServerName: "Orders", Slug: "orders", URL: serverURL, Transport: "http", Version: 1,
		AuthType: registry.AuthOAuth2, OAuth2Flow: registry.FlowClientCredentials, ClientID: "client-1", TokenURL: tokenURL,
		TokenEndpointAuthMethod: registry.ClientSecretBasic,
	}
	for _, f := range edit {
		f(r)
	}
	if r.Secrets == nil {
		r.Secrets = w.secrets(r, map[string]string{registry.SecretClientSecret: "s3cret-one"})
	}
	return r
}

func (w *world) secrets(r *registry.Record, plain map[string]string) map[string]registry.SealedSecret {
	return oauth.SealSecrets(w.keyring, r.ServerID, plain, time.Unix(1, 0))
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (w *world) network(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	switch r.URL.Host {
	case "idp.example.com":
		return w.idp(r)
	case "mcp.example.com":
		return w.server(r)
	}
	return nil, &platform.Error{Op: "fetch", Code: platform.CodeDNS, Message: r.URL.Host}
}

func (w *world) idp(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	w.mu.Lock()
	w.mints++
	n := w.mints
	w.forms, w.headers = append(w.forms, form), append(w.headers, r.Header.Clone())
	answer := w.answer
	w.mu.Unlock()
	if answer != nil {
		if resp := answer(n, r, form); resp != nil {
			if resp.StatusCode == 0 {
				return nil, &platform.Error{Op: "fetch", Code: platform.CodeReset}
			}
			return resp, nil
		}
	}
	select {
	case <-time.After(300 * time.Millisecond):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return w.token(n, strconv.Itoa(w.life), time.Duration(w.life)*time.Second), nil
}

// token is a good answer with this expires_in, as JSON.
func (w *world) token(n int, expiresIn string, life time.Duration) *http.Response {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := fmt.Sprintf("token-%d", n)
	w.issued[name] = time.Now().Add(life)
	member := ""
	if expiresIn != "" {
		member = `,"expires_in":` + expiresIn
	}
	return reply(200, "application/json", `{"access_token":"`+name+`","token_type":"Bearer"`+member+`}`)
}

// server accepts the tokens of the authorization server that are neither revoked nor expired.
func (w *world) server(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	if w.upstream != nil {
		if resp := w.upstream(r); resp != nil {
			return resp, nil
		}
	}
	got := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	until, known := w.issued[got]
	switch {
	case !known || w.revoked[got]:
		return reply(401, "", ""), nil
	case !time.Now().Before(until):
		w.expired++
		return reply(401, "", ""), nil
	}
	return reply(200, "text/plain", got), nil
}

func reply(status int, contentType, body string) *http.Response {
	h := http.Header{}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// call makes one upstream call and answers the status and the body or the error.
func call(e *token.Engine, rec *registry.Record) (int, string, error) {
	return callAs(context.Background(), e, rec, &access.Principal{ID: "key:k1", KeyID: "k1"})
}

func callAs(ctx context.Context, e *token.Engine, rec *registry.Record, who *access.Principal) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, rec.URL, strings.NewReader(`{"jsonrpc":"2.0"}`))
	if err != nil {
		return 0, "", err
	}
	resp, err := e.Client(rec, who).RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, string(body), nil
}

func (w *world) mintCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mints
}

func (w *world) fail(f func(n int, r *http.Request, form url.Values) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

func (w *world) revoke(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revoked[name] = true
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// safeBuffer takes the log.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// checkNothingLeaked looks for secrets and tokens in the log and the audit rows of
// the test that ends.
func (w *world) checkNothingLeaked() {
	said := w.log.String() + fmt.Sprintf("%+v", w.rows)
	for _, secret := range []string{"s3cret", "token-", sealKey, "BEGIN PRIVATE"} {
		if strings.Contains(said, secret) {
			w.t.Errorf("%q is in the log or an audit row", secret)
		}
	}
}
