package contract

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
	"github.com/grantway/grantway/worker/seal"
)

// The token engine under load, in simulated time and with faults of the host. These cases need controls of the host, which
// the in-process run does not have; package worker/token has the same cases there.

// world is a gateway of its own on the host under test, and the time that it shares with its upstreams.
type world struct {
	*gateway
	host   host.Host
	offset atomic.Int64 // nanoseconds
}

// newWorld starts a host; nil without controls.
func newWorld(t *testing.T, o host.Options) *world {
	t.Helper()
	if hostName == "memory" {
		return nil
	}
	w := &world{}
	w.start(t, options(o))
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(tail(w.host.Log()))
		}
		_ = w.host.Stop()
	})
	return w
}

var common struct {
	sync.Mutex
	world *world
	stop  func() error
}

// theWorld is one world for all cases that leave its host as it was, but for the time; nil without controls.
func theWorld(t *testing.T) *world {
	t.Helper()
	if hostName == "memory" {
		return nil
	}
	common.Lock()
	defer common.Unlock()
	if common.world == nil {
		w := &world{}
		w.start(t, options(host.Options{Env: patientEnvironment()}))
		common.world, common.stop = w, w.host.Stop
	}
	w := common.world
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(tail(w.host.Log()))
		}
	})
	return w
}

// patientEnvironment is one in which neither a busy machine nor a clock that moves under work under way is an outage.
func patientEnvironment() map[string]string {
	environment := goodEnvironment()
	environment["GRANTWAY_IDP_TIMEOUT_SECONDS"], environment["GRANTWAY_MINTER_TIMEOUT_SECONDS"] = "60", "120"
	return environment
}

// options completes the options of a host.
func options(o host.Options) host.Options {
	if o.Env == nil {
		o.Env = patientEnvironment()
	}
	if o.Instances == 0 {
		o.Instances = 1 // each takes wrangler a while to start
		if hostName == "hostsim" {
			o.Instances = 4
		}
	}
	return o
}

func (w *world) start(t *testing.T, o host.Options) {
	t.Helper()
	h, err := host.Start(hostName, o)
	require.NoError(t, err)
	w.host = h
	w.gateway = &gateway{url: h.URL(), adminKey: o.Env["GRANTWAY_ADMIN_KEY"], instances: o.Instances}
}

