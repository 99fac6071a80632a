package token_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

// seen makes the upstream remember the headers of the last request and answer 200.
func (w *world) seen() *http.Header {
	h := &http.Header{}
	w.upstream = func(r *http.Request) *http.Response {
		*h = r.Header.Clone()
		return reply(200, "", "")
	}
	return h
}

func TestWhereTheCredentialGoes(t *testing.T) {
	static := func(kind registry.AuthType, value string, header *registry.TokenHeader) func(w *world, r *registry.Record) {
		return func(w *world, r *registry.Record) {
			r.AuthType, r.UpstreamTokenHeader = kind, header
			r.Secrets = w.secrets(r, map[string]string{registry.SecretAuthValue: value})
		}
	}
	for name, test := range map[string]struct {
		edit   func(w *world, r *registry.Record)
		header string
		value  string
	}{
		"none":                  {func(_ *world, r *registry.Record) { r.AuthType = registry.AuthNone }, "Authorization", ""},
		"api_key":               {static(registry.AuthAPIKey, "s3cret-k", nil), "X-Api-Key", "s3cret-k"},
		"api_key, named header": {static(registry.AuthAPIKey, "s3cret-k", &registry.TokenHeader{Name: "x-acme-key", Prefix: "Key "}), "X-Acme-Key", "Key s3cret-k"},
		"bearer_token":          {static(registry.AuthBearer, "s3cret-b", nil), "Authorization", "Bearer s3cret-b"},
		"basic, plain":          {static(registry.AuthBasic, "user:pass", nil), "Authorization", "Basic dXNlcjpwYXNz"},
		"basic, encoded":        {static(registry.AuthBasic, "dXNlcjpwYXNz", nil), "Authorization", "Basic dXNlcjpwYXNz"},
		"authorization":         {static(registry.AuthAuthorization, "Custom s3cret", nil), "Authorization", "Custom s3cret"},
		"token":                 {static(registry.AuthToken, "s3cret-t", nil), "Authorization", "token s3cret-t"},
		"oauth2":                {func(*world, *registry.Record) {}, "Authorization", "Bearer token-1"},
		"oauth2, another header": {func(_ *world, r *registry.Record) {
			r.UpstreamTokenHeader = &registry.TokenHeader{Name: "X-Upstream-Token"}
		}, "X-Upstream-Token", "token-1"},
		"oauth2, another prefix": {func(_ *world, r *registry.Record) {
			r.UpstreamTokenHeader = &registry.TokenHeader{Name: "authorization", Prefix: "DPoP "}
		}, "Authorization", "DPoP token-1"},
		"oauth2 beside a static header of the same name": {func(_ *world, r *registry.Record) {
			r.StaticHeaders = map[string]string{"authorization": "evil", "X-Tenant": "7"}
		}, "Authorization", "Bearer token-1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				h := w.seen()
				rec := w.record(func(r *registry.Record) { test.edit(w, r) })
				e := w.instance()
				for range 2 {
					status, _, err := call(e, rec)
					require.NoError(t, err)
					require.Equal(t, 200, status)
					assert.Equal(t, test.value, h.Get(test.header))
					if test.header != "Authorization" {
						assert.Empty(t, h.Get("Authorization"))
					}
				}
			})
		})
	}
}

func TestStaticHeadersSealedAndPlain(t *testing.T) {
	w := newWorld(t)
	h := w.seen()
	rec := w.record(func(r *registry.Record) {
		r.AuthType = registry.AuthNone
		r.StaticHeaders = map[string]string{"X-Tenant": "7", "X-Api-Token": registry.Masked}
		r.Secrets = w.secrets(r, map[string]string{registry.SecretStaticHeaders: `{"X-Api-Token":"s3cret-header"}`})
	})
	_, _, err := call(w.instance(), rec)
	require.NoError(t, err)
	assert.Equal(t, "7", h.Get("X-Tenant"))
	assert.Equal(t, "s3cret-header", h.Get("X-Api-Token"))
}

func TestTheRequestGivenIsNotChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r, err := http.NewRequest(http.MethodPost, serverURL, strings.NewReader("{}"))
		require.NoError(t, err)
		_, err = w.instance().Client(w.record(), nil).RoundTrip(r)
		require.NoError(t, err)
		assert.Empty(t, r.Header)
	})
}

func TestCredentialsGoToTheRecordsOriginOnly(t *testing.T) {
	for _, to := range []string{"https://evil.example.com/mcp", "http://mcp.example.com/mcp", "https://mcp.example.com:8443/mcp"} {
		w := newWorld(t)
		r, err := http.NewRequest(http.MethodGet, to, nil)
		require.NoError(t, err)
		_, err = w.instance().Client(w.record(), nil).RoundTrip(r)
		assert.Equal(t, "upstream_origin_changed", problemOf(t, err).Code)
		assert.Zero(t, w.mintCount())
		assert.Zero(t, w.calls)
	}
}

