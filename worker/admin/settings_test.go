package admin_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/seal"
	"github.com/grantway/grantway/worker/usage"
)

func TestTwoAdministratorsEditOneRecord(t *testing.T) {
	g := newGateway(t)
	created := g.must(http.StatusCreated, "POST", "/v1/mcp/server", `{"server_name":"A","slug":"aa","url":"https://a.test/mcp","auth_type":"none"}`)
	etag := created.Header.Get("ETag")

	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range 8 {
		wg.Go(func() {
			r := g.do("PUT", "/v1/mcp/server/aa", fmt.Sprintf(`{"description":"by %d"}`, i), "If-Match", etag)
			mu.Lock()
			statuses[r.StatusCode]++
			mu.Unlock()
		})
	}
	wg.Wait()
	assert.Equal(t, map[int]int{200: 1, 412: 7}, statuses, "one wins, the others are told")

	// Without If-Match changes of different fields do not undo each other.
	fields := []string{"description", "instructions", "source_url", "alias"}
	for _, f := range fields {
		wg.Go(func() {
			v := "x"
			if f == "source_url" {
				v = "https://x.test"
			}
			g.must(http.StatusOK, "PUT", "/v1/mcp/server/aa", fmt.Sprintf(`{%q:%q}`, f, v))
		})
	}
	wg.Wait()
	rec := g.must(http.StatusOK, "GET", "/v1/mcp/server/aa", "").json()
	for _, f := range fields {
		assert.NotEmpty(t, rec[f], f)
	}
}

// The three parts of the settings are one version: who has not seen the other's change is told, with the ETag to go on with.
func TestTwoAdministratorsEditTheSettings(t *testing.T) {
	for path, body := range map[string]string{
		"/v1/settings":         `{"currency":"CHF"}`,
		"/v1/settings/issuers": `{"jwt_issuers":[{"issuer":"https://idp.test","grants":[{"all_servers":true}]}]}`,
		"/v1/settings/sign-in": `{"issuer":"https://idp.test","client_id":"ui","grants":[{"claim":"sub","value":"x","role":"viewer"}]}`,
	} {
		g := newGateway(t)
		etag := g.must(http.StatusOK, "GET", path, "").Header.Get("ETag")
		changed := g.must(http.StatusOK, "PUT", path, body, "If-Match", etag)
		assert.NotEqual(t, etag, changed.Header.Get("ETag"), path)
		late := g.do("PUT", path, body, "If-Match", etag)
		assert.Equal(t, http.StatusPreconditionFailed, late.StatusCode, path)
		assert.Equal(t, "version_conflict", late.code(), path)
		assert.Equal(t, changed.Header.Get("ETag"), late.Header.Get("ETag"), path)
		g.must(http.StatusOK, "PUT", path, body, "If-Match", `"0", `+late.Header.Get("ETag"))

		var wg sync.WaitGroup
		for range 4 { // without If-Match a change is laid over whatever is there
			wg.Go(func() { g.must(http.StatusOK, "PUT", path, body) })
		}
		wg.Wait()
	}
}

func TestSettingsReachOtherInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		other := g.another()
		trusts := func(g *gateway) bool {
			return strings.Contains(g.do("GET", "/.well-known/oauth-protected-resource/mcp", "").text, "https://idp.test")
		}
		const trusting = `{"jwt_issuers":[{"issuer":"https://idp.test","grants":[{"all_servers":true}]}]}`
		g.must(http.StatusOK, "PUT", "/v1/settings/issuers", trusting)
		assert.True(t, trusts(g))
		assert.True(t, trusts(other))
		g.must(http.StatusOK, "PUT", "/v1/settings/issuers", `{"jwt_issuers":[]}`)
		assert.False(t, trusts(g), "at once where it was changed")
		time.Sleep(10 * time.Second)
		assert.False(t, trusts(other), "the documented bound, though nobody has asked meanwhile")

		g.must(http.StatusOK, "PUT", "/v1/settings/issuers", trusting)
		g.must(http.StatusOK, "PUT", "/v1/settings", `{"public_url":"https://public.test"}`)
		where := func() string {
			return g.must(http.StatusOK, "GET", "/.well-known/oauth-protected-resource/mcp", "").json()["resource"].(string)
		}
		assert.Equal(t, "https://public.test/mcp", where(), "at once where it was changed")
		g.Objects = unreachable{}
		time.Sleep(9 * time.Minute)
		assert.Equal(t, "https://public.test/mcp", where(), "the last that is known, while the Directory cannot be reached")
	})
}

