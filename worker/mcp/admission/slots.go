package admission

import (
	"net/http"
	"sync"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// Slots limits how many requests this instance has under way at once, per server and per
// caller, each until its answer has ended; one whose answer the host passes on by itself and
// that is at most 64 KiB long by its declared length, until the head of that answer.
type Slots struct {
	PerServer int // unless the record has its own number; 0: no limit
	PerCaller int // 0: no limit

	mu      sync.Mutex
	servers map[string]int
	callers map[string]int
}

// NewSlots makes Slots with these limits.
func NewSlots(perServer, perCaller int) *Slots {
	return &Slots{PerServer: perServer, PerCaller: perCaller, servers: map[string]int{}, callers: map[string]int{}}
}

// Hold is one taken slot.
type Hold struct {
	slots          *Slots
	server, caller string
}

// Take takes a slot, or answers a 429. Release the hold once.
func (s *Slots) Take(rec *registry.Record, p *access.Principal) (Hold, error) {
	if s == nil {
		return Hold{}, nil
	}
	limit := s.PerServer
	if rec.MaxConcurrent > 0 {
		limit = rec.MaxConcurrent
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit > 0 && s.servers[rec.ServerID] >= limit {
		return Hold{}, busy("too_many_concurrent_requests", "Too many requests to this MCP server are under way.")
	}
	if s.PerCaller > 0 && s.callers[p.ID] >= s.PerCaller {
		return Hold{}, busy("too_many_concurrent_requests", "Too many requests of this access key are under way.")
	}
	s.servers[rec.ServerID]++
	s.callers[p.ID]++
	return Hold{s, rec.ServerID, p.ID}, nil
}

// Release gives the slot back.
func (h Hold) Release() {
	if h.slots == nil {
		return
	}
	h.slots.mu.Lock()
	defer h.slots.mu.Unlock()
	if h.slots.servers[h.server]--; h.slots.servers[h.server] == 0 {
		delete(h.slots.servers, h.server)
	}
	if h.slots.callers[h.caller]--; h.slots.callers[h.caller] == 0 {
		delete(h.slots.callers, h.caller)
	}
}

func busy(code, message string) *problem.Problem {
	p := problem.New(http.StatusTooManyRequests, code, message)
	p.RetryAfter = 1
	return p
}
