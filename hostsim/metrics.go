package hostsim

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"

	"github.com/grantway/grantway/hostsim/internal/exposition"
	"github.com/grantway/grantway/hostsim/internal/instance"
	"github.com/grantway/grantway/wasm/abi"
)

// metricsPath is where the gateway shows its metrics. Each instance counts for
// itself; the host answers with the sum.
const metricsPath = "/metrics"

// scrapes remembers what each instance showed last, so that the sum does not fall
// when an instance ends.
type scrapes struct {
	mu    sync.Mutex
	last  map[*instance.Instance]*exposition.Metrics
	ended *exposition.Metrics
}

// serveMetrics asks every instance. The first answer that is not a 200 is the
// client's, for then it lacks the right.
func (h *Host) serveMetrics(w http.ResponseWriter, r *http.Request) {
	meta := requestMeta(r)
	h.pool.mu.Lock()
	live := make([]*instance.Instance, 0, len(h.pool.live))
	for in := range h.pool.live {
		live = append(live, in)
	}
	h.pool.mu.Unlock()
	if len(live) == 0 {
		refuse(w, r, http.StatusServiceUnavailable, "instance_failed", "No instance of the gateway is alive.")
		return
	}
	now := map[*instance.Instance]*exposition.Metrics{}
	for _, in := range live {
		res := ask(r.Context(), in, meta)
		switch {
		case res == nil: // it ended meanwhile
			continue
		case res.Status != http.StatusOK:
			writeHead(w, r, res)
			_, _ = w.Write(res.Body)
			return
		}
		now[in] = exposition.Parse(string(res.Body))
	}
	sum := h.scrapes.sum(now)
	s := h.Stats()
	sum.Set("hostsim_instances", "gauge", "Instances alive, draining ones included.", float64(s.Instances))
	sum.Set("hostsim_linear_memory_bytes", "gauge", "Linear memory of all instances.", float64(s.LinearMemory))
	sum.Set("hostsim_requests_in_flight", "gauge", "HTTP requests being served.", float64(s.InFlight))
	sum.Set("hostsim_instance_starts_total", "counter", "Instances started.", float64(s.Starts))
	sum.Set("hostsim_instance_deaths_total", "counter", "Instances that ended by exit, trap or watchdog.", float64(s.Deaths))
	sum.Set("hostsim_watchdog_total", "counter", "Instances ended by the watchdog.", float64(s.Watchdog))
	sum.Set("hostsim_instance_recycled_total", "counter", "Instances replaced after their time.", float64(s.Recycled))
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, sum.Text())
}

// sum adds up what the instances show now, and what ended ones showed last.
func (s *scrapes) sum(now map[*instance.Instance]*exposition.Metrics) *exposition.Metrics {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = exposition.Parse("")
	}
	for in, m := range s.last {
		if now[in] != nil {
			continue
		}
		select {
		case <-in.Ended():
			s.ended.Add(m)
		default: // alive, but it did not answer this time
			now[in] = m
		}
	}
	s.last = now
	total := exposition.Parse("")
	total.Add(s.ended)
	for _, m := range now {
		total.Add(m)
	}
	return total
}

// ask sends one instance a request and waits for the whole response; nil if it did not
// answer.
func ask(ctx context.Context, in *instance.Instance, meta string) *instance.Response {
	c := &collector{done: make(chan struct{})}
	r := &instance.Request{Kind: abi.KindFetch, Meta: meta, Client: c}
	if !in.Deliver(r) {
		return nil
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		r.Cancel()
		return nil
	}
	return c.response
}

// collector is a client that keeps the whole response in memory.
type collector struct {
	done     chan struct{}
	response *instance.Response // nil: none, or broken off
	body     bytes.Buffer
}

func (c *collector) Respond(res instance.Response) {
	if res.Stream != nil { // no handler that shows metrics passes a stream on
		_ = res.Stream.Close()
	}
	c.response = &res
	c.body.Write(res.Body)
}

func (c *collector) Write(p instance.Piece) {
	c.body.Write(p.Data)
	p.Settle("")
}

func (c *collector) End() {
	if c.response != nil {
		c.response.Streamed, c.response.Stream, c.response.Body = false, nil, c.body.Bytes()
	}
	close(c.done)
}

func (c *collector) Fail(abi.ErrorCode) {
	c.response = nil
	close(c.done)
}
