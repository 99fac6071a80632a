package hostsim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/hostsim"
	"github.com/grantway/grantway/wasm/abi"
)

// TestDeathOfAnInstance ends the guest in every way: the request that did it and
// those beside it get 503 and Retry-After, and the next request a new instance.
func TestDeathOfAnInstance(t *testing.T) {
	for name, path := range map[string]string{
		"exit": "/exit", "panic": "/panic", "endless loop": "/spin", "endless goto": "/spin-goto",
		"endless loop of callbacks": "/spin-callback", "endless yielding to the scheduler": "/spin-scheduler",
		"endless recursion without a loop": "/recurse", "endless mutual recursion": "/recurse-mutually", "endless indirect recursion": "/recurse-indirectly",
		"memory above the cap": "/grow?mib=200",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of them wait for the watchdog, which must leave time enough to what is not endless
			host, c := open(t, hostsim.WithInstances(1), hostsim.WithWatchdog(2*time.Second), hostsim.WithMemoryLimitPages(1024))
			require.Equal(t, 200, c.get("/hello").status)
			beside := make(chan answer, 1)
			go func() { beside <- c.get("/wait") }()
			waitFor(t, func() bool { return host.Stats().Alive == 1 })
			for _, a := range []answer{c.get(path), <-beside} {
				assert.Equal(t, http.StatusServiceUnavailable, a.status)
				assert.Equal(t, "1", a.header.Get("Retry-After"))
				assert.Contains(t, a.body, `"code":"instance_failed"`)
			}
			assert.Equal(t, 200, c.get("/hello").status)
			s := host.Stats()
			assert.EqualValues(t, 1, s.Deaths)
			assert.EqualValues(t, 2, s.Starts)
			if strings.HasPrefix(name, "endless") {
				assert.EqualValues(t, 1, s.Watchdog)
			}
		})
	}
}

// TestDeathBreaksStreams: a response under way is broken off, not completed.
func TestDeathBreaksStreams(t *testing.T) {
	_, c := open(t, hostsim.WithInstances(1))
	res, err := c.http.Get(c.base + "/stream?count=1000000&ms=5")
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	_, err = io.ReadFull(res.Body, make([]byte, 8))
	require.NoError(t, err)
	c.get("/exit")
	_, err = io.ReadAll(res.Body)
	require.Error(t, err)
}

// TestProgramThatEndsAtItsStart: 503 at once, and the host still closes.
func TestProgramThatEndsAtItsStart(t *testing.T) {
	var mu sync.Mutex
	var out strings.Builder
	host, c := open(t, hostsim.WithEnv(map[string]string{"GRANTWAY_TEST_EXIT": "1"}), hostsim.WithOutput(writer(func(p []byte) {
		mu.Lock()
		defer mu.Unlock()
		out.Write(p)
	})))
	for range 3 {
		a := c.get("/hello")
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.Equal(t, "1", a.header.Get("Retry-After"))
	}
	require.NotZero(t, host.Stats().FailedStarts)
	require.Error(t, host.RunScheduled(t.Context()))
	mu.Lock()
	defer mu.Unlock()
	require.Contains(t, out.String(), "told to exit")
}

type writer func(p []byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

// TestProgramThatServesNothing: push answers −1, the host 503.
func TestProgramThatServesNothing(t *testing.T) {
	host, c := open(t, hostsim.WithEnv(map[string]string{"GRANTWAY_TEST_DEAF": "1"}))
	require.Equal(t, http.StatusServiceUnavailable, c.get("/hello").status)
	require.Error(t, host.RunScheduled(t.Context()))
	require.Zero(t, host.Stats().Alive)
}

func TestBytesThatAreNoModule(t *testing.T) {
	for _, b := range [][]byte{nil, []byte("hello"), {0, 'a', 's', 'm', 1, 0, 0, 0}} {
		_, err := hostsim.Open(context.Background(), b)
		require.Error(t, err)
	}
}

// TestRecyclingByCount replaces instances under load and loses no request.
func TestRecyclingByCount(t *testing.T) {
	host, c := open(t, hostsim.WithInstances(2), hostsim.WithRecycling(20, 0))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 30 {
				assert.Equal(t, 200, c.get("/sleep?ms=1").status)
			}
		})
	}
	all.Wait()
	s := host.Stats()
	assert.NotZero(t, s.Recycled)
	assert.Zero(t, s.Deaths)
	waitFor(t, func() bool { return host.Stats().Instances == 2 })
}

