package contract

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
)

// The management API on stores that fail. Package worker/directory has the same cases for the in-process run.

func (w *world) fault(t *testing.T, namespace string, f host.Fault) {
	t.Helper()
	require.NoError(t, w.host.SetFault(namespace, f))
}

func TestStoresThatFailUnderTheManagement(t *testing.T) {
	w := newWorld(t, host.Options{Instances: 1})
	if w == nil {
		return
	}
	m := newManaged(t, w.gateway)

	// Full: every change says so, and changes nothing.
	before := w.want(t, 200, "GET", "/v1/export", nil).text
	w.fault(t, "DIRECTORY", host.Fault{Full: true})
	for _, o := range management() {
		if slices.Contains(o.errors, "507 storage_full") {
			refused(t, w.admin(t, o.method, m.path(o), m.body(o)), 507, "storage_full")
		}
	}
	w.fault(t, "DIRECTORY", host.Fault{})
	assert.Equal(t, string(before), string(w.want(t, 200, "GET", "/v1/export", nil).text), "nothing was changed")
	assert.Equal(t, true, w.want(t, 200, "GET", "/v1/audit/verify", nil).object(t)["ok"])

	// Somebody else is always faster.
	w.fault(t, "DIRECTORY", host.Fault{Op: "get", Key: "seq", Value: []byte("999999999")})
	refused(t, w.admin(t, "POST", "/v1/mcp/server", plainServer(name("busy"))), 503, "directory_busy")
	w.fault(t, "DIRECTORY", host.Fault{Fail: true})
	refused(t, w.admin(t, "POST", "/v1/mcp/server", plainServer(name("down"))), 503, "directory_unavailable")
	refused(t, w.admin(t, "GET", "/v1/keys", nil), 503, "directory_unavailable")
	w.fault(t, "DIRECTORY", host.Fault{})
	w.want(t, 201, "POST", "/v1/mcp/server", plainServer(name("again")))

	// A session that cannot be looked up counts for nothing, and one that cannot be ended is said to be alive.
	in := w.anonymous(t, "POST", "/v1/session", map[string]any{"key": w.adminKey})
	require.Equal(t, 200, in.StatusCode, "%s", in.text)
	cookie := []string{"Cookie", in.Cookies()[0].Name + "=" + in.Cookies()[0].Value, "X-Grantway-CSRF", "1"}
	w.fault(t, "CONFIG", host.Fault{Op: "get", Key: "session-ended/", Fail: true})
	refused(t, w.anonymous(t, "GET", "/v1/session", nil, cookie...), 503, "session_unverified")
	w.fault(t, "CONFIG", host.Fault{Op: "put", Key: "session-ended/", Fail: true})
	refused(t, w.anonymous(t, "DELETE", "/v1/session", nil, cookie...), 503, "sign_out_failed")
	w.fault(t, "CONFIG", host.Fault{})
	refused(t, w.anonymous(t, "POST", "/v1/session", map[string]any{"key": w.adminKey}, "Host", "gateway.example"), 403, "https_required")
	limited := false
	for range 30 { // the attempts of one address are limited
		a := w.anonymous(t, "POST", "/v1/session", map[string]any{"key": "wrong"})
		if limited = a.StatusCode == 429; limited {
			refused(t, a, 429, "rate_limited")
			assert.NotEmpty(t, a.Header.Get("Retry-After"))
			break
		}
		refused(t, a, 401, "unauthorized")
	}
	assert.True(t, limited)
}

