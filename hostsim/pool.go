package hostsim

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantway/grantway/hostsim/internal/instance"
	"github.com/grantway/grantway/wasm/abi"
)

const (
	// restartPause is how soon after a failed start the next request may cause another.
	restartPause = time.Second
	// actorGrace is how long an object stays on an instance that is being replaced
	// while requests to it keep coming.
	actorGrace = 10 * time.Second
)

var (
	errClosed     = errors.New("hostsim: closed")
	errStartPause = errors.New("hostsim: the program ended at its start")
)

// pool spreads requests over the slots, each of which has one current instance, and
// keeps every object on one instance.
type pool struct {
	host  *Host
	log   hostLog
	slots []*slot
	all   sync.WaitGroup // instances alive

	mu     sync.Mutex
	live   map[*instance.Instance]*slot
	actors map[string]*life
	closed bool
}

// slot is a place for one instance.
type slot struct {
	pool    *pool
	current atomic.Pointer[instance.Instance]

	mu       sync.Mutex
	starting chan struct{} // closed when the start under way has ended; nil: none
	failed   time.Time     // when the last start failed
	err      error
}

// life is one object's life on one instance.
type life struct {
	in    *instance.Instance
	actor *instance.Actor
	users int       // requests and background owners
	since time.Time // when the instance began to drain
}

func newPool(h *Host, c *config) *pool {
	p := &pool{host: h, log: hostLog{c.logger, c.output}, live: map[*instance.Instance]*slot{}, actors: map[string]*life{}}
	for range c.instances {
		p.slots = append(p.slots, &slot{pool: p})
	}
	return p
}

func (p *pool) startAll() {
	for _, s := range p.slots {
		go func() { _, _ = s.ensure() }() // a failure is logged, and answered by serve
	}
}

// ensure answers the slot's instance and starts one if there is none. Callers share one
// start. After a failed start it fails at once for a second.
func (s *slot) ensure() (*instance.Instance, error) {
	for {
		if in := s.current.Load(); in != nil {
			return in, nil
		}
		s.mu.Lock()
		if s.current.Load() != nil {
			s.mu.Unlock()
			continue
		}
		if wait := s.starting; wait != nil {
			s.mu.Unlock()
			<-wait
			s.mu.Lock()
			err := s.err
			s.mu.Unlock()
			if err != nil {
				return nil, err
			}
			continue
		}
		if s.err != nil && time.Since(s.failed) < restartPause {
			s.mu.Unlock()
			return nil, errStartPause
		}
		s.starting = make(chan struct{})
		s.mu.Unlock()
		in, err := s.pool.start(s)
		s.mu.Lock()
		if s.err = err; err != nil {
			s.failed = time.Now()
		} else {
			s.current.Store(in)
		}
		close(s.starting)
		s.starting = nil
		s.mu.Unlock()
		return in, err
	}
}

// start starts an instance for the slot and registers it.
func (p *pool) start(s *slot) (*instance.Instance, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	p.all.Add(1)
	p.mu.Unlock()
	begin := time.Now()
	in, err := p.host.engine.Start(context.Background())
	if err != nil {
		p.all.Done()
		p.host.stats.failedStarts.Add(1)
		p.log.Host(int(slog.LevelError), "an instance failed to start", "error", err.Error())
		return nil, err
	}
	p.host.stats.starts.Add(1)
	p.mu.Lock()
	p.live[in] = s
	closed := p.closed
	p.mu.Unlock()
	go func() {
		<-in.Ended()
		p.mu.Lock()
		delete(p.live, in)
		p.mu.Unlock()
		p.all.Done()
	}()
	if closed {
		in.Kill()
		return nil, errClosed
	}
	p.log.Host(int(slog.LevelDebug), "an instance started", "instance", in.Number(), "took_ms", time.Since(begin).Milliseconds())
	return in, nil
}

// maxSession is how many requests an instance may have under way for it still to be the one that
// serves an MCP session.
const maxSession = 32

// serve delivers a request to the least loaded instance; one that belongs to an MCP session to the
// instance that serves the session, so that a message about another request finds it. It waits for one to start if
// none is alive.
func (p *pool) serve(r *instance.Request, session string) error {
	for range 3 {
		in, err := p.pick(session)
		if err != nil {
			return err
		}
		if in.Deliver(r) {
			return nil
		}
	}
	return errStartPause
}

func (p *pool) pick(session string) (*instance.Instance, error) {
	if session != "" {
		if in := p.home(session).current.Load(); in != nil && in.Load() < maxSession {
			return in, nil
		}
	}
	return p.leastLoaded()
}