func TestRecyclingByMemory(t *testing.T) {
	host, c := open(t, hostsim.WithInstances(1), hostsim.WithRecycling(0, 48<<20))
	require.Equal(t, 200, c.get("/grow?mib=64").status)
	waitFor(t, func() bool { s := host.Stats(); return s.Recycled == 1 && s.Instances == 1 && s.LinearMemory < 48<<20 })
}

// TestRecyclingKeepsAnObjectTogether: while a replaced instance still serves an
// object, further requests to that object go there too.
func TestRecyclingKeepsAnObjectTogether(t *testing.T) {
	clock := hostsim.NewClock()
	host, c := open(t, hostsim.WithClock(clock), hostsim.WithInstances(1), hostsim.WithRecycling(3, 0))
	busy := make(chan answer, 1)
	go func() { busy <- c.do("POST", "/object?target=MINTER/a&path="+escape("/sleep?ms=3600000"), "") }()
	waitFor(t, func() bool { return host.Stats().Objects == 1 })
	waitFor(t, func() bool { c.get("/hello"); return host.Stats().Recycled > 0 })
	var echo struct {
		PerObject int `json:"per_object"`
	}
	a := c.do("POST", "/object?target=MINTER/a&path=/echo", "")
	require.NoError(t, json.Unmarshal([]byte(a.body), &echo), a.body)
	assert.Equal(t, 2, echo.PerObject, "the same Go state as the request before")
	assert.Equal(t, 200, wake(clock, busy).status)
}

// TestObjectHasOneHome: whatever instance asks, an object's requests meet in one.
func TestObjectHasOneHome(t *testing.T) {
	_, c := open(t, hostsim.WithInstances(3))
	for object := range 5 {
		seen := map[int]bool{}
		for range 9 {
			var echo struct {
				PerObject int `json:"per_object"`
			}
			a := c.do("POST", fmt.Sprintf("/object?target=MINTER/%d&path=/echo", object), "")
			require.NoError(t, json.Unmarshal([]byte(a.body), &echo), a.body)
			seen[echo.PerObject] = true
		}
		assert.Len(t, seen, 9, "each request saw another count of one state")
	}
}

