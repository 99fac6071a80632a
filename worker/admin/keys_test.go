package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeyLifeCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		server := g.create(`{"server_name":"Weather","url":"https://weather.test/mcp","auth_type":"none"}`)
		other := g.create(`{"server_name":"Other","url":"https://other.test/mcp","auth_type":"none"}`)

		made := g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"ci","owner":"team","servers":["weather"],"tools":{"Weather":["forecast"]}}`).json()
		secret, id := made["key"].(string), made["id"].(string)
		assert.Regexp(t, `^gw_[A-Za-z0-9_-]{49}$`, secret)
		assert.Equal(t, secret[:7], made["prefix"])
		assert.Equal(t, []any{server["server_id"]}, made["servers"], "a slug becomes the id")
		assert.Contains(t, made["tools"], server["server_id"])
		assert.NotContains(t, g.must(http.StatusOK, "GET", "/v1/keys/"+id, "").text, secret, "shown once")

		// A caller sees the servers it may call, and nothing of how they are reached.
		mine := g.must(http.StatusOK, "GET", "/v1/mcp/server", "", "Authorization", "Bearer "+secret)
		assert.Contains(t, mine.text, "weather")
		assert.NotContains(t, mine.text, "other")
		assert.NotContains(t, mine.text, "https://weather.test")
		assert.Equal(t, http.StatusNotFound, g.do("GET", "/v1/mcp/server/other", "", "Authorization", "Bearer "+secret).StatusCode)
		denied := g.do("POST", "/v1/mcp/server", `{}`, "Authorization", "Bearer "+secret)
		assert.Equal(t, http.StatusForbidden, denied.StatusCode)

		// Rotation: both work until the overlap ends.
		rotated := g.must(http.StatusOK, "POST", "/v1/keys/"+id+"/rotate", `{"overlap_seconds":60}`).json()
		next := rotated["key"].(string)
		assert.NotEqual(t, secret, next)
		assert.NotEmpty(t, rotated["previous_expires_at"])
		enters := func(key string) bool {
			return g.do("GET", "/v1/mcp/server", "", "Authorization", "Bearer "+key).StatusCode == http.StatusOK
		}
		assert.True(t, enters(secret))
		assert.True(t, enters(next))
		time.Sleep(61 * time.Second)
		assert.False(t, enters(secret))
		assert.True(t, enters(next))

		// Disabled, expired, revoked.
		g.must(http.StatusOK, "PUT", "/v1/keys/"+id, `{"disabled":true}`)
		assert.False(t, enters(next))
		g.must(http.StatusOK, "PUT", "/v1/keys/"+id, `{"disabled":false,"expires_at":"`+time.Now().Add(time.Minute).UTC().Format(time.RFC3339)+`"}`)
		assert.True(t, enters(next))
		time.Sleep(2 * time.Minute)
		assert.False(t, enters(next))
		assert.Equal(t, "expired", g.must(http.StatusOK, "GET", "/v1/keys/"+id, "").json()["status"])
		g.must(http.StatusOK, "PUT", "/v1/keys/"+id, `{"expires_at":null}`)
		assert.True(t, enters(next))
		g.must(http.StatusNoContent, "DELETE", "/v1/keys/"+id, "")
		assert.False(t, enters(next))
		assert.Equal(t, "key_not_found", g.do("GET", "/v1/keys/"+id, "").code())
		_ = other
	})
}

func TestKeysAreListedFilteredAndPaged(t *testing.T) {
	g := newGateway(t)
	g.create(`{"server_name":"A","slug":"aa","url":"https://a.test/mcp","auth_type":"none","mcp_access_groups":["blue"]}`)
	for _, body := range []string{
		`{"name":"one","role":"admin"}`, `{"name":"two","servers":["aa"]}`, `{"name":"three","groups":["blue"]}`, `{"name":"the four"}`, `{"name":"five","role":"viewer"}`,
	} {
		g.must(http.StatusCreated, "POST", "/v1/keys", body)
	}
	names := func(path string) (names []string, next string) {
		r := g.must(http.StatusOK, "GET", path, "").json()
		for _, k := range r["data"].([]any) {
			names = append(names, k.(map[string]any)["name"].(string))
		}
		next, _ = r["next_cursor"].(string)
		return names, next
	}
	got, next := names("/v1/keys?sort=name&limit=2")
	assert.Equal(t, []string{"five", "one"}, got)
	got, next = names("/v1/keys?sort=name&limit=2&cursor=" + next)
	assert.Equal(t, []string{"the four", "three"}, got)
	got, next = names("/v1/keys?sort=name&limit=2&cursor=" + next)
	assert.Equal(t, []string{"two"}, got)
	assert.Empty(t, next)
	got, _ = names("/v1/keys?role=viewer")
	assert.Equal(t, []string{"five"}, got)
	got, _ = names("/v1/keys?server_id=aa&sort=name")
	assert.Equal(t, []string{"one", "three", "two"}, got, "admins, groups and grants")
	// The text is looked for in the random prefix and id as well: a space is in neither.
	got, _ = names("/v1/keys?q=e+fo")
	assert.Equal(t, []string{"the four"}, got)
}

func TestDeletingAServerTakesItsGrantsAway(t *testing.T) {
	g := newGateway(t)
	id := g.create(`{"server_name":"A","slug":"aa","url":"https://a.test/mcp","auth_type":"none"}`)["server_id"].(string)
	key := g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"k","servers":["aa"],"tools":{"aa":["t"]}}`).json()["id"].(string)
	g.must(http.StatusNoContent, "DELETE", "/v1/mcp/server/aa", "")
	g.Wait() // an id is never used again: until its grants are gone they grant nothing
	k := g.must(http.StatusOK, "GET", "/v1/keys/"+key, "").json()
	assert.Empty(t, k["servers"])
	assert.Empty(t, k["tools"])
	for _, e := range everything(t, g) {
		if !strings.HasPrefix(e, "audit/") {
			assert.NotContains(t, e, id, "no copy and no grant is left")
		}
	}
}

func TestRevocationReachesOtherInstancesWithinTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t)
		far := g.another()
		made := g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"k","role":"viewer"}`).json()
		auth := []string{"Authorization", "Bearer " + made["key"].(string)}
		require.Equal(t, http.StatusOK, far.do("GET", "/v1/keys", "", auth...).StatusCode)
		g.must(http.StatusNoContent, "DELETE", "/v1/keys/"+made["id"].(string), "")
		assert.Equal(t, http.StatusUnauthorized, g.do("GET", "/v1/keys", "", auth...).StatusCode, "at once where it was revoked")
		time.Sleep(5 * time.Second)
		assert.Equal(t, http.StatusUnauthorized, far.do("GET", "/v1/keys", "", auth...).StatusCode, "5 s elsewhere")
	})
}

func TestTheLastAdministratorStays(t *testing.T) {
	g := newGateway(t)
	r := g.do("PUT", "/v1/settings", `{"bootstrap_key_disabled":true}`)
	assert.Equal(t, http.StatusConflict, r.StatusCode)
	assert.Equal(t, "last_admin", r.code())

	made := g.must(http.StatusCreated, "POST", "/v1/keys", `{"name":"boss","role":"admin"}`).json()
	boss := []string{"Authorization", "Bearer " + made["key"].(string)}
	g.must(http.StatusOK, "PUT", "/v1/settings", `{"bootstrap_key_disabled":true}`, boss...)
	assert.Equal(t, http.StatusUnauthorized, g.do("GET", "/v1/keys", "").StatusCode, "the bootstrap key is off")

	path := "/v1/keys/" + made["id"].(string)
	for _, try := range []reply{
		g.do("DELETE", path, "", boss...),
		g.do("PUT", path, `{"role":"viewer"}`, boss...),
		g.do("PUT", path, `{"disabled":true}`, boss...),
	} {
		assert.Equal(t, "last_admin", try.code())
	}
	g.must(http.StatusOK, "PUT", "/v1/settings", `{"bootstrap_key_disabled":false}`, boss...)
	g.must(http.StatusOK, "GET", "/v1/keys", "")
	g.must(http.StatusNoContent, "DELETE", path, "")
}