func TestServersThatAreNotCalled(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*registry.Record)
		code string
	}{
		"plain http":           {func(r *registry.Record) { r.URL = "http://mcp.example.com/mcp" }, "server_url_refused"},
		"this machine":         {func(r *registry.Record) { r.URL = "https://localhost/mcp" }, "server_url_refused"},
		"a private address":    {func(r *registry.Record) { r.URL = "https://10.0.0.1/mcp" }, "server_url_refused"},
		"the metadata service": {func(r *registry.Record) { r.URL = "https://169.254.169.254/" }, "server_url_refused"},
		"token_url private":    {func(r *registry.Record) { r.TokenURL = "https://192.168.1.1/token" }, "token_url_refused"},
		"token_url plain http": {func(r *registry.Record) { r.TokenURL = "http://idp.example.com/token" }, "token_url_refused"},
		"no secret":            {func(r *registry.Record) { r.Secrets = map[string]registry.SealedSecret{} }, "credentials_incomplete"},
		"no client id":         {func(r *registry.Record) { r.ClientID = "" }, "credentials_incomplete"},
		"no private key":       {func(r *registry.Record) { r.TokenEndpointAuthMethod = registry.PrivateKeyJWT }, "credentials_incomplete"},
		"no auth_value":        {func(r *registry.Record) { r.AuthType = registry.AuthBearer }, "credentials_incomplete"},
		"a caller without JWT": {func(r *registry.Record) { r.OAuth2Flow = registry.FlowTokenExchange }, "subject_token_missing"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				_, _, err := call(w.instance(), w.record(test.edit))
				p := problemOf(t, err)
				assert.Equal(t, test.code, p.Code)
				assert.Equal(t, 502, p.Status)
				assert.Zero(t, w.mintCount())
				assert.Zero(t, w.calls)
			})
		})
	}
}

func TestATokenThatEndsInFlightIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.life = 5
		slow := true
		e, rec := w.instance(), w.record()
		w.upstream = func(r *http.Request) *http.Response {
			if slow {
				slow = false
				w.mu.Unlock()
				time.Sleep(6 * time.Second) // the upstream looks at the token when it has ended
				w.mu.Lock()
			}
			return nil
		}
		status, body, err := call(e, rec)
		require.NoError(t, err)
		assert.Equal(t, 200, status)
		assert.Equal(t, "token-2", body)
	})
}

