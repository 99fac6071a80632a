package token_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e, rec := w.instance(), w.record()
		st := e.Status(t.Context(), rec, "", nil)
		assert.Equal(t, token.StateNone, st.State)
		assert.Equal(t, "none", st.Tier)
		assert.Zero(t, w.mintCount(), "a status never mints")

		_, _, _ = call(e, rec)
		w.platform.Wait()
		begin := time.Now()
		st = e.Status(t.Context(), rec, "", nil)
		assert.Equal(t, token.StateValid, st.State)
		assert.Equal(t, "l1", st.Tier)
		assert.EqualValues(t, 1, st.Mints)
		assert.WithinDuration(t, begin.Add(300*time.Second), *st.ExpiresAt, time.Second)
		assert.True(t, st.NextAt.After(begin.Add(259*time.Second)) && st.NextAt.Before(begin.Add(276*time.Second)))
		assert.Equal(t, registry.SecretClientSecret, st.SecretUsed)
		assert.Equal(t, "l2", w.instance().Status(t.Context(), rec, "", nil).Tier)
		require.NoError(t, w.platform.KV(platform.Tokens).Delete(t.Context(), w.tokenRow()))
		assert.Equal(t, "minter", w.instance().Status(t.Context(), rec, "", nil).Tier)
		assert.NotContains(t, jsonOf(st), "token-1")

		time.Sleep(280 * time.Second)
		assert.Equal(t, token.StateExpiring, e.Status(t.Context(), rec, "", nil).State)
		time.Sleep(30 * time.Second)
		assert.Equal(t, token.StateNone, e.Status(t.Context(), rec, "", nil).State)

		w.fail(func(int, *http.Request, url.Values) *http.Response { return reply(503, "", "") })
		_, _, _ = call(e, rec)
		st = e.Status(t.Context(), rec, "", nil)
		assert.Equal(t, token.StateFailing, st.State)
		assert.Equal(t, "idp_error", st.LastError.Code)
		assert.Equal(t, 503, st.LastError.Status)
		assert.NotNil(t, st.LastError.RetryAt)
		assert.EqualValues(t, 2, st.Attempts)

		w.fail(nil)
		time.Sleep(2 * time.Second)
		_, _, _ = call(e, rec)
		st = e.Status(t.Context(), rec, "", nil)
		assert.Equal(t, token.StateValid, st.State)
		assert.Zero(t, st.LastError.Failures)
		assert.Nil(t, st.LastError.RetryAt)
	})
}

func TestStatusOfServersWithoutAToken(t *testing.T) {
	w := newWorld(t)
	e := w.instance()
	for state, edit := range map[token.State]func(*registry.Record){
		token.StateNotApplicable: func(r *registry.Record) { r.AuthType = registry.AuthNone },
		token.StatePerCaller:     func(r *registry.Record) { r.OAuth2Flow = registry.FlowTokenExchange },
		token.StateUnusable:      func(r *registry.Record) { r.URL = "https://10.0.0.1/" },
	} {
		rec := w.record(edit, func(r *registry.Record) { r.ServerID = string(state) })
		assert.Equal(t, state, e.Status(t.Context(), rec, "", nil).State)
		_, err := e.Refresh(t.Context(), rec, "", admin)
		assert.Error(t, err)
		_, err = e.Purge(t.Context(), rec)
		assert.Error(t, err)
	}
}

func TestATestTouchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e, rec := w.instance(), w.record()
		operations := 0
		w.platform.Fault = func(string, string, string) error { operations++; return nil }
		r := e.Test(t.Context(), rec, admin)
		assert.True(t, r.OK, r.Message)
		assert.Equal(t, 300, r.ExpiresIn)
		assert.Equal(t, "Bearer", r.TokenType)
		assert.Zero(t, operations, "neither KV nor a minter")
		assert.NotContains(t, jsonOf(r), "token-1")
		_, body, _ := call(e, rec)
		assert.Equal(t, "token-2", body, "the tested token serves nobody")
	})
}

func TestATestTellsWhoseFaultItIs(t *testing.T) {
	for name, test := range map[string]struct {
		edit   func(*registry.Record)
		answer *http.Response
		stage  token.Stage
		code   string
	}{
		"no secret":      {func(r *registry.Record) { r.Secrets = map[string]registry.SealedSecret{} }, nil, token.StageConfiguration, "credentials_incomplete"},
		"a private host": {func(r *registry.Record) { r.TokenURL = "https://10.0.0.1/token" }, nil, token.StageConfiguration, "token_url_refused"},
		"unknown host":   {func(r *registry.Record) { r.TokenURL = "https://nowhere.example.com/token" }, nil, token.StageIdP, "idp_unreachable"},
		"wrong secret":   {nil, reply(401, "application/json", `{"error":"invalid_client","error_description":"Unknown client s3cret-one"}`), token.StageIdP, "idp_rejected"},
		"HTML":           {nil, reply(200, "text/html", "<html>"), token.StageIdP, "idp_invalid_response"},
		"down":           {nil, reply(503, "", ""), token.StageIdP, "idp_error"},
		"no metadata":    {func(r *registry.Record) { r.TokenURL = "" }, nil, token.StageDiscovery, "discovery_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.site(nil)
				if test.answer != nil {
					w.fail(func(int, *http.Request, url.Values) *http.Response { return test.answer })
				}
				rec := w.record(func(r *registry.Record) {
					if test.edit != nil {
						test.edit(r)
					}
				})
				r := w.instance().Test(t.Context(), rec, admin)
				assert.False(t, r.OK)
				assert.Equal(t, test.stage, r.Stage)
				assert.Equal(t, test.code, r.Code)
				assert.NotEmpty(t, r.Message)
				assert.NotContains(t, jsonOf(r), "s3cret")
				if name == "wrong secret" {
					assert.Equal(t, "Unknown client ***", r.Hint)
				}
			})
		})
	}
}

func TestATestShowsClaimsThatAreNotSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fail(func(int, *http.Request, url.Values) *http.Response {
			return reply(200, "application/json", `{"access_token":"eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlLmNvbSIsImF1ZCI6WyJhIl0sInNjb3BlIjoieCIsImVtYWlsIjoicHJpdmF0ZSJ9.c2lnbmF0dXJl","token_type":"Bearer","expires_in":30,"scope":"x"}`)
		})
		r := w.instance().Test(t.Context(), w.record(), admin)
		require.True(t, r.OK)
		said := jsonOf(r)
		assert.Contains(t, said, `"iss":"https://idp.example.com"`)
		assert.Contains(t, said, `"aud":["a"]`)
		assert.NotContains(t, said, "private")
		assert.NotContains(t, said, "c2lnbmF0dXJl")
		assert.Contains(t, r.Message, "less than a minute")
	})
}

func TestExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := w.instance()
		rec := w.record(func(r *registry.Record) {
			r.StaticHeaders = map[string]string{"X-Tenant": "s3cret-tenant"}
			r.ForwardHeaders, r.Scopes, r.ExtraTokenParams = []string{"X-Trace"}, []string{"a"}, map[string]string{"tenant": "s3cret-param"}
		})
		x := e.Explain(t.Context(), rec, admin)
		assert.Equal(t, "mint", x.Tier)
		assert.True(t, x.WouldMint)
		assert.Equal(t, map[string]string{"Authorization": "Bearer ***", "X-Tenant": "***"}, x.Headers)
		assert.Equal(t, []string{"X-Trace"}, x.Forwarded)
		assert.Equal(t, tokenURL, x.Request.TokenURL)
		assert.Zero(t, w.mintCount())
		assert.Zero(t, w.calls)

		_, _, _ = call(e, rec)
		time.Sleep(10 * time.Second)
		x = e.Explain(t.Context(), rec, admin)
		assert.Equal(t, "l1", x.Tier)
		assert.False(t, x.WouldMint)
		assert.InDelta(t, 10.3, *x.Age, 0.5)
		assert.InDelta(t, 289.7, *x.Left, 0.5)
		assert.NotContains(t, jsonOf(x), "s3cret")
		assert.NotContains(t, jsonOf(x), "token-1")
	})
}

func TestKeepWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := w.instance()
		warm := w.record(func(r *registry.Record) { r.KeepWarm = true })
		cold := w.record(func(r *registry.Record) { r.ServerID, r.ClientID = "cold", "client-2" })
		broken := w.record(func(r *registry.Record) { r.ServerID, r.ClientID, r.KeepWarm = "broken", "", true })
		for range 24 { // 2 h, every 5 minutes, without a single call
			err := e.RefreshDue(t.Context(), []*registry.Record{broken, cold, warm})
			assert.ErrorContains(t, err, "credentials_incomplete", "one that fails is reported and stops nobody")
			w.platform.Wait()
			status, _, err := call(e, warm)
			require.NoError(t, err)
			require.Equal(t, 200, status)
			time.Sleep(5 * time.Minute)
		}
		for _, row := range w.rows {
			assert.Equal(t, token.CauseCron, row.Cause, "no call waited for a mint")
		}
		assert.False(t, strings.Contains(w.log.String(), "cold"))
	})
}

func TestCountersReachTheAnalyticsBinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e, rec := w.instance(), w.record()
		for range 65 {
			_, _, _ = call(e, rec)
			time.Sleep(time.Second)
		}
		w.platform.Wait()
		rows := map[string]float64{}
		for _, p := range w.platform.DataPoints() {
			if p.Index == "counter" {
				rows[p.Blobs[0]+"{"+p.Blobs[1]+"}"] += p.Doubles[0]
			}
		}
		assert.InDelta(t, 60, rows[`grantway_token_resolutions_total{tier="l1",outcome="ok"}`], 2)
		assert.EqualValues(t, 1, rows[`grantway_token_mints_total{cause="miss",outcome="ok"}`])
	})
}
