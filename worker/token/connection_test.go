package token_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

// interactive is a server that needs a person's authorization, and an authorization
// server that rotates refresh tokens: a second use of one ends the connection.
type interactive struct {
	*world
	rec  *registry.Record
	mu   sync.Mutex
	live map[string]bool // refresh tokens that are good
}

func newInteractive(t *testing.T) *interactive {
	w := &interactive{world: newWorld(t), live: map[string]bool{}}
	w.rec = w.record(func(r *registry.Record) {
		r.OAuth2Flow, r.ClientID, r.TokenURL, r.TokenEndpointAuthMethod = registry.FlowAuthorizationCode, "", "", ""
		r.Secrets = map[string]registry.SealedSecret{}
	})
	w.fail(func(n int, _ *http.Request, form url.Values) *http.Response {
		w.mu.Lock()
		defer w.mu.Unlock()
		old := form.Get("refresh_token")
		if form.Get("grant_type") != "refresh_token" || !w.live[old] {
			return reply(400, "application/json", `{"error":"invalid_grant"}`)
		}
		delete(w.live, old)
		next := fmt.Sprintf("refresh-%d", n)
		w.live[next] = true
		resp := w.token(n, strconv.Itoa(w.life), time.Duration(w.life)*time.Second)
		resp.Body.Close()
		return reply(200, "application/json", fmt.Sprintf(`{"access_token":"token-%d","token_type":"Bearer","expires_in":%d,"refresh_token":%q}`, n, w.life, next))
	})
	return w
}

// connect authorizes the gateway for a subject with a token of this name.
func (w *interactive) connect(e *token.Engine, subject, name string) {
	w.t.Helper()
	w.mu.Lock()
	w.live["refresh-"+name] = true
	w.mu.Unlock()
	now := time.Now()
	w.world.mu.Lock()
	w.issued[name] = now.Add(time.Duration(w.life) * time.Second)
	w.world.mu.Unlock()
	require.NoError(w.t, e.Connect(context.Background(), w.rec, token.Connection{
		Subject: subject, TokenURL: tokenURL, Issuer: "https://idp.example.com", ClientID: "gw", Method: registry.ClientAuthNone, Registered: true,
		RefreshToken: "refresh-" + name, ConnectedAt: now, ConnectedBy: subject,
	}, &oauth.Token{AccessToken: name, IssuedAt: now, ExpiresAt: now.Add(time.Duration(w.life) * time.Second)}))
}

func as(id string) *access.Principal { return &access.Principal{ID: id} }

func (w *interactive) as(e *token.Engine, id string) string {
	_, body, err := callAs(context.Background(), e, w.rec, as(id))
	if err != nil {
		return problem.From(err).Code
	}
	return body
}

func TestConnectionsAreKeptApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInteractive(t)
		a, b := w.instance(), w.instance()
		status, _, err := callAs(t.Context(), a, w.rec, as("key:alice"))
		require.Error(t, err)
		assert.Zero(t, status)
		assert.Equal(t, http.StatusForbidden, problem.From(err).Status)
		assert.Equal(t, token.CodeNotConnected, problem.From(err).Code)
		assert.Contains(t, problem.From(err).Message, "/connect/orders")
		assert.Zero(t, w.calls, "nothing was sent")

		w.connect(a, "key:alice", "alices")
		assert.Equal(t, "alices", w.as(a, "key:alice"), "at once where it was connected")
		assert.Equal(t, "alices", w.as(b, "key:alice"))
		assert.Equal(t, token.CodeNotConnected, w.as(a, "key:bob"), "nobody else's")
		assert.Equal(t, token.CodeNotConnected, w.as(b, "key:carol"))
		w.connect(a, "key:carol", "carols")
		assert.Equal(t, "carols", w.as(b, "key:carol"), "at once, also where it was not connected a moment ago")
		assert.Equal(t, token.CodeNotConnected, w.as(b, "key:alice2"))

		w.connect(a, token.SharedSubject, "everybodys")
		assert.Equal(t, "everybodys", w.as(a, "key:bob"), "the shared identity serves those without their own")
		assert.Equal(t, "alices", w.as(a, "key:alice"))
		assert.Zero(t, w.mintCount())

		old, err := a.Disconnect(t.Context(), w.rec, "key:alice")
		require.NoError(t, err)
		assert.Equal(t, "refresh-alices", old.RefreshToken)
		assert.Equal(t, "everybodys", w.as(a, "key:alice"))
		_, err = a.Disconnect(t.Context(), w.rec, token.SharedSubject)
		require.NoError(t, err)
		assert.Equal(t, token.CodeNotConnected, w.as(a, "key:alice"))
		w.platform.Wait()
	})
}

func TestConnectionIsRenewedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInteractive(t)
		engines := []*token.Engine{w.instance(), w.instance(), w.instance()}
		w.connect(engines[0], "key:alice", "first")
		for round := 1; round <= 4; round++ {
			time.Sleep(time.Duration(w.life) * time.Second)
			var wg sync.WaitGroup
			for i := range 60 {
				wg.Go(func() {
					got := w.as(engines[i%3], "key:alice")
					assert.Equal(t, fmt.Sprintf("token-%d", round), got)
				})
			}
			wg.Wait()
			assert.Equal(t, round, w.mintCount(), "one refresh for all: a refresh token is good once")
		}
		assert.Zero(t, w.expired)
		w.platform.Wait()
	})
}

func TestConnectionIsRenewedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInteractive(t)
		e := w.instance()
		w.connect(e, "key:alice", "first")
		assert.Equal(t, "first", w.as(e, "key:alice"))
		time.Sleep(time.Duration(w.life)*time.Second - 11*time.Second)
		assert.Equal(t, "first", w.as(e, "key:alice"), "the old token serves on")
		w.platform.Wait()
		assert.Equal(t, "token-1", w.as(e, "key:alice"))
		assert.Equal(t, 1, w.mintCount())
	})
}

func TestConnectionThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInteractive(t)
		e := w.instance()
		w.connect(e, "key:alice", "first")
		w.mu.Lock()
		clear(w.live) // revoked at the authorization server
		w.mu.Unlock()
		assert.Equal(t, "first", w.as(e, "key:alice"), "until its end")
		time.Sleep(time.Duration(w.life) * time.Second)
		assert.Equal(t, token.CodeConnectionEnded, w.as(e, "key:alice"))
		n := w.mintCount()
		time.Sleep(time.Hour)
		assert.Equal(t, token.CodeConnectionEnded, w.as(e, "key:alice"))
		assert.Equal(t, n, w.mintCount(), "what was refused is not asked for again")
		st, err := e.ConnectionStatus(t.Context(), w.rec, "key:alice")
		require.NoError(t, err)
		assert.True(t, st.Ended)
		assert.False(t, st.Connected)

		other := w.instance()
		w.connect(other, "key:alice", "second")
		assert.Equal(t, "second", w.as(e, "key:alice"), "connected again, at another instance")
		w.platform.Wait()
	})
}

func TestConnectionAfterUpstreamRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInteractive(t)
		e := w.instance()
		w.connect(e, "key:alice", "first")
		w.revoke("first")
		assert.Equal(t, "token-1", w.as(e, "key:alice"), "one refresh, one replay")
		w.platform.Wait()
	})
}