// tail answers the last lines of a log.
func tail(log string) string {
	lines := strings.Split(log, "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

// advance moves the upstreams' time and then the gateway's.
func (w *world) advance(t *testing.T, d time.Duration) {
	t.Helper()
	w.offset.Add(int64(d))
	require.NoError(t, w.host.Advance(d))
}

// upstream is one that lives in this world's time.
func (w *world) upstream(t *testing.T, life time.Duration) *upstream {
	t.Helper()
	u := &upstream{client: authserver.Client{ID: "client-" + rand.Text(), Secrets: []string{"secret:" + rand.Text()}}}
	var err error
	u.idp, err = authserver.Listen("127.0.0.1:0", authserver.Options{Now: w.now, TokenLifetime: life})
	require.NoError(t, err)
	t.Cleanup(func() { u.idp.Close() })
	u.mcp, err = mcpserver.Listen("127.0.0.1:0", mcpserver.Options{Issuer: u.idp.Issuer(), KeysURL: u.idp.KeysURL(), Revoked: u.idp.Revoked, Now: w.now})
	require.NoError(t, err)
	t.Cleanup(func() { u.mcp.Close() })
	u.client.DefaultAudience = u.mcp.URL()
	u.idp.Register(u.client)
	return u
}

// tokens answers how many different access tokens reached the MCP server.
func (u *upstream) tokens() int {
	seen := map[string]bool{}
	for _, r := range u.mcp.Requests() {
		seen[r.Header.Get("Authorization")] = true
	}
	return len(seen)
}

// A thousand callers that find nothing cached cost one token request, and so do two hundred that meet a revoked token.
func TestCrowd(t *testing.T) {
	environment := patientEnvironment()
	environment["GRANTWAY_CONCURRENT_PER_SERVER"], environment["GRANTWAY_CONCURRENT_PER_KEY"] = "1000", "1000"
	w := newWorld(t, host.Options{Env: environment, Instances: 4})
	if w == nil {
		return
	}
	u := w.upstream(t, time.Hour)
	server := u.create(t, w.gateway)
	u.idp.Fail(authserver.Fault{Delay: time.Second}) // so that all are there before the answer
	require.Empty(t, w.burst(t, server.id, 1000))
	require.Equal(t, 1, u.mints())
	st, err := w.host.State()
	require.NoError(t, err)
	require.GreaterOrEqual(t, st.Started, w.instances)
	t.Logf("1000 cold callers over %d instances: %d mint, 0 failed calls", w.instances, u.mints())

	u.idp.RevokeAll()
	require.Empty(t, w.burst(t, server.id, 200))
	assert.Equal(t, 2, u.mints())
	t.Logf("200 callers with a revoked token over %d instances: %d mint, 0 failed calls", w.instances, u.mints()-1)

	// So long after, a refused token is not one more of a row that the upstream refuses. The burst tells each instance the record.
	w.advance(t, 3*time.Minute)
	require.Empty(t, w.burst(t, server.id, 200))
	require.Equal(t, 2, u.mints())

	// The secret is changed there and here at once, and every instance but one has the old copy of the record.
	next := "next:" + rand.Text()
	u.idp.RotateSecret(u.client.ID, next, false)
	a := w.admin(t, "PUT", "/v1/mcp/server/"+server.id, map[string]any{"credentials": map[string]any{"client_secret": next}})
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	u.idp.RevokeAll()
	require.Empty(t, w.burst(t, server.id, 200))
	assert.Equal(t, 3, u.mints())
	t.Logf("200 callers after a secret was changed, over %d instances of which %d had not heard of it: %d mint, 0 failed calls", w.instances, w.instances-1, u.mints()-2)
}

// A token endpoint that does not answer, or a byte at a time, is given up after GRANTWAY_IDP_TIMEOUT_SECONDS.
func TestSlowTokenEndpoint(t *testing.T) {
	environment := goodEnvironment()
	environment["GRANTWAY_IDP_TIMEOUT_SECONDS"] = "2"
	w := newWorld(t, host.Options{Env: environment, Instances: 1})
	if w == nil {
		return
	}
	for name, fault := range map[string]authserver.Fault{"hang": {Hang: true}, "drip": {Drip: 100 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			u := w.upstream(t, time.Hour)
			server := u.create(t, w.gateway)
			u.idp.Fail(fault)
			a := w.whoami(t, server.id)
			assert.Equal(t, 503, a.StatusCode, "%s", a.text)
			assert.Equal(t, "idp_timeout", a.problem(t))
			assert.NotEmpty(t, a.Header.Get("Retry-After"))
			require.Eventually(t, func() bool { // two seconds may be too short for a busy machine, too
				w.advance(t, 2*time.Second)
				return w.whoami(t, server.id).StatusCode == 200
			}, patience, 10*time.Millisecond)
		})
	}
}

// Retry-After of a token endpoint is obeyed, in seconds and as a date: until then callers hear of it from the gateway alone.
func TestRetryAfter(t *testing.T) {
	w := theWorld(t)
	if w == nil {
		return
	}
	for name, value := range map[string]func() string{
		"seconds": func() string { return "300" },
		"date":    func() string { return w.now().Add(301 * time.Second).UTC().Format(http.TimeFormat) },
	} {
		for _, status := range []int{429, 503} {
			t.Run(fmt.Sprint(status, " ", name), func(t *testing.T) {
				u := w.upstream(t, time.Hour)
				server := u.create(t, w.gateway)
				u.idp.Fail(authserver.Fault{Status: status, Header: http.Header{"Retry-After": {value()}}})
				for range 4 {
					a := w.whoami(t, server.id)
					assert.Equal(t, 503, a.StatusCode, "%s", a.text)
					seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
					require.NoError(t, err)
					assert.Greater(t, seconds, 100)
					assert.LessOrEqual(t, seconds, 301)
				}
				assert.Equal(t, 1, u.idp.Stats().TokenRequests)
				w.advance(t, 302*time.Second)
				w.whoami(t, server.id).tokenID(t)
			})
		}
	}
}

// A token that was good when the gateway sent it and has ended when it arrives: one mint, no failed call.
func TestTokenEndsInFlight(t *testing.T) {
	w := theWorld(t)
	if w == nil {
		return
	}
	u := w.upstream(t, 30*time.Minute)
	server := u.create(t, w.gateway)
	require.Empty(t, w.burst(t, server.id, 8))
	w.offset.Add(int64(31 * time.Minute)) // of the upstream alone
	assert.Empty(t, w.burst(t, server.id, 50))
	require.NoError(t, w.host.Advance(31*time.Minute))
	assert.NotZero(t, u.mcp.Refused())
	assert.Equal(t, 2, u.mints())
}

// Sixty seconds of outage around the time of the early refresh, with calls all the time.
func TestOutageOfAMinute(t *testing.T) {
	w := newWorld(t, host.Options{})
	if w == nil {
		return
	}
	u := w.upstream(t, 10*time.Minute) // so long that the pauses after the failures end before the token does
	server := u.create(t, w.gateway)
	require.Empty(t, w.burst(t, server.id, 8))
	w.advance(t, 490*time.Second)
	u.idp.Fail(authserver.Fault{Times: -1, Status: 503})
	before := u.idp.Stats().TokenRequests
	for begin := w.now(); w.now().Sub(begin) < time.Minute; w.advance(t, time.Second) {
		require.Empty(t, w.burst(t, server.id, 8))
	}
	attempts := u.idp.Stats().TokenRequests - before
	assert.LessOrEqual(t, attempts, 7, "1, 2, 4, 8, 16, 32 s of back-off fit into a minute")
	u.idp.ClearFaults()
	for range 12 { // the old token ends meanwhile
		w.advance(t, 5*time.Second)
		assert.Empty(t, w.burst(t, server.id, 8))
	}
	assert.Equal(t, 2, u.mints())
	t.Logf("60 s of outage under load: 0 failed calls, %d token requests", attempts)
}

// A secret is rotated while calls go on: the new one is entered beside the old one, the authorization server changes over
// and revokes, the old one is removed.
func TestRotationUnderLoad(t *testing.T) {
	w := newWorld(t, host.Options{})
	if w == nil {
		return
	}
	u := w.upstream(t, time.Hour)
	record := u.record()
	a := w.admin(t, "POST", "/v1/mcp/server", record)
	require.Equal(t, 201, a.StatusCode, "%s", a.text)
	id, _ := a.object(t)["server_id"].(string)
	change := func(secrets map[string]any) {
		credentials := maps.Clone(record["credentials"].(map[string]any))
		delete(credentials, "client_secret")
		maps.Copy(credentials, secrets)
		a := w.admin(t, "PUT", "/v1/mcp/server/"+id, with(record, "credentials", credentials))
		require.Equal(t, 200, a.StatusCode, "%s", a.text)
	}
	next := "next:" + rand.Text()
	stop := make(chan struct{})
	var wait sync.WaitGroup
	var calls atomic.Int64
	var mu sync.Mutex
	var failures []string
	for range 8 {
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				failed := w.burst(t, id, 1)
				calls.Add(1)
				mu.Lock()
				failures = append(failures, failed...)
				mu.Unlock()
			}
		})
	}
	reached := func(n int64) func() bool { from := calls.Load(); return func() bool { return calls.Load() >= from+n } }
	wait100 := func() { require.Eventually(t, reached(100), patience, 10*time.Millisecond) }
	wait100()
	change(map[string]any{"client_secret_next": next})
	w.advance(t, 10*time.Second) // every instance reads the record anew
	wait100()
	u.idp.RotateSecret(u.client.ID, next, false)
	u.idp.RevokeAll()
	wait100()
	assert.Contains(t, string(w.admin(t, "GET", "/v1/mcp/server/"+id+"/token", nil).text), `"client_secret_next"`, "it says which secret works")
	change(map[string]any{"client_secret": next})
	w.advance(t, 10*time.Second)
	wait100()
	close(stop)
	wait.Wait()
	assert.Empty(t, failures[:min(len(failures), maxFailures)])
	t.Logf("a rotation under load: %d calls, %d failed, %d mints", calls.Load(), len(failures), u.mints())
}