// unreachable is a platform whose objects fail.
type unreachable struct{}

func (unreachable) ServeObject(w http.ResponseWriter, _ *http.Request, _ platform.Actor) {
	w.WriteHeader(http.StatusInternalServerError)
}

func TestNamesAreTakenOnce(t *testing.T) {
	g := newGateway(t)
	g.create(`{"server_name":"A","slug":"aa","alias":"Second","url":"https://a.test/mcp","auth_type":"none","empty_prefix":true}`)
	for body, want := range map[string][2]string{
		`{"server_name":"B","slug":"aa"`:                     {"duplicate_slug", "slug"},
		`{"server_name":"a","slug":"bb"`:                     {"duplicate_name", "server_name"},
		`{"server_name":"B","slug":"second"`:                 {"duplicate_slug", "slug"},
		`{"server_name":"B","slug":"bb","alias":"AA"`:        {"duplicate_name", "alias"},
		`{"server_name":"B","slug":"bb","empty_prefix":true`: {"duplicate_empty_prefix", "empty_prefix"},
	} {
		r := g.do("POST", "/v1/mcp/server", body+`,"url":"https://b.test/mcp","auth_type":"none"}`)
		assert.Equal(t, http.StatusConflict, r.StatusCode, body)
		assert.Equal(t, want[0], r.code(), body)
		assert.Contains(t, r.fields(), want[1], body)
	}
	g.must(http.StatusOK, "PUT", "/v1/mcp/server/aa", `{"slug":"cc"}`)
	g.create(`{"server_name":"B","slug":"aa","url":"https://b.test/mcp","auth_type":"none"}`)
}

func TestRequestsThatAreNotRight(t *testing.T) {
	g := newGateway(t)
	g.create(`{"server_name":"A","slug":"aa","url":"https://a.test/mcp","auth_type":"none"}`)
	for name, tc := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		code               string
	}{
		"no JSON":             {"POST", "/v1/mcp/server", `{`, nil, 400, "invalid_json"},
		"another type":        {"POST", "/v1/mcp/server", `a=b`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"},
		"too large":           {"POST", "/v1/mcp/server", `"` + strings.Repeat("x", 300<<10) + `"`, nil, 413, "body_too_large"},
		"another method":      {"DELETE", "/v1/mcp/server", ``, nil, 405, "method_not_allowed"},
		"no such path":        {"GET", "/v1/nothing", ``, nil, 404, "not_found"},
		"no such server":      {"GET", "/v1/mcp/server/zz", ``, nil, 404, "server_not_found"},
		"no id":               {"PUT", "/v1/mcp/server", `{}`, nil, 422, "invalid_record"},
		"unknown parameter":   {"GET", "/v1/mcp/server?colour=red", ``, nil, 400, "invalid_query"},
		"bad limit":           {"GET", "/v1/mcp/server?limit=0", ``, nil, 400, "invalid_query"},
		"bad cursor":          {"GET", "/v1/mcp/server?cursor=x", ``, nil, 400, "invalid_cursor"},
		"bad sort":            {"GET", "/v1/mcp/server?sort=x", ``, nil, 400, "invalid_query"},
		"bad audit cursor":    {"GET", "/v1/audit?cursor=x", ``, nil, 400, "invalid_cursor"},
		"bad time":            {"GET", "/v1/audit?since=yesterday", ``, nil, 400, "invalid_query"},
		"bad span":            {"GET", "/v1/usage?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", ``, nil, 400, "invalid_query"},
		"bad bulk":            {"POST", "/v1/mcp/server/bulk", `{"action":"explode","server_ids":[]}`, nil, 422, "invalid_record"},
		"bad key":             {"POST", "/v1/keys", `{"name":"","servers":["zz"],"role":"king","extra":1}`, nil, 422, "invalid_record"},
		"no such key":         {"GET", "/v1/keys/x", ``, nil, 404, "key_not_found"},
		"bad overlap":         {"POST", "/v1/keys/x/rotate", `{"overlap_seconds":-1}`, nil, 422, "invalid_record"},
		"bad setting":         {"PUT", "/v1/settings", `{"audit_retention_days":0}`, nil, 422, "invalid_record"},
		"bad public URL":      {"PUT", "/v1/settings", `{"public_url":"nowhere"}`, nil, 422, "invalid_record"},
		"oversize record":     {"PUT", "/v1/mcp/server/aa", `{"tool_name_to_description":{` + strings.TrimSuffix(strings.Repeat(`"§":"`+strings.Repeat("x", 3900)+`",`, 60), ",") + `}}`, nil, 413, "record_too_large"},
		"precondition failed": {"DELETE", "/v1/mcp/server/aa", ``, []string{"If-Match", `"99"`}, 412, "version_conflict"},
	} {
		t.Run(name, func(t *testing.T) {
			for i := 0; strings.Contains(tc.body, "§"); i++ {
				tc.body = strings.Replace(tc.body, "§", fmt.Sprint("tool", i), 1)
			}
			r := g.do(tc.method, tc.path, tc.body, tc.headers...)
			assert.Equal(t, tc.status, r.StatusCode, r.text)
			assert.Equal(t, tc.code, r.code())
			assert.NotEmpty(t, r.Header.Get("X-Request-Id"))
		})
	}
	assert.Equal(t, "GET, HEAD, POST, PUT", g.do("DELETE", "/v1/mcp/server", "").Header.Get("Allow"))
}