func (p *pool) leastLoaded() (*instance.Instance, error) {
	var best *instance.Instance
	var empty *slot
	for _, s := range p.slots {
		in := s.current.Load()
		switch {
		case in == nil:
			empty = s
		case best == nil || in.Load() < best.Load():
			best = in
		}
	}
	if best == nil {
		return p.slots[0].ensure()
	}
	if empty != nil {
		go func() { _, _ = empty.ensure() }() // so that the next request finds it
	}
	return best, nil
}

// Object implements instance.Router.
func (p *pool) Object(r *instance.Request) {
	home := p.home(r.Actor.ID)
	if home.current.Load() == nil {
		go func() {
			if _, err := home.ensure(); err != nil {
				r.Client.Fail(abi.ErrGone)
				return
			}
			p.deliverObject(r, home)
		}()
		return
	}
	p.deliverObject(r, home)
}

// home is the slot where an object lives, or a session: always the same for one name.
func (p *pool) home(id string) *slot {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return p.slots[h.Sum32()%uint32(len(p.slots))]
}

func (p *pool) deliverObject(r *instance.Request, home *slot) {
	for range 3 {
		l := p.join(r.Actor.ID, home)
		if l == nil {
			break
		}
		r.Actor = l.actor
		r.Finished = func() { p.leave(l) }
		if l.in.Deliver(r) {
			return
		}
		p.leave(l)
	}
	r.Client.Fail(abi.ErrGone)
}

// join finds the object's life, or begins one, and counts a user of it.
func (p *pool) join(id string, home *slot) *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	current := home.current.Load()
	if l := p.actors[id]; l != nil {
		_, alive := p.live[l.in]
		if alive && (!l.in.Draining() || time.Since(l.since) < actorGrace) {
			l.users++
			return l
		}
		delete(p.actors, id)
		l.in.EndLife(l.actor)
	}
	if current == nil {
		return nil
	}
	l := &life{in: current, actor: &instance.Actor{ID: id}, users: 1}
	l.actor.Hold = func() { p.hold(l) }
	l.actor.Release = func() { p.leave(l) }
	p.actors[id] = l
	return l
}

// ResetObject ends the life of a Durable Object, as an eviction does on Workers: its
// pending calls get "gone", callers without a response fail, and the next request
// begins a new life. Without a request under way it does nothing. A test's hook.
func (h *Host) ResetObject(class, name string) {
	p := h.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.actors[class+"/"+name]; l != nil {
		delete(p.actors, class+"/"+name)
		l.in.EndLife(l.actor)
	}
}

// KillInstances ends every instance at once, as a crash does: requests without a response fail, what the guest had in memory is
// gone, and the next request begins a new instance. A test's hook.
func (h *Host) KillInstances() {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	for in := range h.pool.live {
		in.Kill()
	}
}

// KV answers what is stored in a namespace, sealed or not; false if there is nothing. A test's hook.
func (h *Host) KV(namespace, key string) ([]byte, bool, error) {
	e, ok, err := h.store.Get(namespace, key)
	return e.Value, ok, err
}

func (p *pool) hold(l *life) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.users++
}

func (p *pool) leave(l *life) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.users--; l.users == 0 && p.actors[l.actor.ID] == l {
		delete(p.actors, l.actor.ID)
	}
}

// Retire implements instance.Router: it starts another instance, then lets the old
// one drain.
func (p *pool) Retire(in *instance.Instance) {
	p.mu.Lock()
	s := p.live[in]
	p.mu.Unlock()
	if s == nil {
		return
	}
	go func() {
		next, err := p.start(s)
		if err != nil { // the old one goes on
			time.AfterFunc(restartPause, func() { p.Retire(in) })
			return
		}
		s.mu.Lock()
		replaced := s.current.CompareAndSwap(in, next)
		s.mu.Unlock()
		if !replaced { // it died meanwhile
			next.Drain()
			return
		}
		p.host.stats.recycled.Add(1)
		p.mu.Lock()
		now := time.Now()
		for _, l := range p.actors {
			if l.in == in {
				l.since = now
			}
		}
		p.mu.Unlock()
		in.Drain()
	}()
}

// Ended implements instance.Router: the slot is empty from now on, and the lives of
// objects on the instance are over.
func (p *pool) Ended(in *instance.Instance) {
	p.mu.Lock()
	s := p.live[in]
	delete(p.live, in)
	for id, l := range p.actors {
		if l.in == in {
			delete(p.actors, id)
		}
	}
	p.mu.Unlock()
	if s != nil {
		s.current.CompareAndSwap(in, nil)
	}
	if cause := in.Cause(); cause != nil {
		p.host.stats.deaths.Add(1)
		if errors.Is(cause, instance.ErrWatchdog) {
			p.host.stats.watchdog.Add(1)
		}
		p.log.Host(int(slog.LevelError), "an instance died", "instance", in.Number(), "error", cause.Error())
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for in := range p.live {
		in.Kill()
	}
	p.mu.Unlock()
	p.all.Wait()
}