// Ten servers, two hours, tokens of five minutes.
func TestTwoHours(t *testing.T) {
	w := newWorld(t, host.Options{})
	if w == nil {
		return
	}
	const servers, step = 10, 12 * time.Second
	var upstreams []*upstream
	var ids []string
	for range servers {
		u := w.upstream(t, 5*time.Minute)
		upstreams, ids = append(upstreams, u), append(ids, u.create(t, w.gateway).id)
	}
	for begin := w.now(); w.now().Sub(begin) < 2*time.Hour; w.advance(t, step) {
		var wait sync.WaitGroup
		for _, id := range ids {
			wait.Go(func() { assert.Empty(t, w.burst(t, id, 1)) })
		}
		wait.Wait()
	}
	mints, used, requests := 0, 0, 0
	for i, u := range upstreams {
		mints, used, requests = mints+u.idp.Stats().TokenRequests, used+u.tokens(), requests+len(u.mcp.Requests())
		for _, r := range u.mcp.Requests() {
			require.NotEmpty(t, r.Header.Get("Authorization"), "server %d", i)
		}
		assert.InDelta(t, 27, u.mints(), 3, "server %d: one mint per token life", i)
		assert.Zero(t, u.mcp.Refused(), "server %d: a call carried a token that had ended", i)
	}
	assert.InDelta(t, mints, used, servers, "a token that is minted is used")
	t.Logf("%d servers, 2 h: %d upstream requests, %d mints, %d different tokens used, 0 expired tokens", servers, requests, mints, used)
}