// A KV that shows for a minute what was there before: an edit is effective at once where it was made, and needs KV no further.
func TestAKVThatLagsBehindAnEdit(t *testing.T) {
	w := newWorld(t, host.Options{Instances: 1})
	if w == nil {
		return
	}
	s := &scripted{}
	f := &fixture{t: t, servers: map[string]*scripted{"s": s}, captured: map[string]string{}}
	f.start(w.gateway, "lagging raw")
	s = f.servers["lagging"]
	serves := func(slug string) bool {
		a := w.admin(t, "GET", "/mcp-rest/tools/list?server_id="+slug, nil)
		return a.StatusCode != 404
	}
	require.True(t, serves(s.slug))
	w.fault(t, "CONFIG", host.Fault{Op: "put", Fail: true})
	next := name("renamed")
	w.want(t, 200, "PUT", "/v1/mcp/server/"+s.slug, map[string]any{"slug": next, "server_name": next})
	for range 6 {
		assert.False(t, serves(s.slug), "the old name")
		assert.True(t, serves(next), "the new name")
		w.advance(t, 10*time.Second)
	}
	w.fault(t, "CONFIG", host.Fault{})
	require.NoError(t, w.host.Housekeep(), "what was not published is published by the cron trigger")
	w.advance(t, 3*time.Minute)
	assert.Eventually(t, func() bool { return !serves(s.slug) && serves(next) }, patience, 100*time.Millisecond, "and known from KV now")
}

// The last admin cannot lock everybody out, and the bootstrap key can be switched off once there is another.
func TestTheBootstrapKeyIsSwitchedOff(t *testing.T) {
	g, stop := startGateway(t, goodEnvironment())
	defer func() { assert.NoError(t, stop()) }()
	for _, method := range []string{"PUT", "PATCH"} {
		refused(t, g.admin(t, method, "/v1/settings", map[string]any{"bootstrap_key_disabled": true}), 409, "last_admin")
	}
	made := g.want(t, 201, "POST", "/v1/keys", map[string]any{"name": "boss", "role": "admin"}).object(t)
	path, bootstrap := "/v1/keys/"+made["id"].(string), g.adminKey
	boss := *g
	boss.adminKey = made["key"].(string)
	boss.want(t, 200, "PUT", "/v1/settings", map[string]any{"bootstrap_key_disabled": true})
	assert.Eventually(t, func() bool {
		a, err := g.send(t.Context(), "GET", "/v1/keys", nil, "Authorization", "Bearer "+bootstrap)
		return err == nil && a.StatusCode == 401
	}, patience, 100*time.Millisecond, "every instance hears of it")
	file := map[string]any{"grantway": 1, "keys": []any{map[string]any{"name": "boss", "hash": fmt.Sprintf("%x", sha256.Sum256([]byte(boss.adminKey))), "prefix": boss.adminKey[:8], "role": "viewer"}}}
	refused(t, boss.admin(t, "POST", "/v1/import", file), 409, "last_admin")
	for method, body := range map[string]any{"PUT": map[string]any{"role": "viewer"}, "PATCH": map[string]any{"disabled": true}, "DELETE": nil} {
		refused(t, boss.admin(t, method, path, body), 409, "last_admin")
	}
	boss.want(t, 200, "PUT", "/v1/settings", map[string]any{"bootstrap_key_disabled": nil})
	boss.want(t, 204, "DELETE", path, nil)
}