func TestAChallengeDecides(t *testing.T) {
	for name, test := range map[string]struct {
		status    int
		challenge string
		minted    bool
	}{
		"401 without a challenge":          {401, "", true},
		"401 Bearer":                       {401, "Bearer", true},
		"401 invalid_token":                {401, `Bearer error="invalid_token", error_description="expired"`, true},
		"401 invalid_token, second scheme": {401, `Basic realm="a, b", Bearer realm="x", error=invalid_token`, true},
		"403 invalid_token":                {403, `Bearer error="invalid_token"`, true},
		"400 invalid_token":                {400, `Bearer error="invalid_token"`, true},
		"403":                              {403, "", false},
		"403 insufficient_scope":           {403, `Bearer error="insufficient_scope", scope="admin"`, false},
		"400":                              {400, "", false},
		"500 invalid_token":                {500, `Bearer error="invalid_token"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				n := 0
				w.upstream = func(*http.Request) *http.Response {
					if n++; n > 1 {
						return nil
					}
					resp := reply(test.status, "", "")
					if test.challenge != "" {
						resp.Header.Set("WWW-Authenticate", test.challenge)
					}
					return resp
				}
				status, _, err := call(w.instance(), w.record())
				require.NoError(t, err)
				if test.minted {
					assert.Equal(t, 200, status)
					assert.Equal(t, 2, w.mintCount())
				} else {
					assert.Equal(t, test.status, status)
					assert.Equal(t, 1, w.mintCount())
				}
			})
		})
	}
}

// An upstream that refuses every token must not turn each call into a mint.
func TestAnUpstreamThatRefusesEveryToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.upstream = func(*http.Request) *http.Response { return reply(401, "", "") }
		rec, all := w.record(), w.instances(4)
		refused := 0
		for range 60 {
			for i := range 20 {
				status, _, err := call(all[i%4], rec)
				if err == nil && status == 401 {
					refused++
				}
			}
			time.Sleep(time.Second)
		}
		assert.Equal(t, 1200, refused, "the upstream's answer is passed on")
		t.Logf("%d mints for 1,200 refused calls in 60 s", w.mintCount())
		assert.LessOrEqual(t, w.mintCount(), 9)
	})
}

func TestABodyThatCannotBeSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e, rec := w.instance(), w.record()
		_, _, _ = call(e, rec)
		w.revoke("token-1")
		r, err := http.NewRequest(http.MethodPost, serverURL, io.NopCloser(strings.NewReader("streamed")))
		require.NoError(t, err)
		r.ContentLength = -1
		_, err = e.Client(rec, nil).RoundTrip(r)
		p := problemOf(t, err)
		assert.Equal(t, "request_not_replayable", p.Code)
		assert.Equal(t, 502, p.Status)
		w.platform.Wait()
		status, body, err := call(e, rec)
		require.NoError(t, err)
		assert.Equal(t, 200, status)
		assert.Equal(t, "token-2", body, "the next call is healed")
		assert.Equal(t, 2, w.mintCount())
	})
}

func TestABodyOfKnownLengthIsKeptForTheReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var bodies []string
		n := 0
		w.upstream = func(r *http.Request) *http.Response {
			n++
			if n == 1 {
				return reply(401, "", "")
			}
			return nil
		}
		inner := w.platform.Transport
		w.platform.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "mcp.example.com" {
				b, _ := io.ReadAll(r.Body)
				bodies = append(bodies, string(b))
			}
			return inner.RoundTrip(r)
		})
		r, err := http.NewRequest(http.MethodPost, serverURL, io.NopCloser(strings.NewReader("payload")))
		require.NoError(t, err)
		r.ContentLength = 7
		resp, err := w.instance().Client(w.record(), nil).RoundTrip(r)
		require.NoError(t, err)
		assert.Equal(t, 200, resp.StatusCode)
		assert.Equal(t, []string{"payload", "payload"}, bodies)
	})
}

func TestARevokedTokenWhileTheAuthorizationServerIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e, rec := w.instance(), w.record()
		_, _, _ = call(e, rec)
		w.revoke("token-1")
		w.fail(func(int, *http.Request, url.Values) *http.Response { return reply(503, "", "") })
		for range 50 {
			_, _, err := call(e, rec)
			assert.Equal(t, "idp_error", problemOf(t, err).Code)
		}
		assert.Equal(t, 2, w.mintCount())
		w.fail(nil)
		time.Sleep(2 * time.Second)
		status, _, err := call(e, rec)
		require.NoError(t, err)
		assert.Equal(t, 200, status)
	})
}

func TestStepUp(t *testing.T) {
	needs := func(w *world, scope string) {
		w.upstream = func(r *http.Request) *http.Response {
			got := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer token-")
			n := int(got[0] - '1')
			if strings.Contains(w.forms[n].Get("scope"), scope) {
				return nil
			}
			resp := reply(403, "", "")
			resp.Header.Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+scope+`"`)
			return resp
		}
	}
	t.Run("allowed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			needs(w, "orders:write")
			e := w.instance()
			rec := w.record(func(r *registry.Record) { r.AllowStepUp, r.Scopes = true, []string{"orders:read"} })
			assert.Equal(t, 20, burst(20, []*token.Engine{e}, rec))
			assert.Equal(t, 2, w.mintCount())
			assert.Equal(t, "orders:read orders:write", w.forms[1].Get("scope"), "the union")
			status, body, err := call(e, rec)
			require.NoError(t, err)
			assert.Equal(t, 200, status)
			assert.Equal(t, "token-2", body, "later calls begin with the wider token")
		})
	})
	t.Run("not allowed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			needs(w, "orders:write")
			status, _, err := call(w.instance(), w.record(func(r *registry.Record) { r.Scopes = []string{"orders:read"} }))
			require.NoError(t, err)
			assert.Equal(t, 403, status)
			assert.Equal(t, 1, w.mintCount())
		})
	})
	t.Run("not granted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			needs(w, "orders:write")
			w.fail(func(_ int, _ *http.Request, form url.Values) *http.Response {
				if strings.Contains(form.Get("scope"), "write") {
					return reply(400, "application/json", `{"error":"invalid_scope"}`)
				}
				return nil
			})
			e := w.instance()
			rec := w.record(func(r *registry.Record) { r.AllowStepUp, r.Scopes = true, []string{"orders:read"} })
			for range 10 {
				status, _, err := call(e, rec)
				require.NoError(t, err)
				assert.Equal(t, 403, status, "the upstream's answer stands")
			}
			assert.Equal(t, 2, w.mintCount(), "asked once, not at each call")
		})
	})
	t.Run("a further one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			e := w.instance()
			rec := w.record(func(r *registry.Record) { r.AllowStepUp, r.Scopes = true, []string{"orders:read"} })
			needs(w, "orders:write")
			burst(1, []*token.Engine{e}, rec)
			needs(w, "orders:admin")
			burst(1, []*token.Engine{e}, rec)
			assert.Equal(t, "orders:read orders:write orders:admin", w.forms[2].Get("scope"))
			w.fail(func(int, *http.Request, url.Values) *http.Response {
				return reply(400, "application/json", `{"error":"invalid_scope"}`)
			})
			needs(w, "orders:own")
			status, _, _ := call(e, rec)
			assert.Equal(t, 403, status)
			needs(w, "orders:admin")
			_, body, _ := call(e, rec)
			assert.Equal(t, "token-3", body, "what was granted before is used on")
		})
	})
	t.Run("purge", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			needs(w, "orders:write")
			all := w.instances(2)
			rec := w.record(func(r *registry.Record) { r.AllowStepUp, r.Scopes = true, []string{"orders:read"} })
			assert.Equal(t, 1, burst(1, all[:1], rec))
			w.platform.Wait()
			require.True(t, all[1].ByEpoch(rec))
			next := purged(rec) // by an instance that knows nothing of the step-up
			st := all[1].Status(t.Context(), next, "", nil)
			assert.Equal(t, token.StateNone, st.State)
			for _, e := range append(all, w.instance()) {
				_, body, err := call(e, next)
				require.NoError(t, err)
				assert.Equal(t, "token-4", body, "neither token of before")
			}
			assert.Equal(t, 4, w.mintCount())
			assert.Equal(t, token.StateValid, all[1].Status(t.Context(), next, "", nil).State)
		})
	})
	t.Run("of a caller", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			needs(w, "orders:write")
			e := w.instance()
			rec := w.record(func(r *registry.Record) {
				r.OAuth2Flow, r.AllowStepUp, r.Scopes = registry.FlowTokenExchange, true, []string{"orders:read"}
			})
			for range 2 {
				for who, got := range map[string]string{"jwt:a": "jwt-of-ann", "jwt:b": "jwt-of-bob"} {
					status, _, err := callAs(t.Context(), e, rec, &access.Principal{ID: who, JWT: got})
					require.NoError(t, err)
					assert.Equal(t, 200, status)
				}
			}
			assert.Equal(t, 4, w.mintCount(), "each has one of each kind")
			for i, form := range w.forms {
				assert.Equal(t, w.forms[i/2*2].Get("subject_token"), form.Get("subject_token"), "in the caller's own name")
			}
		})
	})
	t.Run("hostile scope", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			n := 0
			w.upstream = func(*http.Request) *http.Response {
				n++
				resp := reply(403, "", "")
				resp.Header.Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+strings.Repeat("x"+strings.Repeat("y", n)+" ", 100)+`"`)
				return resp
			}
			status, _, err := call(w.instance(), w.record(func(r *registry.Record) { r.AllowStepUp = true }))
			require.NoError(t, err)
			assert.Equal(t, 403, status)
			assert.Equal(t, 2, n, "one replay, then the answer stands")
		})
	})
}

