package token_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
)

// How long a token is used, by what its answer says of its life. Three calls come at
// once, after 4 s and after 6 s.
func TestExpiresIn(t *testing.T) {
	for name, test := range map[string]struct {
		expiresIn string
		life      time.Duration // real, at the upstream
		mints     int           // for the three calls
		longest   time.Duration // the token is never used after
	}{
		"missing":          {"", 300 * time.Second, 1, 300 * time.Second},
		"null":             {"null", 300 * time.Second, 1, 300 * time.Second},
		"0":                {"0", 300 * time.Second, 3, 0},
		"negative":         {"-30", 300 * time.Second, 3, 0},
		"5":                {"5", 5 * time.Second, 2, 5 * time.Second},
		"a string":         {`"120"`, 120 * time.Second, 1, 120 * time.Second},
		"text":             {`"soon"`, 300 * time.Second, 1, 300 * time.Second},
		"a hexadecimal":    {`"0x10"`, 300 * time.Second, 1, 300 * time.Second},
		"a float":          {"120.9", 120 * time.Second, 1, 120 * time.Second},
		"a small float":    {"0.9", 300 * time.Second, 3, 0},
		"a boolean":        {"true", 300 * time.Second, 1, 300 * time.Second},
		"an array":         {"[3600]", 300 * time.Second, 1, 300 * time.Second},
		"1e18":             {"1e18", 24 * time.Hour, 1, 24 * time.Hour},
		"a long number":    {strings.Repeat("9", 400), 24 * time.Hour, 1, 24 * time.Hour},
		"as long as a day": {"86400", 24 * time.Hour, 1, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.fail(func(n int, _ *http.Request, _ url.Values) *http.Response {
					return w.token(n, test.expiresIn, test.life)
				})
				e, rec := w.instance(), w.record()
				for _, pause := range []time.Duration{0, 4 * time.Second, 2 * time.Second} {
					time.Sleep(pause)
					status, _, err := call(e, rec)
					require.NoError(t, err)
					assert.Equal(t, http.StatusOK, status)
				}
				w.platform.Wait()
				assert.Equal(t, test.mints, w.mintCount())
				assert.Zero(t, w.expired)

				time.Sleep(test.longest)
				_, body, err := call(e, rec)
				require.NoError(t, err)
				assert.NotEqual(t, "token-1", body, "past its end")
				w.platform.Wait()
			})
		})
	}
}

