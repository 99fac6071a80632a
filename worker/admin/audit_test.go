package admin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/platform"
)

func (g *gateway) rows(query string) (rows []map[string]any, next string) {
	g.t.Helper()
	r := g.must(http.StatusOK, "GET", "/v1/audit"+query, "").json()
	for _, x := range r["data"].([]any) {
		rows = append(rows, x.(map[string]any))
	}
	next, _ = r["next_cursor"].(string)
	return rows, next
}

func TestEveryChangeIsRecorded(t *testing.T) {
	g := newGateway(t)
	id := g.create(`{"server_name":"A","slug":"aa","url":"https://a.test/mcp?token=s3cret","auth_type":"none"}`)["server_id"].(string)
	g.must(http.StatusOK, "PUT", "/v1/mcp/server/aa", `{"description":"new"}`, "X-Request-Id", "request-7")
	key := g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"k"}`).json()["id"].(string)
	g.must(http.StatusOK, "POST", "/v1/keys/"+key+"/rotate", "")
	g.must(http.StatusNoContent, "DELETE", "/v1/keys/"+key, "")
	g.must(http.StatusOK, "PUT", "/v1/settings", `{"audit_retention_days":30}`)
	g.must(http.StatusOK, "POST", "/v1/mcp/server/bulk", `{"action":"disable","server_ids":["aa","nope"]}`)
	g.must(http.StatusNoContent, "DELETE", "/v1/mcp/server/aa", "")

	rows, _ := g.rows("")
	var actions []string
	for _, r := range rows {
		actions = append(actions, r["action"].(string))
		assert.Equal(t, "bootstrap", r["actor"].(map[string]any)["id"])
	}
	assert.Equal(t, []string{"server.delete", "server.disable", "settings.update", "key.revoke", "key.rotate", "key.create", "server.update", "server.create"}, actions)

	rows, _ = g.rows("?action=server.update&target=" + id)
	require.Len(t, rows, 1)
	assert.Equal(t, map[string]any{"description": "new"}, rows[0]["after"])
	assert.NotContains(t, rows[0], "before", "there was no description")
	assert.Equal(t, "request-7", rows[0]["request_id"])
	rows, _ = g.rows("?action=server.*&q=s3cret")
	assert.Empty(t, rows, "query strings of URLs are masked")

	page, next := g.rows("?limit=3")
	assert.Len(t, page, 3)
	more, _ := g.rows("?limit=3&cursor=" + next)
	assert.EqualValues(t, page[2]["seq"].(float64)-1, more[0]["seq"])

	lines := strings.Split(strings.TrimSpace(g.must(http.StatusOK, "GET", "/v1/audit/export?action=key.*", "").text), "\n")
	assert.Len(t, lines, 3)
	assert.Contains(t, lines[0], "key.create", "oldest first")
}

func TestTheChainNoticesTampering(t *testing.T) {
	for name, tamper := range map[string]func(t *testing.T, st platform.Storage, rows []platform.Entry){
		"a changed row": func(t *testing.T, st platform.Storage, rows []platform.Entry) {
			require.NoError(t, st.Put(t.Context(), rows[2].Key, []byte(strings.Replace(string(rows[2].Value), "server.create", "server.delete", 1))))
		},
		"a missing row": func(t *testing.T, st platform.Storage, rows []platform.Entry) {
			require.NoError(t, st.Delete(t.Context(), rows[2].Key))
		},
		"the newest row missing": func(t *testing.T, st platform.Storage, rows []platform.Entry) {
			require.NoError(t, st.Delete(t.Context(), rows[4].Key))
		},
		"the oldest row missing": func(t *testing.T, st platform.Storage, rows []platform.Entry) {
			require.NoError(t, st.Delete(t.Context(), rows[0].Key))
		},
		"two rows exchanged": func(t *testing.T, st platform.Storage, rows []platform.Entry) {
			require.NoError(t, st.Put(t.Context(), rows[1].Key, rows[2].Value))
			require.NoError(t, st.Put(t.Context(), rows[2].Key, rows[1].Value))
		},
		"a row that is no row": func(t *testing.T, st platform.Storage, rows []platform.Entry) {
			require.NoError(t, st.Put(t.Context(), rows[3].Key, []byte("x")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			for _, s := range []string{"aa", "bb", "cc", "dd", "ee"} {
				g.create(`{"server_name":"` + s + `","url":"https://a.test/mcp","auth_type":"none"}`)
			}
			v := g.must(http.StatusOK, "GET", "/v1/audit/verify", "").json()
			require.Equal(t, true, v["ok"])
			require.EqualValues(t, 5, v["rows"])
			st := g.Storage(platform.Directory, "main")
			rows, err := st.List(context.Background(), platform.ListOptions{Prefix: "audit/"})
			require.NoError(t, err)
			tamper(t, st, rows)
			v = g.must(http.StatusOK, "GET", "/v1/audit/verify", "").json()
			assert.Equal(t, false, v["ok"])
			assert.NotEmpty(t, v["reason"])
		})
	}
}

func TestRetentionKeepsTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		g.must(http.StatusOK, "PUT", "/v1/settings", `{"audit_retention_days":2}`)
		for range 4 {
			g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"k"}`)
			time.Sleep(24 * time.Hour)
			require.NoError(t, g.program.Housekeep(t.Context()))
		}
		v := g.must(http.StatusOK, "GET", "/v1/audit/verify", "").json()
		assert.Equal(t, true, v["ok"])
		assert.EqualValues(t, 2, v["rows"])
		assert.Greater(t, v["first_seq"], 1.0)
	})
}