func TestTokensOfCallers(t *testing.T) {
	for flow, subject := range map[registry.Flow]string{registry.FlowTokenExchange: "subject_token", registry.FlowJWTBearer: "assertion"} {
		t.Run(string(flow), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				e := w.instance()
				rec := w.record(func(r *registry.Record) { r.OAuth2Flow = flow })
				ann, bob := &access.Principal{ID: "jwt:a", JWT: "jwt-of-ann"}, &access.Principal{ID: "jwt:b", JWT: "jwt-of-bob"}
				var wg sync.WaitGroup
				for range 20 {
					wg.Go(func() {
						_, body, err := callAs(t.Context(), e, rec, ann)
						assert.NoError(t, err)
						assert.NotEmpty(t, body)
					})
				}
				wg.Wait()
				_, first, err := callAs(t.Context(), e, rec, ann)
				require.NoError(t, err)
				_, second, err := callAs(t.Context(), e, rec, bob)
				require.NoError(t, err)
				assert.NotEqual(t, first, second, "nobody gets another caller's token")
				assert.Equal(t, 2, w.mintCount())
				assert.Equal(t, "jwt-of-ann", w.forms[0].Get(subject))
				assert.Equal(t, "jwt-of-bob", w.forms[1].Get(subject))
				assert.Contains(t, w.forms[0].Get("grant_type"), "urn:ietf:params:oauth:grant-type:")
				assert.NotContains(t, w.log.String(), "jwt-of")
			})
		})
	}
}