// Answers that are no token, and what a caller is told.
func TestFaultsOfTheAuthorizationServer(t *testing.T) {
	text := func(status int, contentType, body string, header ...string) func(int, *http.Request, url.Values) *http.Response {
		return func(int, *http.Request, url.Values) *http.Response {
			resp := reply(status, contentType, body)
			for i := 0; i+1 < len(header); i += 2 {
				resp.Header.Set(header[i], header[i+1])
			}
			return resp
		}
	}
	for name, test := range map[string]struct {
		answer  func(int, *http.Request, url.Values) *http.Response
		class   oauth.Class
		code    string
		status  int
		pause   time.Duration // no second attempt before
		idpCode string
	}{
		"a JSON array":                 {text(200, "application/json", `[]`), oauth.Misconfigured, "idp_invalid_response", 502, 10 * time.Second, ""},
		"HTML":                         {text(200, "text/html", `<html>Sign in</html>`), oauth.Misconfigured, "idp_invalid_response", 502, 10 * time.Second, ""},
		"an empty 200":                 {text(200, "application/json", ``), oauth.Misconfigured, "idp_invalid_response", 502, 10 * time.Second, ""},
		"null":                         {text(200, "application/json", `null`), oauth.Misconfigured, "idp_invalid_response", 502, 10 * time.Second, ""},
		"two objects":                  {text(200, "application/json", `{"access_token":"a","token_type":"Bearer"}{}`), oauth.Misconfigured, "idp_invalid_response", 502, 10 * time.Second, ""},
		"a form":                       {text(200, "application/x-www-form-urlencoded", `access_token=a&token_type=bearer`), oauth.Misconfigured, "idp_invalid_response", 502, 10 * time.Second, ""},
		"no access_token":              {text(200, "application/json", `{"token_type":"Bearer"}`), oauth.Misconfigured, "idp_invalid_response", 502, 10 * time.Second, ""},
		"an empty access_token":        {text(200, "application/json", `{"access_token":"","token_type":"Bearer"}`), oauth.Misconfigured, "idp_invalid_response", 502, 10 * time.Second, ""},
		"a number as access_token":     {text(200, "application/json", `{"access_token":123456,"token_type":"Bearer"}`), oauth.Misconfigured, "idp_invalid_response", 502, 10 * time.Second, ""},
		"a line break in access_token": {text(200, "application/json", `{"access_token":"a\r\nX-Evil: 1","token_type":"Bearer"}`), oauth.Misconfigured, "idp_invalid_response", 502, 10 * time.Second, ""},
		"token_type mac":               {text(200, "application/json", `{"access_token":"a","token_type":"mac"}`), oauth.Misconfigured, "idp_invalid_response", 502, 10 * time.Second, ""},
		"no token_type":                {text(200, "application/json", `{"access_token":"a"}`), oauth.Misconfigured, "idp_invalid_response", 502, 10 * time.Second, ""},
		"2 MB":                         {text(200, "application/json", `{"access_token":"a","token_type":"Bearer","x":"`+strings.Repeat("x", 2<<20)+`"}`), oauth.Misconfigured, "idp_response_too_large", 502, 10 * time.Second, ""},
		"an error with status 200":     {text(200, "application/json", `{"error":"invalid_client"}`), oauth.Rejected, "idp_rejected", 502, 10 * time.Second, "invalid_client"},
		"a redirect":                   {text(302, "", "", "Location", "https://elsewhere.example.com/"), oauth.Misconfigured, "idp_redirect", 502, 10 * time.Second, ""},
		"307":                          {text(307, "", "", "Location", "https://elsewhere.example.com/"), oauth.Misconfigured, "idp_redirect", 502, 10 * time.Second, ""},
		"400 invalid_scope":            {text(400, "application/json", `{"error":"invalid_scope"}`), oauth.Misconfigured, "idp_bad_request", 502, 10 * time.Second, "invalid_scope"},
		"400 invalid_client":           {text(400, "application/json", `{"error":"invalid_client"}`), oauth.Rejected, "idp_rejected", 502, 10 * time.Second, "invalid_client"},
		"400 with hostile error":       {text(400, "application/json", `{"error":"<script>s3cret-one</script>"}`), oauth.Misconfigured, "idp_bad_request", 502, 10 * time.Second, "invalid"},
		"401":                          {text(401, "", ""), oauth.Rejected, "idp_rejected", 502, 10 * time.Second, ""},
		"403":                          {text(403, "", ""), oauth.Rejected, "idp_rejected", 502, 10 * time.Second, ""},
		"404":                          {text(404, "text/html", "<p>"), oauth.Misconfigured, "idp_bad_request", 502, 10 * time.Second, ""},
		"429 with seconds":             {text(429, "", "", "Retry-After", "7"), oauth.Unavailable, "idp_rate_limited", 503, 7 * time.Second, ""},
		"429 with a date":              {text(429, "", "", "Retry-After", "Sat, 01 Jan 2000 00:00:30 GMT"), oauth.Unavailable, "idp_rate_limited", 503, 30 * time.Second, ""},
		"429 with nonsense":            {text(429, "", "", "Retry-After", "later"), oauth.Unavailable, "idp_rate_limited", 503, time.Second, ""},
		"429 for a year":               {text(429, "", "", "Retry-After", "31536000"), oauth.Unavailable, "idp_rate_limited", 503, time.Hour, ""},
		"500":                          {text(500, "text/html", "<p>s3cret-one</p>"), oauth.Unavailable, "idp_error", 503, time.Second, ""},
		"503 with Retry-After":         {text(503, "", "", "Retry-After", "20"), oauth.Unavailable, "idp_error", 503, 20 * time.Second, ""},
		"400 temporarily_unavailable":  {text(400, "application/json", `{"error":"temporarily_unavailable"}`), oauth.Unavailable, "idp_error", 503, time.Second, "temporarily_unavailable"},
		"a reset":                      {text(0, "", ""), oauth.Unavailable, "idp_unreachable", 503, time.Second, ""},
		"a timeout": {func(_ int, r *http.Request, _ url.Values) *http.Response {
			<-r.Context().Done()
			return text(0, "", "")(0, r, nil)
		}, oauth.Unavailable, "idp_unreachable", 503, time.Second, ""},
		"a slow drip": {func(_ int, r *http.Request, _ url.Values) *http.Response {
			resp := reply(200, "application/json", "")
			resp.Body = io.NopCloser(&drip{r.Context()})
			return resp
		}, oauth.Unavailable, "idp_timeout", 503, time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.fail(test.answer)
				all, rec := w.instances(2), w.record()
				_, _, err := call(all[0], rec)
				p := problemOf(t, err)
				assert.Equal(t, test.code, p.Code)
				assert.Equal(t, test.status, p.Status)
				var f *oauth.Failure
				require.ErrorAs(t, err, &f)
				assert.Equal(t, test.class, f.Class)
				assert.Equal(t, test.idpCode, f.OAuthError)
				assert.NotContains(t, p.Message, "s3cret")
				assert.NotContains(t, p.Message, "script")
				if test.class == oauth.Unavailable {
					assert.GreaterOrEqual(t, p.RetryAfter, int(test.pause.Seconds()))
				}
				require.Equal(t, 1, w.mintCount())

				failed := time.Now()
				for _, e := range all {
					for range 20 {
						_, _, err := call(e, rec)
						assert.Equal(t, test.code, problemOf(t, err).Code, "waiters and later callers hear the same")
					}
				}
				assert.Equal(t, 1, w.mintCount(), "from the negative cache, in every instance")
				time.Sleep(test.pause - time.Since(failed) - 200*time.Millisecond)
				_, _, err = call(all[1], rec)
				assert.Error(t, err)
				assert.Equal(t, 1, w.mintCount(), "not before its time")

				w.fail(nil)
				time.Sleep(test.pause) // longer than the pause with its jitter
				status, _, err := call(all[1], rec)
				require.NoError(t, err)
				assert.Equal(t, http.StatusOK, status, "it heals by itself")
			})
		})
	}
}

// drip sends a byte now and then, for ever.
type drip struct{ ctx context.Context }

func (d *drip) Read(b []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		b[0] = ' '
		return 1, nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func problemOf(t *testing.T, err error) *problem.Problem {
	t.Helper()
	var p *problem.Problem
	if !assert.True(t, errors.As(err, &p), "%v", err) {
		return &problem.Problem{}
	}
	return p
}
