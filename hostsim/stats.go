package hostsim

import (
	"context"
	"sync"
	"sync/atomic"
)

// Stats is a snapshot of what a host has done and holds.
type Stats struct {
	Instances    int   // alive, draining ones included
	InFlight     int64 // HTTP requests being served
	Alive        int64 // requests and background owners alive in the guests
	LinearMemory int64 // of all instances, bytes
	Starts       int64 // instances started
	FailedStarts int64 // instances that ended at their start
	Deaths       int64 // instances that ended by exit, trap or watchdog
	Watchdog     int64 // of these, by the watchdog
	Recycled     int64 // instances replaced after their time
	Requests     int64 // HTTP requests served
	Objects      int   // lives of Durable Objects with a request under way
}

type counters struct {
	starts, failedStarts, deaths, watchdog, recycled, requests atomic.Int64
}

// Stats answers a snapshot.
func (h *Host) Stats() Stats {
	s := Stats{
		InFlight:     h.inflight.n.Load(),
		Starts:       h.stats.starts.Load(),
		FailedStarts: h.stats.failedStarts.Load(),
		Deaths:       h.stats.deaths.Load(),
		Watchdog:     h.stats.watchdog.Load(),
		Recycled:     h.stats.recycled.Load(),
		Requests:     h.stats.requests.Load(),
	}
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	s.Instances, s.Objects = len(h.pool.live), len(h.pool.actors)
	for in := range h.pool.live {
		s.Alive += in.Load()
		s.LinearMemory += in.Memory()
	}
	return s
}

// inflight counts requests and lets Close wait for them.
type inflight struct {
	n    atomic.Int64
	mu   sync.Mutex
	idle chan struct{} // closed when n falls to 0 while someone waits
}

func (i *inflight) add() { i.n.Add(1) }

func (i *inflight) done() {
	if i.n.Add(-1) > 0 {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.idle != nil {
		close(i.idle)
		i.idle = nil
	}
}

// wait returns when nothing is in flight or ctx is done.
func (i *inflight) wait(ctx context.Context) {
	for {
		i.mu.Lock()
		if i.n.Load() == 0 {
			i.mu.Unlock()
			return
		}
		if i.idle == nil {
			i.idle = make(chan struct{})
		}
		idle := i.idle
		i.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			return
		}
	}
}