func TestResealing(t *testing.T) {
	g := newGateway(t)
	for i := range 45 {
		g.create(strings.Replace(m2m, `"CRM"`, fmt.Sprintf(`"CRM %d"`, i), 1))
	}
	next := seal.GenerateKey()
	turned := g.another("GRANTWAY_SEALING_KEY", next, "GRANTWAY_SEALING_KEY_PREVIOUS", sealingKey)
	g.Objects = turned.program
	before := turned.must(http.StatusOK, "GET", "/v1/settings", "").json()["sealing"].(map[string]any)
	assert.Len(t, before["secrets_by_key_id"], 1)

	turned.must(http.StatusAccepted, "POST", "/v1/settings/reseal", "")
	g.Wait()
	state := turned.must(http.StatusOK, "GET", "/v1/settings/reseal", "").json()
	assert.Equal(t, "done", state["state"])
	assert.EqualValues(t, 45, state["done"])
	after := turned.must(http.StatusOK, "GET", "/v1/settings", "").json()["sealing"].(map[string]any)
	assert.Equal(t, map[string]any{after["current_key_id"].(string): 45.0}, after["secrets_by_key_id"])

	// A lost key: said by name, and the others are done.
	lost := g.another("GRANTWAY_SEALING_KEY", seal.GenerateKey())
	g.Objects = lost.program
	lost.must(http.StatusAccepted, "POST", "/v1/settings/reseal", "")
	g.Wait()
	state = lost.must(http.StatusOK, "GET", "/v1/settings/reseal", "").json()
	assert.Equal(t, "failed", state["state"])
	assert.Len(t, state["failed"], 45)
}

// TestResealingEndsWithItsPublication: once it is done, the earlier key may go, so that no copy in
// KV may need it any more.
func TestResealingEndsWithItsPublication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		g.create(m2m)
		g.Wait()
		turned := g.another("GRANTWAY_SEALING_KEY", seal.GenerateKey(), "GRANTWAY_SEALING_KEY_PREVIOUS", sealingKey)
		g.Objects = turned.program
		state := func() any {
			return turned.must(http.StatusOK, "GET", "/v1/settings/reseal", "").json()["state"]
		}
		g.Fault = func(op, _, _ string) error {
			if op == "kv.put" {
				return errors.New("KV is away")
			}
			return nil
		}
		turned.must(http.StatusAccepted, "POST", "/v1/settings/reseal", "")
		g.Wait()
		assert.Equal(t, "running", state())

		g.Fault = nil
		require.NoError(t, turned.program.Housekeep(t.Context()))
		g.Wait()
		assert.Equal(t, "done", state())
	})
}