func TestDeniedCallsInALoopFillOneRow(t *testing.T) {
	g := newGateway(t)
	viewer := g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"v","role":"viewer"}`).json()["key"].(string)
	for range 50 {
		assert.Equal(t, http.StatusForbidden, g.do("POST", "/v1/keys", `{"name":"x"}`, "Authorization", "Bearer "+viewer).StatusCode)
	}
	rows, _ := g.rows("?action=call.denied")
	require.Len(t, rows, 1)
	var detail map[string]any
	b, err := json.Marshal(rows[0]["detail"])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &detail))
	assert.EqualValues(t, 49, detail["repeated"])
}

func TestAuditIsFilteredByActorAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		made := g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"boss","role":"admin"}`).json()
		boss, id := []string{"Authorization", "Bearer " + made["key"].(string)}, "key:"+made["id"].(string)
		time.Sleep(time.Hour)
		noon := time.Now()
		g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"second"}`, boss...)
		time.Sleep(time.Hour)
		g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"third"}`)
		at := func(d time.Duration) string { return noon.Add(d).UTC().Format(time.RFC3339) }
		for query, want := range map[string]int{
			"?actor=boss": 1, "?actor=" + id: 1, "?actor=bootstrap": 2, "?actor=nobody": 0, "?actor=b*": 3,
			"?since=" + at(0): 2, "?until=" + at(0): 1, "?since=" + at(-time.Minute) + "&until=" + at(time.Minute): 1, "?actor=bootstrap&since=" + at(0): 1,
		} {
			rows, _ := g.rows(query)
			assert.Len(t, rows, want, query)
		}
		assert.Equal(t, "invalid_query", g.do("GET", "/v1/audit?since=yesterday", "").code())
	})
}

func TestUnknownCallersAreRecorded(t *testing.T) {
	g := newGateway(t)
	for range 50 {
		assert.Equal(t, http.StatusUnauthorized, g.do("GET", "/v1/keys", "", "Authorization", "").StatusCode)
		assert.Equal(t, http.StatusUnauthorized, g.do("POST", "/mcp/x", `{}`, "Authorization", "Bearer gw_s3cret").StatusCode)
		assert.Contains(t, []int{http.StatusUnauthorized, http.StatusTooManyRequests}, g.do("POST", "/v1/session", `{"key":"gw_s3cret"}`, "Authorization", "").StatusCode)
	}
	rows, _ := g.rows("?outcome=denied&actor=anonymous")
	reasons := map[string]int{}
	for _, r := range rows {
		assert.NotEmpty(t, r["actor"].(map[string]any)["ip"])
		reasons[r["action"].(string)+" "+r["detail"].(map[string]any)["code"].(string)]++
	}
	assert.Equal(t, map[string]int{"call.denied unauthorized": 2, "session.create unauthorized": 1, "session.create rate_limited": 1}, reasons)
	all, err := json.Marshal(rows)
	require.NoError(t, err)
	assert.NotContains(t, string(all), "s3cret")
}
