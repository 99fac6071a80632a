package admission

import (
	"maps"
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
	servers tallies
	callers tallies
}

// tallies are what is under way, by server or caller.
type tallies map[string]*int

// maxTallies is the number from which a new one makes room of those that are zero.
const maxTallies = 4096

func (t tallies) of(id string) *int {
	n := t[id]
	if n == nil {
		if len(t) >= maxTallies {
			maps.DeleteFunc(t, func(_ string, n *int) bool { return *n == 0 })
		}
		n = new(int)
		t[id] = n
	}
	return n
}

// NewSlots makes Slots with these limits.
func NewSlots(perServer, perCaller int) *Slots {
	return &Slots{PerServer: perServer, PerCaller: perCaller, servers: tallies{}, callers: tallies{}}
}

// Hold is one taken slot.
type Hold struct {
	slots          *Slots
	server, caller *int
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
	server, caller := s.servers.of(rec.ServerID), s.callers.of(p.ID)
	if limit > 0 && *server >= limit {
		return Hold{}, busy("too_many_concurrent_requests", "Too many requests to this MCP server are under way.")
	}
	if s.PerCaller > 0 && *caller >= s.PerCaller {
		return Hold{}, busy("too_many_concurrent_requests", "Too many requests of this access key are under way.")
	}
	*server++
	*caller++
	return Hold{s, server, caller}, nil
}

// Release gives the slot back.
func (h Hold) Release() {
	if h.slots == nil {
		return
	}
	h.slots.mu.Lock()
	defer h.slots.mu.Unlock()
	*h.server--
	*h.caller--
}

func busy(code, message string) *problem.Problem {
	p := problem.New(http.StatusTooManyRequests, code, message)
	p.RetryAfter = 1
	return p
}
