//go:build js && wasm

// Command probe is the contract suite's guest: it uses package resident as the gateway
// does and, on demand, everything that a host must survive. scripts/contract/probe
// holds the cases. It is never deployed.
//
// The variable GRANTWAY_PROBE=exit makes it end at its start.
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/grantway/grantway/wasm/perevent"
	"github.com/grantway/grantway/wasm/resident"
	"github.com/grantway/grantway/worker/platform"
)

func main() {
	if !resident.Offered() {
		perevent.Serve(newProbe(perevent.New()))
		return
	}
	p := resident.New()
	if p.Env("GRANTWAY_PROBE") == "exit" {
		os.Exit(3)
	}
	resident.Serve(newProbe(p))
}

// probe implements platform.Program.
type probe struct {
	platform platform.Platform
	routes   map[string]func(http.ResponseWriter, *http.Request)
	meeting  meeting
	flights  flights
	forwards forwards
	started  time.Time
	// counters of what has happened, for GET /counters.
	counters struct {
		served, streamsEnded, canceled, timers, orphans, housekeeping atomic.Int64
	}
}

func newProbe(p platform.Platform) *probe {
	b := &probe{platform: p, started: time.Now()}
	b.routes = map[string]func(http.ResponseWriter, *http.Request){
		"/hello":      b.hello,
		"/request":    b.request,
		"/counters":   b.showCounters,
		"/env":        b.env,
		"/now":        b.now,
		"/sleep":      b.sleep,
		"/timer":      b.timer,
		"/meet":       b.meet,
		"/fly":        b.fly,
		"/panic":      func(http.ResponseWriter, *http.Request) { panic("told to panic") },
		"/late-panic": b.latePanic,
		"/crash":      b.crash,
		"/fetch":      b.fetch,
		"/forward":    b.fetch,
		"/pass":       b.pass,
		"/stream":     b.stream,
		"/op":         b.op,
		"/sync":       b.sync,
		"/object":     b.object,
		"/kv":         b.kv,
		"/background": b.background,
		"/orphan":     b.orphan,
		"/allocate":   b.allocate,
		"/respond":    b.respond,
	}
	return b
}

func (b *probe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.counters.served.Add(1)
	defer func() {
		if r.Context().Err() != nil {
			b.counters.canceled.Add(1)
		}
	}()
	if f := b.routes[r.URL.Path]; f != nil {
		f(w, r)
		return
	}
	http.Error(w, "no such probe", http.StatusNotFound)
}

// Housekeep leaves a mark that a test finds, also where it runs in another instance.
func (b *probe) Housekeep(ctx context.Context) error {
	b.counters.housekeeping.Add(1)
	return b.platform.KV(platform.Config).Put(ctx, "housekeeping", []byte(time.Now().UTC().Format(time.RFC3339Nano)), 0)
}

func (b *probe) hello(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte("hello"))
}

func (b *probe) showCounters(w http.ResponseWriter, _ *http.Request) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	answer(w, map[string]any{
		"served": b.counters.served.Load(), "streams_ended": b.counters.streamsEnded.Load(), "canceled": b.counters.canceled.Load(),
		"passed": b.forwards.passed.Load(), "kept": b.forwards.kept.Load(), "status": b.forwards.status.Load(), "head": b.forwards.head.Load(),
		"timers": b.counters.timers.Load(), "orphans": b.counters.orphans.Load(), "goroutines": runtime.NumGoroutine(), "heap": m.HeapAlloc,
	})
}

// env shows the variables that a test asks for.
func (b *probe) env(w http.ResponseWriter, r *http.Request) {
	out := map[string]string{}
	for _, name := range r.URL.Query()["name"] {
		out[name] = b.platform.Env(name)
	}
	answer(w, out)
}

// allocate grows linear memory.
func (b *probe) allocate(w http.ResponseWriter, r *http.Request) {
	s := make([]byte, number(r, "mib")<<20)
	for i := 0; i < len(s); i += 4096 {
		s[i] = 1
	}
	answer(w, len(s))
	runtime.KeepAlive(s)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// number is a parameter of the query; 0 if it is missing.
func number(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.URL.Query().Get(name))
	return n
}

func milliseconds(r *http.Request, name string) time.Duration {
	return time.Duration(number(r, name)) * time.Millisecond
}
