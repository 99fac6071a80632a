package contract

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// lostMinters are the ways in which the minters are of no use. The one that hangs does so for longer than the whole suite may
// take: whoever waited for its end would be found out.
func lostMinters() map[string]host.Fault {
	return map[string]host.Fault{
		"cannot be reached": {Op: host.Call, Fail: true},
		"answers errors":    {Fail: true}, // its storage fails
		"hangs":             {Op: host.Call, Delay: time.Hour},
	}
}

// withoutMinters makes the minters be of no use until the end of the test.
func (w *world) withoutMinters(t *testing.T, f host.Fault) (again func()) {
	t.Helper()
	w.fault(t, "MINTER", f)
	again = func() { w.fault(t, "MINTER", host.Fault{}) }
	t.Cleanup(again)
	return again
}

// Without the minter each instance mints for itself, says so, and fails no call that a token could serve.
func TestUnreachableMinter(t *testing.T) {
	environment := goodEnvironment()
	environment["GRANTWAY_MINTER_TIMEOUT_SECONDS"] = "2"
	environment["GRANTWAY_TOKEN_EXPIRY_MARGIN_SECONDS"] = "60" // time enough for calls that wait for it
	w := newWorld(t, host.Options{Env: environment})
	if w == nil {
		return
	}
	for name, fault := range lostMinters() {
		t.Run(name, func(t *testing.T) {
			u, unknown := w.upstream(t, 5*time.Minute), w.upstream(t, 5*time.Minute)
			server := u.create(t, w.gateway)
			require.Empty(t, w.burst(t, server.id, 8))
			first, before := w.whoami(t, server.id).tokenID(t), u.mints()
			degraded := strings.Count(w.host.Log(), "minter unreachable, minting in this instance")
			again := w.withoutMinters(t, fault)

			assert.Empty(t, w.burst(t, server.id, 50))
			assert.Equal(t, before, u.mints(), "a token in hand needs no minter")

			cold := unknown.create(t, w.gateway)
			assert.Empty(t, w.burst(t, cold.id, 50), "nobody has a token")
			mints := unknown.mints()
			assert.GreaterOrEqual(t, mints, 1)
			assert.LessOrEqual(t, mints, w.instances, "one mint of each instance at most")
			unknown.idp.RevokeAll()
			assert.Empty(t, w.burst(t, cold.id, 50), "a token that the server refuses")
			assert.LessOrEqual(t, unknown.mints()-mints, w.instances)

			assert.Greater(t, strings.Count(w.host.Log(), "minter unreachable, minting in this instance"), degraded, "the log says so")
			st := w.admin(t, "GET", "/v1/mcp/server/"+cold.id+"/token", nil).object(t)
			assert.Equal(t, false, st["minter_reachable"])
			assert.Equal(t, "valid", st["state"])
			assert.Contains(t, string(w.admin(t, "GET", "/metrics", nil).text), `grantway_token_degraded_total{part="minter"}`)
			require.Eventually(t, func() bool { // rows are handed over in the background
				w.advance(t, time.Second)
				return strings.Contains(string(w.admin(t, "GET", "/v1/audit?action=token.mint&target="+cold.id, nil).text), `"local":true`)
			}, patience, 50*time.Millisecond, "the audit log says which mints were not the minter's")
			refused(t, w.admin(t, "DELETE", "/v1/mcp/server/"+cold.id+"/token", nil), 503, "minter_unavailable")

			// The authorization server is down besides: what is there is used to its end.
			u.idp.Fail(authserver.Fault{Times: -1, Status: 503})
			w.advance(t, 250*time.Second-w.age(t, server.id)) // within the margin
			assert.Empty(t, w.burst(t, server.id, 8))
			assert.Equal(t, first, w.whoami(t, server.id).tokenID(t))
			u.idp.ClearFaults()
			w.advance(t, time.Minute) // it has ended, and so has the pause after the failures
			assert.Empty(t, w.burst(t, server.id, 8))
			assert.Zero(t, u.mcp.Refused(), "no call carried a token that had ended")

			again()
			w.advance(t, 5*time.Minute)
			assert.Empty(t, w.burst(t, server.id, 8))
			assert.Equal(t, true, w.admin(t, "GET", "/v1/mcp/server/"+server.id+"/token", nil).object(t)["minter_reachable"])
		})
	}
}

// age is that of a server's token.
func (w *world) age(t *testing.T, id string) time.Duration {
	t.Helper()
	issued, err := time.Parse(time.RFC3339, w.admin(t, "GET", "/v1/mcp/server/"+id+"/token", nil).object(t)["issued_at"].(string))
	require.NoError(t, err)
	return w.now().Sub(issued)
}

// Who has a connection, and who is served by the shared one, need no minter while its access token lives.
func TestConnectionsWithoutMinter(t *testing.T) {
	environment := goodEnvironment()
	environment["GRANTWAY_MINTER_TIMEOUT_SECONDS"] = "2"
	w := newWorld(t, host.Options{Env: environment, Instances: 1})
	if w == nil {
		return
	}
	r := &realm{gateway: w.gateway, t: t}
	r.idp = r.authserver(authserver.Options{Registration: true, Now: w.now})
	var err error
	r.server, err = mcpserver.Listen("127.0.0.1:0", mcpserver.Options{Issuer: r.idp.Issuer(), KeysURL: r.idp.KeysURL(), Now: w.now})
	require.NoError(t, err)
	t.Cleanup(func() { r.server.Close() })
	r.add("files", "")
	alice, bob := r.key("alice"), r.key("bob")
	connect := func(key, body string) {
		b := newBrowser(t)
		resp, page := b.get(b.authorize(r.begin(b, key, "files", body)))
		require.Equal(t, http.StatusOK, resp.StatusCode, page)
	}
	connect(alice, "")
	connect(w.adminKey, `{"shared":true}`)
	served := func(key string) {
		t.Helper()
		status, body := r.call(key, "files")
		assert.Equal(t, http.StatusOK, status, body)
	}
	served(alice)
	served(bob)
	for name, fault := range lostMinters() {
		t.Run(name, func(t *testing.T) {
			again := w.withoutMinters(t, fault)
			for range 3 {
				served(alice)
				served(bob)
				w.advance(t, 10*time.Second) // an instance asks now and then whether bob has a connection of his own
			}
			status, body := r.call(r.key("carol"), "files")
			assert.Equal(t, http.StatusServiceUnavailable, status, "whether she has one is not known: nobody else's serves her: %s", body)
			again()
			w.advance(t, time.Minute)
			served(alice)
			served(bob)
		})
	}
}