// KV that fails, is slow or answers nonsense costs no call and no mint, and no token goes where it does not belong.
func TestFaultyTokenStore(t *testing.T) {
	environment := patientEnvironment()
	environment["GRANTWAY_TOKEN_CACHE_SIZE"] = "0" // every call looks into KV
	w := newWorld(t, host.Options{Env: environment})
	if w == nil {
		return
	}
	u, neighbour := w.upstream(t, time.Hour), w.upstream(t, time.Hour)
	stored := func(id string) (key string, value []byte) {
		require.Empty(t, w.burst(t, id, 8))
		key = "token/" + w.identity(t, id)
		require.Eventually(t, func() bool { // it is written after the reply
			value, _ = w.host.KV("TOKENS", key)
			return len(value) > 0
		}, patience, 10*time.Millisecond)
		return key, value
	}
	server := u.create(t, w.gateway)
	key, value := stored(server.id)
	_, foreign := stored(neighbour.create(t, w.gateway).id)
	changed := bytes.Clone(value)
	changed[len(changed)/2] ^= 1
	for name, fault := range map[string]host.Fault{
		"errs":                   {Fail: true},
		"slow":                   {Delay: 3 * time.Second},
		"sealed for another row": {Op: "get", Key: key, Value: foreign},
		"cut short":              {Op: "get", Key: key, Value: value[:len(value)/2]},
		"cut to its head":        {Op: "get", Key: key, Value: value[:5]},
		"one bit changed":        {Op: "get", Key: key, Value: changed},
		"nonsense":               {Op: "get", Value: []byte(strings.Repeat("nonsense", 50))},
		"not encrypted":          {Op: "get", Value: []byte(`{"token":"evil","issued_at":0,"expires_at":99999999999999}`)},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, w.host.SetFault("TOKENS", fault))
			assert.Empty(t, w.burst(t, server.id, 8))
			assert.Equal(t, 1, u.mints(), "the minter has the token")
			require.NoError(t, w.host.SetFault("TOKENS", host.Fault{}))
		})
	}
	assert.Zero(t, u.mcp.Refused(), "only its own token reached the server")
	assert.Contains(t, w.host.Log(), "token store unreachable")
	assert.Contains(t, w.host.Log(), "stored token does not open")
}

// identity is the identity key of a server's token.
func (w *world) identity(t *testing.T, id string) string {
	t.Helper()
	identity, _ := w.admin(t, "GET", "/v1/mcp/server/"+id+"/token", nil).object(t)["identity"].(string)
	require.NotEmpty(t, identity)
	return identity
}

// restart ends the host and starts it again with the same data.
func (w *world) restart(t *testing.T, o host.Options) {
	t.Helper()
	require.NoError(t, w.host.Stop())
	w.start(t, o)
	require.NoError(t, w.host.Advance(time.Duration(w.offset.Load())))
}

