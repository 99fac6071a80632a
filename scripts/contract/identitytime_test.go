package contract

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// TestIdentitiesOverTime: keys of an issuer that rotate, are asked for in vain and are out of reach, and a connection that is
// renewed once for all who wait for it. The in-process run has no clock to set; packages jwt and token have these cases there.
func TestIdentitiesOverTime(t *testing.T) {
	w := newWorld(t, host.Options{})
	if w == nil {
		return
	}
	r := &realm{gateway: w.gateway, t: t}
	r.m2m("demo")
	issuer := r.authserver(authserver.Options{Now: w.now, TokenLifetime: 3 * time.Hour, Clients: []authserver.Client{{ID: "agent", Secrets: []string{"s"}}}})
	var asked, down atomic.Int64
	keys := newServer(t, func(rw http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if down.Load() > 0 {
			rw.WriteHeader(http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(rw).Encode(issuer.Keys())
	})
	r.trust(map[string]any{"issuer": issuer.Issuer(), "jwks_url": keys, "grants": []any{map[string]any{"all_servers": true}}})
	w.advance(t, 11*time.Second) // every instance follows
	token := func() string { return mint(t, issuer, "agent", "s", forResource(w.url+"/mcp/demo")) }
	status := func(token string) int {
		status, _ := r.call(token, "demo")
		return status
	}

	require.Equal(t, http.StatusOK, status(token()))
	require.NoError(t, issuer.RotateKeys(false))
	rotated := token()
	w.advance(t, 31*time.Second)
	require.Equal(t, http.StatusOK, status(rotated), "a new key is fetched, half a minute after the last fetch at the latest")

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	w.advance(t, 31*time.Second)
	before := asked.Load()
	for i := range 12 { // all within the half minute in which the issuer is asked once
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: fmt.Sprint("invented-", i)}}, nil)
		require.NoError(t, err)
		forged, err := jwt.Signed(signer).Claims(map[string]any{"iss": issuer.Issuer(), "sub": "agent", "aud": w.url + "/mcp/demo", "exp": w.now().Add(time.Hour).Unix()}).Serialize()
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, status(forged))
	}
	assert.LessOrEqual(t, asked.Load()-before, int64(w.instances), "invented keys cost the issuer one request an instance")

	require.Equal(t, http.StatusOK, status(rotated))
	down.Store(1)
	w.advance(t, 11*time.Minute)
	assert.Equal(t, http.StatusOK, status(rotated), "known keys serve on while the issuer is down")
	w.advance(t, time.Hour)
	assert.Equal(t, http.StatusServiceUnavailable, status(rotated), "but not for ever")
	down.Store(0)

	// A connection.
	r.idp = r.authserver(authserver.Options{Registration: true, Now: w.now, TokenLifetime: 10 * time.Minute})
	r.server, err = mcpserver.Listen("127.0.0.1:0", mcpserver.Options{Issuer: r.idp.Issuer(), KeysURL: r.idp.KeysURL(), Now: w.now})
	require.NoError(t, err)
	t.Cleanup(func() { r.server.Close() })
	r.add("files", "")
	alice, b := r.key("alice"), newBrowser(t)
	resp, page := b.get(b.authorize(r.begin(b, alice, "files", "")))
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	for round := 1; round <= 3; round++ {
		w.advance(t, 11*time.Minute) // the access token is expired
		before := r.idp.Stats().TokenRequests
		var failed atomic.Int64
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				a, err := w.send(t.Context(), "POST", "/mcp/files", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
					"Authorization", "Bearer "+alice, "Accept", "application/json, text/event-stream", "Mcp-Protocol-Version", "2025-11-25")
				if err != nil || a.StatusCode != http.StatusOK {
					if failed.Add(1) == 1 {
						t.Logf("%v %s", err, a.text)
					}
				}
			})
		}
		all.Wait()
		assert.Zero(t, failed.Load(), "round %d", round)
		assert.Equal(t, 1, r.idp.Stats().TokenRequests-before, "one refresh for all callers and instances, with the refresh token of the last one")
	}
}