func TestRepublishRebuildsKV(t *testing.T) {
	g := newGateway(t)
	g.create(`{"server_name":"A","slug":"aa","url":"https://a.test/mcp","auth_type":"none"}`)
	key := g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"k"}`).json()["key"].(string)
	g.Wait()
	kv := g.KV(platform.Config)
	whole, _, err := kv.List(t.Context(), "", 0, "")
	require.NoError(t, err)
	for _, k := range whole {
		require.NoError(t, kv.Delete(t.Context(), k))
	}
	require.NoError(t, kv.Put(t.Context(), "server/ghost", []byte("{}"), 0))
	require.NoError(t, kv.Put(t.Context(), "key/"+strings.Repeat("0", 64), []byte("{}"), 0))
	assert.Equal(t, map[string]any{"servers": 1.0, "keys": 1.0}, g.must(http.StatusAccepted, "POST", "/v1/settings/republish", "").json())
	g.Wait()
	rebuilt, _, err := kv.List(t.Context(), "", 0, "")
	require.NoError(t, err)
	assert.Subset(t, rebuilt, whole)
	assert.NotContains(t, rebuilt, "server/ghost")
	assert.NotContains(t, rebuilt, "key/"+strings.Repeat("0", 64))
	g.must(http.StatusOK, "GET", "/v1/mcp/server", "", "Authorization", "Bearer "+key)
}

func TestUsageIsAddedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		id := g.create(`{"server_name":"A","slug":"aa","url":"https://a.test/mcp","auth_type":"none"}`)["server_id"].(string)
		g.must(http.StatusOK, "PUT", "/v1/settings", `{"currency":"EUR"}`)
		rec := usage.NewRecorder(g.Platform, directory.NewClient(g.Platform), func() map[string]time.Time { return nil })
		for range 3 {
			for i := range 20 {
				rec.Call(t.Context(), usage.Call{ServerID: id, Tool: "forecast", KeyID: "key-1", Latency: time.Duration(i+1) * 10 * time.Millisecond, Failed: i == 0, Cost: 0.1})
			}
			rec.Call(t.Context(), usage.Call{ServerID: id, Tool: "secret", KeyID: "key-2", Denied: true})
			rec.Flush(t.Context())
			time.Sleep(time.Hour)
		}
		u := g.must(http.StatusOK, "GET", "/v1/usage?interval=hour&group_by=tool", "").json()
		assert.Equal(t, "EUR", u["currency"])
		totals := u["totals"].(map[string]any)
		assert.EqualValues(t, 60, totals["calls"])
		assert.EqualValues(t, 3, totals["errors"])
		assert.EqualValues(t, 3, totals["denied"])
		assert.InDelta(t, 6.0, totals["cost"], 1e-9)
		assert.InDelta(t, 190, totals["latency_ms"].(map[string]any)["p95"], 20)
		first := u["data"].([]any)[0].(map[string]any)
		assert.Equal(t, id+"/forecast", first["id"])
		assert.Equal(t, "A / forecast", first["name"])
		assert.Len(t, first["series"], 3)

		rec.Call(t.Context(), usage.Call{ServerID: id, Latency: time.Millisecond})
		rec.Flush(t.Context())
		sparks := g.must(http.StatusOK, "GET", "/v1/usage/sparkline", "").json()["servers"].(map[string]any)
		calls := sparks[id].(map[string]any)["calls"].([]any)
		assert.Len(t, calls, 12)
		assert.EqualValues(t, 1, calls[11])

		time.Sleep(40 * 24 * time.Hour)
		require.NoError(t, g.program.Housekeep(t.Context()))
		for _, e := range everything(t, g) {
			assert.False(t, strings.HasPrefix(e, "usage/h/") || strings.HasPrefix(e, "usage/s/"), "kept too long: %s", e)
		}
	})
}