// The sealing key is rotated: what the old one sealed still opens. It is lost: a clear error, and nothing is sent.
func TestSealingKeyRotatedAndLost(t *testing.T) {
	environment := goodEnvironment()
	o := options(host.Options{Env: environment, DataDir: t.TempDir()})
	w := newWorld(t, o)
	if w == nil {
		return
	}
	u := w.upstream(t, time.Hour)
	server := u.create(t, w.gateway)
	token := w.whoami(t, server.id).tokenID(t)

	old := environment["GRANTWAY_SEALING_KEY"]
	key := make([]byte, 32)
	rand.Read(key)
	o.Env = maps.Clone(environment)
	o.Env["GRANTWAY_SEALING_KEY"], o.Env["GRANTWAY_SEALING_KEY_PREVIOUS"] = base64.StdEncoding.EncodeToString(key), old
	w.restart(t, o)
	assert.Equal(t, token, w.whoami(t, server.id).tokenID(t))
	assert.Equal(t, 1, u.mints())
	u.idp.RevokeAll()
	assert.NotEqual(t, token, w.whoami(t, server.id).tokenID(t), "the record's secret still opens")
	row := "token/" + w.identity(t, server.id)
	require.Eventually(t, func() bool { // it is written after the reply
		value, _ := w.host.KV("TOKENS", row)
		return len(value) > 5 && seal.KeyIDOf(value) == seal.KeyIDOf(w.sealed(t, o.Env["GRANTWAY_SEALING_KEY"]))
	}, patience, 10*time.Millisecond, "what is written anew is sealed with the new key")

	requests, calls := u.idp.Stats().TokenRequests, len(u.mcp.Requests())
	delete(o.Env, "GRANTWAY_SEALING_KEY_PREVIOUS")
	rand.Read(key)
	o.Env["GRANTWAY_SEALING_KEY"] = base64.StdEncoding.EncodeToString(key)
	w.restart(t, o)
	a := w.whoami(t, server.id)
	assert.Contains(t, []int{502, 503}, a.StatusCode, "%s", a.text)
	assert.Equal(t, "secret_unreadable", a.problem(t))
	assert.Contains(t, string(a.text), "GRANTWAY_SEALING_KEY_PREVIOUS")
	assert.Equal(t, requests, u.idp.Stats().TokenRequests)
	assert.Equal(t, calls, len(u.mcp.Requests()))
}

// sealed is something that this key has sealed.
func (w *world) sealed(t *testing.T, key string) []byte {
	t.Helper()
	keyring, err := seal.NewKeyring(key)
	require.NoError(t, err)
	return keyring.Seal(nil, "test")
}

// An MCP server that names another authorization server than before does not get the credential sent there.
func TestCredentialIsBoundToItsIssuer(t *testing.T) {
	w := theWorld(t)
	if w == nil {
		return
	}
	u, other := w.upstream(t, time.Hour), w.upstream(t, time.Hour)
	other.idp.Register(u.client)
	var issuer atomic.Value
	issuer.Store(u.idp.Issuer())
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/.well-known/oauth-protected-resource") {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(map[string]any{"resource": server.URL + "/mcp", "authorization_servers": []any{issuer.Load()}})
	}))
	defer server.Close()
	record := without(u.record(), "token_url")
	record["url"] = server.URL + "/mcp"
	a := w.admin(t, "POST", "/v1/mcp/server", record)
	require.Equal(t, 201, a.StatusCode, "%s", a.text)
	id, _ := a.object(t)["server_id"].(string)
	refresh := func() answer { return w.admin(t, "POST", "/v1/mcp/server/"+id+"/token", nil) }
	a = refresh()
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	require.Equal(t, 1, u.mints())
	issuer.Store(other.idp.Issuer())
	w.advance(t, 2*time.Hour) // beyond GRANTWAY_METADATA_LIFE_SECONDS
	a = refresh()
	assert.Equal(t, 502, a.StatusCode, "%s", a.text)
	assert.Contains(t, string(a.text), "names another authorization server")
	assert.Zero(t, other.idp.Stats().TokenRequests, "nothing was sent there")
	assert.Equal(t, 1, u.mints())
}

