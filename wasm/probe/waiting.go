//go:build js && wasm

package main

import (
	"context"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/grantway/grantway/wasm/abi"
	"github.com/grantway/grantway/wasm/resident"
	"github.com/grantway/grantway/worker/platform"
)

// now shows both clocks: the wall's, and the time since the start by the monotonic one.
func (b *probe) now(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]int64{"unix_ms": time.Now().UnixMilli(), "since_start_ms": time.Since(b.started).Milliseconds()})
}

func (b *probe) sleep(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	select {
	case <-time.After(milliseconds(r, "ms")):
	case <-r.Context().Done():
	}
	answer(w, map[string]int64{"slept_ms": time.Since(begin).Milliseconds()})
}

// timer starts a timer that outlives this request; the counter "timers" tells that it
// has fired.
func (b *probe) timer(w http.ResponseWriter, r *http.Request) {
	time.AfterFunc(milliseconds(r, "ms"), func() { b.counters.timers.Add(1) })
	w.WriteHeader(http.StatusAccepted)
}

// meeting is where requests wait for one another.
type meeting struct {
	sync.Mutex
	places map[string]chan string
}

func (m *meeting) place(name string) chan string {
	m.Lock()
	defer m.Unlock()
	if m.places == nil {
		m.places = map[string]chan string{}
	}
	if m.places[name] == nil {
		m.places[name] = make(chan string, 1)
	}
	return m.places[name]
}

// meet gives a result to the request that waits at `to`, waits for one at `at`, and then
// uses the host, which only works in the request's own context.
func (b *probe) meet(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	b.meeting.place(q.Get("to")) <- q.Get("give")
	select {
	case got := <-b.meeting.place(q.Get("at")):
		kv := b.platform.KV(platform.Config)
		if err := kv.Put(r.Context(), "meet-"+q.Get("at"), []byte(got), 0); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_, _ = w.Write([]byte(got))
	case <-r.Context().Done():
	}
}

// flights are works that many requests wait for: the first one does it, in its own
// request, and goes on when its client has left.
type flights struct {
	sync.Mutex
	byName map[string]*flight
}

type flight struct {
	done   chan struct{}
	result string
}

func (b *probe) fly(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	b.flights.Lock()
	f, joined := b.flights.byName[name]
	if !joined {
		if b.flights.byName == nil {
			b.flights.byName = map[string]*flight{}
		}
		f = &flight{done: make(chan struct{})}
		b.flights.byName[name] = f
	}
	b.flights.Unlock()
	if !joined {
		b.lead(context.WithoutCancel(r.Context()), f, r.URL.Query().Get("url"))
	}
	<-f.done
	w.Header().Set("X-Leader", map[bool]string{true: "no", false: "yes"}[joined])
	_, _ = w.Write([]byte(f.result))
}

func (b *probe) lead(ctx context.Context, f *flight, url string) {
	defer close(f.done)
	f.result = "failed"
	body, err := b.get(ctx, url)
	if err == nil {
		err = b.platform.KV(platform.Config).Put(ctx, "flight", body, 0)
	}
	if err != nil {
		f.result = err.Error()
		return
	}
	f.result = string(body)
}

// latePanic panics when the response has begun.
func (b *probe) latePanic(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte("begun"))
	_ = http.NewResponseController(w).Flush()
	panic("told to panic late")
}

// crash ends the whole program.
func (b *probe) crash(_ http.ResponseWriter, r *http.Request) {
	switch r.URL.Query().Get("how") {
	case "exit":
		os.Exit(7)
	case "panic":
		go panic("told to crash")
	}
	<-r.Context().Done() // nobody answers this request but the host
}

// background answers at once and works on.
func (b *probe) background(w http.ResponseWriter, r *http.Request) {
	key, delay := r.URL.Query().Get("key"), milliseconds(r, "ms")
	b.platform.Background(r.Context(), func(ctx context.Context) {
		time.Sleep(delay)
		_ = b.platform.KV(platform.Config).Put(ctx, key, []byte("done"), 0)
	})
	w.WriteHeader(http.StatusAccepted)
}

// orphan begins work in the background when its request is no more; the counter "orphans" tells that the work was told so.
func (b *probe) orphan(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	go func() {
		<-ctx.Done()
		resident.Sync(ctx, abi.SyncDone, 0, "", nil) // should the handler's end not have said so yet
		b.platform.Background(ctx, func(ctx context.Context) {
			if ctx.Err() != nil {
				b.counters.orphans.Add(1)
			}
		})
	}()
	w.WriteHeader(http.StatusAccepted)
}