func TestObjectTransactionsUnderContention(t *testing.T) {
	_, c := open(t, hostsim.WithInstances(2))
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]bool{}
	for range 10 {
		all.Go(func() {
			for range 10 {
				a := c.do("POST", "/object?target=MINTER/counter&path=/count", "")
				mu.Lock()
				seen[a.body] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	assert.Len(t, seen, 100)
	assert.True(t, seen["100"])
}

// TestObjectDies: callers of a dead object get "gone" and the next call a new life.
func TestObjectDies(t *testing.T) {
	_, c := open(t, hostsim.WithInstances(2))
	for range 4 { // so that caller and object are on different instances at least once
		a := c.do("POST", "/object?target=MINTER/a&path=/exit", "")
		if a.status != http.StatusServiceUnavailable { // they were on one instance
			require.Equal(t, "gone", a.header.Get("X-Code"))
		}
		waitFor(t, func() bool { return c.do("POST", "/object?target=MINTER/a&path=/hello", "").status == 200 })
	}
}

// TestReset ends an object's life while a request sleeps in it: the caller is told,
// and the guest's old request can no longer write.
func TestReset(t *testing.T) {
	clock := hostsim.NewClock()
	host, c := open(t, hostsim.WithClock(clock), hostsim.WithInstances(2))
	sleeper := make(chan answer, 1)
	go func() {
		sleeper <- c.do("POST", "/object?target=MINTER/a&path="+escape("/sleep-then-count?ms=3600000"), "")
	}()
	waitFor(t, func() bool { s := host.Stats(); return s.Objects == 1 && s.Alive == 2 })
	host.ResetObject("MINTER", "a")
	require.Equal(t, "gone", (<-sleeper).header.Get("X-Code"))
	require.Equal(t, "1", c.do("POST", "/object?target=MINTER/a&path=/count", "").body, "a new life")
	waitFor(t, func() bool {
		clock.Advance(time.Hour) // the old one wakes
		return string(c.op(abi.OpKVGet, nil, "CONFIG", "after-reset").Body) == "gone"
	})
	require.Equal(t, "2", c.do("POST", "/object?target=MINTER/a&path=/count", "").body, "the old one wrote nothing")
	host.ResetObject("MINTER", "nobody")
}

func TestDataSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	_, c := open(t, hostsim.WithDataDir(dir), hostsim.WithInstances(1))
	c.op(abi.OpKVPut, []byte("v"), "CONFIG", "k", "0", "")
	c.objectOp("DIRECTORY/main", abi.OpStoragePut, []byte("w"), "k")

	copied := t.TempDir()
	copyFile(t, dir+"/grantway.db", copied+"/grantway.db") // as kill -9 would leave it
	_, c = open(t, hostsim.WithDataDir(copied), hostsim.WithInstances(1))
	require.Equal(t, "v", string(c.op(abi.OpKVGet, nil, "CONFIG", "k").Body))
	require.Equal(t, "w", string(c.objectOp("DIRECTORY/main", abi.OpStorageGet, nil, "k").Body))
}

func TestClockMovesTheGuest(t *testing.T) {
	clock := hostsim.NewClock()
	host, c := open(t, hostsim.WithClock(clock), hostsim.WithInstances(1))
	c.op(abi.OpKVPut, []byte("v"), "TOKENS", "short", "60", "")
	done := make(chan answer, 1)
	go func() { done <- c.get("/sleep?ms=3600000") }()
	waitFor(t, func() bool { return host.Stats().Alive == 1 })
	require.Equal(t, "v", string(c.op(abi.OpKVGet, nil, "TOKENS", "short").Body))
	clock.Advance(time.Hour + time.Second)
	var slept struct {
		Millis int64 `json:"slept_ms"`
		Now    int64
	}
	require.NoError(t, json.Unmarshal([]byte((<-done).body), &slept))
	assert.GreaterOrEqual(t, slept.Millis, int64(3600000))
	assert.InDelta(t, time.Now().Add(time.Hour).Unix(), slept.Now, 60)
	assert.Equal(t, reply{}, c.op(abi.OpKVGet, nil, "TOKENS", "short"), "expired")
}

func TestScheduledWork(t *testing.T) {
	clock := hostsim.NewClock()
	host, c := open(t, hostsim.WithClock(clock), hostsim.WithSchedule("0 4 * * *"))
	require.NoError(t, host.RunScheduled(t.Context()))
	got := string(c.op(abi.OpKVGet, nil, "CONFIG", "scheduled").Body)
	assert.Contains(t, got, "https://cron.invalid/?at=")
	assert.Contains(t, got, "cron:* * * * *")

	waitFor(t, func() bool {
		clock.Advance(25 * time.Hour) // and again: the schedule may not have looked at the clock yet
		return strings.Contains(string(c.op(abi.OpKVGet, nil, "CONFIG", "scheduled").Body), "cron:0 4 * * *")
	})
	_, err := hostsim.Open(context.Background(), guest, hostsim.WithSchedule("every day"), hostsim.WithCompileCache(cacheDir))
	require.Error(t, err)
}

func TestBackgroundWorkOutlivesTheResponse(t *testing.T) {
	host, c := open(t)
	require.Equal(t, 202, c.get("/background").status)
	waitFor(t, func() bool { return string(c.op(abi.OpKVGet, nil, "CONFIG", "background").Body) == "done" })
	waitFor(t, func() bool { return host.Stats().Alive == 0 })
}

func TestCloseDrains(t *testing.T) {
	host, err := hostsim.Open(context.Background(), guest, hostsim.WithCompileCache(cacheDir))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	defer server.Close()
	c := &client{t: t, base: server.URL, http: server.Client()}
	rest, finish := io.Pipe()
	slow := make(chan answer, 1)
	go func() { slow <- c.upload("/read", rest) }() // under way until all of its body is there
	idle, err := c.http.Get(c.base + "/stream?count=1000000&ms=3600000")
	require.NoError(t, err)
	defer func() { _ = idle.Body.Close() }()
	waitFor(t, func() bool { return host.Stats().InFlight == 2 })

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- host.Close(ctx) }()
	waitFor(t, func() bool { return c.get("/hello").status == http.StatusServiceUnavailable })
	_, err = io.WriteString(finish, "the whole body")
	require.NoError(t, err)
	require.NoError(t, finish.Close())
	require.Equal(t, "the whole body", (<-slow).body, "a request in flight was finished")
	require.NoError(t, <-closed)
	require.NoError(t, ctx.Err(), "an idle stream does not hold the host up")
	_, err = io.ReadAll(idle.Body)
	require.NoError(t, err, "the idle stream was ended in order")
	require.Equal(t, http.StatusServiceUnavailable, c.get("/hello").status)
}