// The host dies while a mint is under way: the next life mints anew and is not held up.
func TestKilledWhileMinting(t *testing.T) {
	o := options(host.Options{DataDir: t.TempDir()})
	w := newWorld(t, o)
	if w == nil {
		return
	}
	u := w.upstream(t, time.Hour)
	server := u.create(t, w.gateway)
	u.idp.Fail(authserver.Fault{Hang: true})
	var wait sync.WaitGroup
	wait.Go(func() { _ = w.burst(t, server.id, 1) })
	require.Eventually(t, func() bool { return u.idp.Stats().TokenRequests == 1 }, patience, 5*time.Millisecond)
	require.NoError(t, w.host.Kill())
	wait.Wait()
	w.start(t, o)
	w.whoami(t, server.id).tokenID(t)
	assert.Equal(t, 2, u.idp.Stats().TokenRequests)
}

// An object that is reset while it mints: the callers get a token all the same.
func TestMinterResetWhileMinting(t *testing.T) {
	w := theWorld(t)
	if w == nil {
		return
	}
	u := w.upstream(t, time.Hour)
	server := u.create(t, w.gateway)
	identity := w.identity(t, server.id)
	release := make(chan struct{})
	u.idp.Fail(authserver.Fault{Hold: release})
	var wait sync.WaitGroup
	var failures []string
	wait.Go(func() { failures = w.burst(t, server.id, 20) })
	require.Eventually(t, func() bool { return u.idp.Stats().TokenRequests == 1 }, patience, 5*time.Millisecond)
	require.NoError(t, w.host.ResetObject("MINTER", identity))
	close(release)
	wait.Wait()
	assert.Empty(t, failures)
	assert.LessOrEqual(t, u.mints(), 2)
}

// A purge while a mint is under way: the token that the mint brings is not used.
func TestPurgeWhileMinting(t *testing.T) {
	w := theWorld(t)
	if w == nil {
		return
	}
	u := w.upstream(t, time.Hour)
	server := u.create(t, w.gateway)
	release := make(chan struct{})
	u.idp.Fail(authserver.Fault{Hold: release})
	var wait sync.WaitGroup
	var first answer
	wait.Go(func() { first = w.whoami(t, server.id) })
	require.Eventually(t, func() bool { return u.idp.Stats().TokenRequests == 1 }, patience, 5*time.Millisecond)
	a := w.admin(t, "DELETE", "/v1/mcp/server/"+server.id+"/token", nil)
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	close(release)
	wait.Wait()
	id := first.tokenID(t)
	for range 8 {
		assert.Equal(t, id, w.whoami(t, server.id).tokenID(t), "every instance has the token of after the purge")
	}
	assert.Equal(t, 2, u.mints())
	assert.Equal(t, 1, u.tokens(), "the purged token never reached the upstream")
}

// A clock that jumps an hour forward: the token has ended, and the next call has a new one.
func TestClockJump(t *testing.T) {
	w := theWorld(t)
	if w == nil {
		return
	}
	u := w.upstream(t, 30*time.Minute)
	server := u.create(t, w.gateway)
	require.Empty(t, w.burst(t, server.id, 8))
	w.advance(t, time.Hour)
	assert.Empty(t, w.burst(t, server.id, 8))
	assert.Equal(t, 2, u.mints())
	assert.Zero(t, u.mcp.Refused(), "the token that had ended was not sent")
}

// The gateway's wall clock alone is set forward by an hour, and back by two: no call fails, and the token that has not ended is
// sent as long as anybody knows when it ends.
func TestClockIsSet(t *testing.T) {
	w := theWorld(t)
	if w == nil {
		return
	}
	u := w.upstream(t, 30*time.Minute)
	server := u.create(t, w.gateway)
	require.Empty(t, w.burst(t, server.id, 8))
	for _, by := range []time.Duration{time.Hour, -2 * time.Hour, time.Hour} {
		require.NoError(t, w.host.Step(by))
		assert.Empty(t, w.burst(t, server.id, 8), "the clock is set by %s", by)
		w.whoami(t, u.create(t, w.gateway).id).tokenID(t) // what is new is minted and used at once
	}
	assert.Zero(t, u.mcp.Refused())
	assert.LessOrEqual(t, u.mints(), 1+3*2)
}