// A sealing key that was lost, and one that was changed as it should be.
func TestSealingKeysChange(t *testing.T) {
	if hostName == "memory" {
		return
	}
	dir := t.TempDir()
	environment := goodEnvironment()
	w := &world{}
	live := func(change map[string]string, then func()) {
		maps.Copy(environment, change)
		w.start(t, options(host.Options{Env: environment, DataDir: dir, Instances: 1}))
		defer func() { require.NoError(t, w.host.Stop()) }()
		then()
	}
	first := environment["GRANTWAY_SEALING_KEY"]
	second, third := goodEnvironment()["GRANTWAY_SEALING_KEY"], goodEnvironment()["GRANTWAY_SEALING_KEY"]
	u := newUpstream(t)
	record := u.record()
	record["static_headers"] = map[string]string{"X-Api-Key": "s3cret-header", "X-Plain": "plain"}
	var path, slug string
	resealed := func(state string) map[string]any {
		w.want(t, 202, "POST", "/v1/settings/reseal", nil)
		var now map[string]any
		require.Eventually(t, func() bool {
			now = w.want(t, 200, "GET", "/v1/settings/reseal", nil).object(t)
			return now["state"] != "running"
		}, patience, 50*time.Millisecond)
		require.Equal(t, state, now["state"], "%v", now)
		return now
	}
	calls := func() int {
		return w.admin(t, "POST", "/mcp-rest/tools/call", map[string]any{"server_id": slug, "name": "add", "arguments": map[string]any{"a": 1, "b": 2}}).StatusCode
	}
	live(nil, func() {
		a := w.want(t, 201, "POST", "/v1/mcp/server", record).object(t)
		path, slug = "/v1/mcp/server/"+a["server_id"].(string), a["slug"].(string)
		require.Equal(t, 200, calls())
	})
	live(map[string]string{"GRANTWAY_SEALING_KEY": second}, func() { // the first one is lost
		id := strings.TrimPrefix(path, "/v1/mcp/server/")
		mints := u.mints()
		for _, o := range management() {
			if !slices.Contains(o.errors, "503 secret_unreadable") {
				continue
			}
			body := any(map[string]any{"server_id": id, "static_headers": map[string]string{"X-Api-Key": "***"}})
			switch o.path {
			case "/v1/export":
				body = (&managed{}).body(o)
			case "/v1/import":
				body = map[string]any{"grantway": 1, "servers": []any{with(record, "static_headers", map[string]string{"X-Api-Key": "***"})}}
			}
			refused(t, w.admin(t, o.method, strings.ReplaceAll(o.path, "{id}", id), body), 503, "secret_unreadable")
		}
		assert.GreaterOrEqual(t, calls(), 500, "nothing is sent")
		assert.Equal(t, mints, u.mints())
		w.want(t, 200, "GET", path, nil)
		failed := resealed("failed")["failed"]
		assert.Contains(t, fmt.Sprint(failed), id, "the server is named")
		w.want(t, 200, "PUT", path, map[string]any{"credentials": map[string]any{"client_secret": u.client.Secrets[0]}, "static_headers": map[string]string{"X-Api-Key": "s3cret-again"}})
		assert.Equal(t, 200, calls(), "entered again")
		resealed("done")
	})
	live(map[string]string{"GRANTWAY_SEALING_KEY": third, "GRANTWAY_SEALING_KEY_PREVIOUS": second}, func() { // changed
		assert.Equal(t, 200, calls())
		resealed("done")
		sealing := w.want(t, 200, "GET", "/v1/settings", nil).object(t)["sealing"].(map[string]any)
		assert.Equal(t, []string{sealing["current_key_id"].(string)}, slices.Collect(maps.Keys(sealing["secrets_by_key_id"].(map[string]any))))
	})
	live(map[string]string{"GRANTWAY_SEALING_KEY_PREVIOUS": ""}, func() { assert.Equal(t, 200, calls(), "the old key can go") })
	assert.NotEqual(t, first, environment["GRANTWAY_SEALING_KEY"])
}

// A host that is killed while it writes loses nothing that it has acknowledged, and keeps no half of anything.
func TestKilledWhileItWrites(t *testing.T) {
	if hostName != "workerd" {
		return // hostsim's own tests kill its command
	}
	o := options(host.Options{DataDir: t.TempDir()})
	w := &world{}
	w.start(t, o)
	var mu sync.Mutex
	var made []string
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				slug := name("killed")
				a, err := w.send(t.Context(), "POST", "/v1/mcp/server", plainServer(slug), "Authorization", "Bearer "+w.adminKey)
				if err != nil {
					return
				}
				mu.Lock()
				if a.StatusCode == 201 {
					made = append(made, slug)
				}
				enough := len(made) == 25
				mu.Unlock()
				if enough {
					_ = w.host.Kill()
					return
				}
			}
		})
	}
	wg.Wait()
	w.start(t, o)
	defer func() { assert.NoError(t, w.host.Stop()) }()
	require.NoError(t, w.host.Housekeep())
	for _, slug := range made {
		w.want(t, 200, "GET", "/v1/mcp/server/"+slug, nil)
	}
	assert.Equal(t, true, w.want(t, 200, "GET", "/v1/audit/verify", nil).object(t)["ok"])
	page := w.want(t, 200, "GET", "/v1/mcp/server?limit=200", nil).object(t)
	rows := w.want(t, 200, "GET", "/v1/audit?action=server.create&limit=200", nil).object(t)
	assert.Len(t, rows["data"], int(page["total"].(float64)), "each server and its row, or neither")
}
