package signin_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/interactive"
	"github.com/grantway/grantway/worker/issuer"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/signin"
)

// A person is told on a page why signing in failed; a program is told in JSON, with the same
// status, code and request id.
func TestRefusals(t *testing.T) {
	h := &signin.Handler{Config: signin.Config{
		Sessions: &access.Sessions{Secure: func(*http.Request) bool { return true }},
		Provider: func(context.Context) (*issuer.SignIn, error) { return nil, nil },
		Fail:     (&interactive.Handler{}).SignInFailed,
		Log:      slog.New(slog.DiscardHandler),
	}}
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