func TestConnectionAsksForScopes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInteractive(t)
		e := w.instance()
		w.connect(e, "key:alice", "first")
		w.upstream = func(*http.Request) *http.Response {
			resp := reply(403, "", "")
			resp.Header.Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="files:read files:write"`)
			return resp
		}
		_, _, err := callAs(t.Context(), e, w.rec, as("key:alice"))
		require.Error(t, err)
		assert.Equal(t, "interactive_step_up_required", problem.From(err).Code)
		assert.Contains(t, problem.From(err).Message, "files:read files:write")
		assert.ElementsMatch(t, []string{"files:read", "files:write"}, e.WantedScopes(t.Context(), w.rec, "key:alice"))
		assert.Empty(t, e.WantedScopes(t.Context(), w.rec, "key:bob"))
		w.platform.Wait()
	})
}

// A rotation that a purge or a new connection overtakes must not lose or resurrect a
// refresh token.
func TestConnectionReplacedWhileItIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInteractive(t)
		e := w.instance()
		w.connect(e, "key:alice", "first")
		time.Sleep(time.Duration(w.life) * time.Second)
		inner := w.answer
		w.fail(func(n int, r *http.Request, form url.Values) *http.Response {
			time.Sleep(2 * time.Second)
			return inner(n, r, form)
		})
		done := make(chan string)
		go func() { done <- w.as(e, "key:alice") }()
		time.Sleep(time.Second)
		w.connect(e, "key:alice", "second")
		assert.Equal(t, "second", <-done)
		assert.Equal(t, "second", w.as(e, "key:alice"))
		time.Sleep(time.Duration(w.life) * time.Second)
		assert.Equal(t, "token-2", w.as(e, "key:alice"), "the new connection's refresh token is the one kept")
		w.platform.Wait()
	})
}

// What is stored for one person does not open for another, wherever it is moved.
func TestConnectionIsBoundToItsSubject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInteractive(t)
		e := w.instance()
		w.connect(e, "key:alice", "alices")
		w.connect(e, "key:bob", "bobs")
		var states []string
		values := map[string][]byte{}
		for _, id := range w.platform.ObjectNames(platform.Minter) {
			if b, err := w.platform.Storage(platform.Minter, id).Get(t.Context(), "state"); err == nil {
				states = append(states, id)
				values[id] = b
				assert.NotContains(t, string(b), "refresh-", "sealed at rest")
				assert.NotContains(t, string(b), "alices")
			}
		}
		require.Len(t, states, 2)
		for i, id := range states {
			require.NoError(t, w.platform.Storage(platform.Minter, id).Put(t.Context(), "state", values[states[1-i]]))
		}
		fresh := w.instance()
		assert.NotEqual(t, "bobs", w.as(fresh, "key:alice"))
		assert.NotEqual(t, "alices", w.as(fresh, "key:bob"))
		w.platform.Wait()
	})
}

func TestConnectionEndedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInteractive(t)
		w.life = 3600
		a, b := w.instance(), w.instance()
		w.connect(a, "key:alice", "alices")
		require.Equal(t, "alices", w.as(b, "key:alice"))
		_, err := a.Disconnect(t.Context(), w.rec, "key:alice")
		require.NoError(t, err)
		assert.Equal(t, token.CodeNotConnected, w.as(a, "key:alice"), "at once where it was ended")
		time.Sleep(31 * time.Second)
		_ = w.as(b, "key:alice") // looks in the background
		w.platform.Wait()
		assert.Equal(t, token.CodeNotConnected, w.as(b, "key:alice"), "elsewhere within GRANTWAY_TOKEN_RECHECK_SECONDS")
	})
}

// While the minter is out of reach a caller who is known to have no connection is served by the shared one in hand; of who has
// not been here before nothing is known, and nobody else's identity is used.
func TestSharedConnectionWhileTheMinterIsOutOfReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInteractive(t)
		e := w.instance()
		w.connect(e, token.SharedSubject, "everybodys")
		require.Equal(t, "everybodys", w.as(e, "key:bob"))
		w.platform.Objects = hanging{}
		for range 3 {
			time.Sleep(10 * time.Second) // longer than what was said of bob is believed without asking
			assert.Equal(t, "everybodys", w.as(e, "key:bob"))
		}
		assert.Equal(t, "connection_unavailable", w.as(e, "key:carol"))
		w.platform.Objects = e
		w.connect(e, "key:bob", "bobs")
		assert.Equal(t, "bobs", w.as(e, "key:bob"))
		w.platform.Wait()
	})
}

// A request that is refused long after it was sent is repeated as the one that was sent: by the shared connection.
func TestRefusalOfTheSharedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInteractive(t)
		w.life = 3600
		e := w.instance()
		w.connect(e, token.SharedSubject, "everybodys")
		require.Equal(t, "everybodys", w.as(e, "key:bob"))
		w.revoke("everybodys")
		slow := true
		w.upstream = func(*http.Request) *http.Response {
			if slow {
				slow = false
				time.Sleep(10 * time.Second)
			}
			return nil
		}
		assert.Equal(t, "token-1", w.as(e, "key:bob"), "one refresh, one replay")
		w.platform.Wait()
	})
}

// A caller's own token is refreshed early, as everybody's is.
func TestTokenOfACallerIsRefreshedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e, rec := w.instance(), w.record(func(r *registry.Record) { r.OAuth2Flow = registry.FlowTokenExchange })
		ann := &access.Principal{ID: "jwt:a", JWT: "jwt-of-ann"}
		got := func() string {
			_, body, err := callAs(t.Context(), e, rec, ann)
			require.NoError(t, err)
			return body
		}
		assert.Equal(t, "token-1", got())
		time.Sleep(289 * time.Second)
		assert.Equal(t, "token-1", got(), "the old one serves on")
		w.platform.Wait()
		assert.Equal(t, "token-2", got())
		assert.Equal(t, 2, w.mintCount())
	})
}

// A server that refuses every token is left alone for a while, but not once its person has connected again.
func TestRefusalsAreForgivenByANewConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newInteractive(t)
		w.life = 3600
		e := w.instance()
		w.connect(e, "key:alice", "first")
		w.revoke("first")
		require.Equal(t, "token-1", w.as(e, "key:alice"))
		w.revoke("token-1")
		status, _, err := callAs(t.Context(), e, w.rec, as("key:alice"))
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, status)
		w.connect(e, "key:alice", "second")
		w.revoke("second")
		assert.Equal(t, "token-2", w.as(e, "key:alice"), "one refresh, one replay")
		w.platform.Wait()
	})
}