// Cron refreshes the tokens of keep_warm servers, so that no call waits for a mint.
func TestKeepWarm(t *testing.T) {
	w := theWorld(t)
	if w == nil {
		return
	}
	u := w.upstream(t, 5*time.Minute)
	a := w.admin(t, "POST", "/v1/mcp/server", with(u.record(), "keep_warm", true))
	require.Equal(t, 201, a.StatusCode, "%s", a.text)
	id, _ := a.object(t)["server_id"].(string)
	for range 6 {
		require.NoError(t, w.host.Housekeep())
		st := w.admin(t, "GET", "/v1/mcp/server/"+id+"/token", nil)
		assert.Contains(t, string(st.text), `"state":"valid"`)
		w.advance(t, 4*time.Minute)
	}
	assert.InDelta(t, 6, u.mints(), 1)
	assert.Empty(t, u.mcp.Requests())
}

// What the gateway counts.
func TestTokenMetrics(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	server := u.create(t, g)
	g.whoami(t, server.id).tokenID(t)
	a := g.admin(t, "GET", "/metrics", nil)
	require.Equal(t, 200, a.StatusCode)
	assert.True(t, strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain; version=0.0.4"))
	assert.Contains(t, string(a.text), "# TYPE grantway_token_mint_seconds histogram")
	assert.NotContains(t, string(a.text), server.id)
	assert.Equal(t, 401, g.anonymous(t, "GET", "/metrics", nil).StatusCode)
}

// A key that the gateway makes: its public half is at a well-known place, and with it the authorization server accepts
// the gateway's assertions.
func TestGeneratedKey(t *testing.T) {
	g := theGateway(t)
	for _, algorithm := range []string{"ES256", "EdDSA", "RS256", "PS256"} {
		t.Run(algorithm, func(t *testing.T) {
			u := newUpstream(t)
			record := u.record()
			record["token_endpoint_auth_method"] = "private_key_jwt"
			credentials := record["credentials"].(map[string]any)
			delete(credentials, "client_secret")
			credentials["client_private_key_generate"] = algorithm
			a := g.admin(t, "POST", "/v1/mcp/server", record)
			require.Equal(t, 201, a.StatusCode, "%s", a.text)
			assert.NotContains(t, string(a.text), "PRIVATE")
			id, _ := a.object(t)["server_id"].(string)
			kid, _ := a.object(t)["client_private_key_id"].(string)
			require.NotEmpty(t, kid)

			var set jose.JSONWebKeySet
			require.Eventually(t, func() bool { // other instances hear of the server within the bound of a changed record
				set = jose.JSONWebKeySet{}
				published := g.anonymous(t, "GET", "/.well-known/jwks.json", nil)
				return published.StatusCode == 200 && json.Unmarshal(published.text, &set) == nil && len(set.Key(kid)) == 1
			}, patience, 100*time.Millisecond)
			require.True(t, set.Key(kid)[0].IsPublic())

			u.client.Method, u.client.Secrets, u.client.Keys = authserver.MethodKey, nil, set
			u.idp.Register(u.client)
			g.whoami(t, id).tokenID(t)
			assert.Equal(t, 1, u.mints())
		})
	}
}

// A record without token_url finds the token endpoint by the MCP server's own metadata, and sends its resource byte for byte.
func TestDiscoveredTokenEndpoint(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	u.client.DefaultAudience, u.client.Audiences = "nothing useful", []string{u.mcp.URL()}
	u.idp.Register(u.client)
	record := without(u.record(), "token_url")
	record["upstream_resource"] = "auto"
	a := g.admin(t, "POST", "/v1/mcp/server", record)
	require.Equal(t, 201, a.StatusCode, "%s", a.text)
	id, _ := a.object(t)["server_id"].(string)
	g.whoami(t, id).tokenID(t)
	st := g.admin(t, "GET", "/v1/mcp/server/"+id+"/token", nil).object(t)
	found, _ := st["discovered"].(map[string]any)
	require.NotNil(t, found, "%v", st)
	assert.Equal(t, u.idp.TokenEndpoint(), found["token_url"])
	assert.Equal(t, u.idp.Issuer(), found["issuer"])
	assert.Equal(t, u.mcp.URL(), found["resource"])
}
