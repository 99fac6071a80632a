package signin_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/interactive"
	"github.com/grantway/grantway/worker/issuer"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/seal"
	"github.com/grantway/grantway/worker/signin"
)

// A person is told on a page why signing in failed; a program is told in JSON, with the same
// status, code and request id.
func TestRefusals(t *testing.T) {
	h := signin.New(signin.Config{
		Sessions: &access.Sessions{Secure: func(*http.Request) bool { return true }},
		Provider: func(context.Context) (*issuer.SignIn, error) { return nil, nil },
		Fail:     (&interactive.Handler{}).SignInFailed,
		Log:      slog.New(slog.DiscardHandler),
	}, nil)
	browser := "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for name, c := range map[string]struct {
		method, path string
		status       int
		code, reason string
		allow        string
	}{
		"no provider":                   {"GET", "/signin", http.StatusNotFound, "sign_in_disabled", "sign in with an access key", ""},
		"not begun in this browser":     {"GET", "/signin/callback?code=c&state=s", http.StatusBadRequest, "invalid_callback", "was not begun in this browser", ""},
		"nothing there":                 {"GET", "/signin/other", http.StatusNotFound, "not_found", "Nothing is served", ""},
		"another method":                {"POST", "/signin", http.StatusMethodNotAllowed, "method_not_allowed", "done with GET", "GET"},
		"an error with markup in it":    {"GET", "/signin/callback?error=%3Cscript%3E", http.StatusBadRequest, "invalid_callback", "Begin again", ""},
		"a head request, by its method": {"HEAD", "/signin", http.StatusMethodNotAllowed, "method_not_allowed", "done with GET", "GET"},
	} {
		for accept, kind := range map[string]string{browser: "text/html; charset=utf-8", "*/*": "application/json", "application/json": "application/json", "": "application/json"} {
			t.Run(name+", "+accept, func(t *testing.T) {
				r := httptest.NewRequestWithContext(problem.WithRequestID(t.Context(), "request-1"), c.method, c.path, nil)
				r.Header.Set("Accept", accept)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				assert.Equal(t, c.status, w.Code)
				assert.Equal(t, kind, w.Header().Get("Content-Type"))
				assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
				assert.Equal(t, c.allow, w.Header().Get("Allow"))
				body := w.Body.String()
				for _, text := range []string{c.code, c.reason, "request-1"} {
					assert.Contains(t, body, text)
				}
				assert.NotContains(t, body, "<script")
				if kind != "application/json" {
					assert.Contains(t, body, `<a href="/ui/">Back to sign in</a>`)
					assert.Contains(t, w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'")
					assert.Equal(t, "DENY", w.Header().Get("X-Frame-Options"))
				}
			})
		}
	}
}

// Whoever begins to sign in costs the provider nothing: its metadata is read once in minutes, at
// most every ten seconds while that fails, and worked with for an hour of that.
func TestMetadataIsNotReadForEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const provider = "https://idp.example"
		asked, down := 0, true
		p := memory.New(nil)
		p.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
			asked++
			if down {
				return nil, errors.New("down")
			}
			w := httptest.NewRecorder()
			_, _ = w.WriteString(`{"issuer":"` + provider + `","authorization_endpoint":"` + provider + `/a","token_endpoint":"` + provider + `/t","jwks_uri":"` + provider + `/k"}`)
			return w.Result(), nil
		})
		keyring, err := seal.NewKeyring(seal.GenerateKey())
		require.NoError(t, err)
		h := signin.New(signin.Config{
			Keyring:   keyring,
			Sessions:  &access.Sessions{Secure: func(*http.Request) bool { return true }},
			Discovery: &oauth.Discovery{HTTP: p.HTTP(), Timeout: time.Second, BodyLimit: 1 << 10},
			Provider: func(context.Context) (*issuer.SignIn, error) {
				return &issuer.SignIn{Issuer: provider, ClientID: "ui"}, nil
			},
			Base:   func(*http.Request) (string, bool) { return "https://gw.example", true },
			IsPage: interactive.IsPage,
			Log:    slog.New(slog.DiscardHandler),
		}, p.Background)
		begin := func() int {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/signin", nil))
			return w.Code
		}
		costs := func() int {
			before := asked
			for range 50 {
				begin()
			}
			p.Wait()
			return asked - before
		}
		const candidates = 2 // well-known addresses of an issuer without a path
		assert.Equal(t, http.StatusServiceUnavailable, begin())
		assert.Zero(t, costs(), "that it failed is remembered")
		time.Sleep(10 * time.Second)
		assert.Equal(t, candidates, costs())
		down = false
		time.Sleep(10 * time.Second)
		assert.Equal(t, 1, costs())
		assert.Equal(t, http.StatusFound, begin())
		down = true
		for range 10 {
			time.Sleep(5 * time.Minute)
			assert.LessOrEqual(t, costs(), candidates)
			assert.Equal(t, http.StatusFound, begin(), "it is known well enough")
		}
		time.Sleep(15 * time.Minute)
		assert.LessOrEqual(t, costs(), candidates)
		assert.Equal(t, http.StatusServiceUnavailable, begin())
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
