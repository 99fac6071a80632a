package mcp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/session"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

const (
	// kvSubscribed begins the keys of KV CONFIG that hold what sessions have subscribed to: a row for each
	// resource, so that instances do not overwrite each other's.
	kvSubscribed = "subscribed/" // + session/resource, both hashed
	// maxSubscriptions bounds the resources of one session.
	maxSubscriptions = 200
	// maxSubscribed bounds the sessions in an instance's memory; of those that are not listening KV knows too.
	maxSubscribed = 4096
	// editMemory is how long an instance knows better than a KV that lags behind what this
	// instance has changed.
	editMemory = 2 * time.Minute
)

var (
	errSubscriptions  = problem.New(http.StatusTooManyRequests, "too_many_subscriptions", "The session is subscribed to 200 resources, which is the most.")
	errNotSubscribed  = problem.New(http.StatusServiceUnavailable, "subscription_not_stored", "The subscription cannot be changed now; try again.")
	errNeedsSession   = &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: "Invalid Request: a subscription belongs to a session; send Mcp-Session-Id."}
	errNotToSubscribe = &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "Method not found: the resource's server offers no subscriptions."}
)

// subscriptions are the resources, by the endpoint's URIs, to which legacy clients' sessions are subscribed. The
// request that subscribes and the stream that tells of changes may be at different instances: KV tells one
// what another has changed.
type subscriptions struct {
	kv platform.KV // nil: memory only

	mu        sync.Mutex
	bySession map[string]*subscribed // by hash
}

// subscribed is what is known of one session.
type subscribed struct {
	read    bool                   // KV has been read
	stored  map[string]string      // URIs of KV, by hash
	edits   map[string]subEdit     // by URI
	streams map[chan struct{}]bool // told of changes
	used    time.Time
}

// subEdit is a change by this instance.
type subEdit struct {
	on   bool
	seen time.Time
}

func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// of answers the memory of a session, by its hash. mu is held.
func (s *subscriptions) of(session string) *subscribed {
	one := s.bySession[session]
	if one == nil {
		if len(s.bySession) >= maxSubscribed {
			s.evict()
		}
		one = &subscribed{edits: map[string]subEdit{}, streams: map[chan struct{}]bool{}}
		if s.bySession == nil {
			s.bySession = map[string]*subscribed{}
		}
		s.bySession[session] = one
	}
	one.used = time.Now()
	return one
}

// evict forgets the session without a stream that was used longest ago.
func (s *subscriptions) evict() {
	oldest := ""
	for k, one := range s.bySession {
		if len(one.streams) == 0 && (oldest == "" || one.used.Before(s.bySession[oldest].used)) {
			oldest = k
		}
	}
	delete(s.bySession, oldest)
}

// uris are in order.
func (one *subscribed) uris() []string {
	var out []string
	for _, uri := range one.stored {
		if e, edited := one.edits[uri]; !edited || e.on {
			out = append(out, uri)
		}
	}
	for uri, e := range one.edits {
		if e.on && one.stored[hashed(uri)] == "" {
			out = append(out, uri)
		}
	}
	slices.Sort(out)
	return out
}

// uris answers what the session is subscribed to, as far as this instance knows.
func (s *subscriptions) uris(session string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of(session).uris()
}

// read asks KV what other instances have changed.
func (s *subscriptions) read(ctx context.Context, session string) error {
	if s.kv == nil {
		return nil
	}
	s.mu.Lock()
	known := s.of(session).stored
	s.mu.Unlock()
	prefix := kvSubscribed + session + "/"
	keys, _, err := s.kv.List(ctx, prefix, 1000, "")
	if err != nil {
		return err
	}
	stored := map[string]string{}
	for _, k := range keys {
		hash := k[len(prefix):]
		if uri := known[hash]; uri != "" {
			stored[hash] = uri
		} else if b, err := s.kv.Get(ctx, k); err == nil { // else: it has just gone
			stored[hash] = string(b)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.of(session)
	before := one.uris()
	one.stored, one.read = stored, true
	for uri, e := range one.edits {
		if time.Since(e.seen) >= editMemory {
			delete(one.edits, uri)
		}
	}
	one.tell(before)
	return nil
}

// change subscribes the session to a resource, or ends that. ttl is what is left of the session.
func (s *subscriptions) change(ctx context.Context, session, uri string, on bool, ttl time.Duration) error {
	s.mu.Lock()
	read := s.of(session).read
	s.mu.Unlock()
	if !read {
		if err := s.read(ctx, session); err != nil {
			return errNotSubscribed.Because(err)
		}
	}
	if have := s.uris(session); on && len(have) >= maxSubscriptions && !slices.Contains(have, uri) {
		return errSubscriptions
	}
	if s.kv != nil {
		key := kvSubscribed + session + "/" + hashed(uri)
		var err error
		if on {
			err = s.kv.Put(ctx, key, []byte(uri), max(ttl, time.Minute))
		} else {
			err = s.kv.Delete(ctx, key)
		}
		if err != nil {
			return errNotSubscribed.Because(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.of(session)
	before := one.uris()
	one.edits[uri] = subEdit{on, time.Now()}
	one.tell(before)
	return nil
}

// tell tells the streams, if something has changed. mu is held.
func (one *subscribed) tell(before []string) {
	if slices.Equal(before, one.uris()) {
		return
	}
	for c := range one.streams {
		select {
		case c <- struct{}{}:
		default: // it has not looked yet
		}
	}
}

// watch tells of changes until stop.
func (s *subscriptions) watch(session string) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(session).streams[c] = true
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.of(session).streams, c)
	}
}

// subscribe serves resources/subscribe and resources/unsubscribe.
func (x *exchange) subscribe(ctx context.Context, m *jsonrpc.Message, on bool) (json.RawMessage, error) {
	s, err := x.ownSession()
	if err != nil {
		return nil, err
	}
	rec, _, ok := x.space.FindURI(m.URI)
	if !ok || m.URI == "" {
		return nil, x.noResource(m.URI)
	}
	if on {
		ctx, cancel := context.WithTimeoutCause(ctx, x.h.Limits.FanOutTimeout, upstream.ErrTimeout)
		defer cancel()
		d, err := x.h.Upstream.Describe(ctx, x.target(rec))
		if err != nil {
			return nil, err
		}
		if !declares(d, "resources", "subscribe") {
			return nil, errNotToSubscribe
		}
	}
	if err := x.h.subscriptions.change(ctx, hashed(x.session), m.URI, on, session.MaxLife-time.Since(s.Opened)); err != nil {
		return nil, err
	}
	return []byte("{}"), nil
}

// ownSession answers the session of the request.
func (x *exchange) ownSession() (*session.Session, error) {
	if x.session == "" {
		return nil, errNeedsSession
	}
	server := ""
	if x.space.Plain {
		server = x.space.Servers[0].ServerID
	}
	s, err := x.h.Sessions.Decode(x.session, server, x.caller.ID)
	if err != nil {
		return nil, errSession
	}
	return s, nil
}

// follow listens to every server for a legacy client's session, and anew where its subscriptions change.
func (x *exchange) follow(ctx context.Context, all *sync.WaitGroup, l *listener) {
	subs, id := &x.h.subscriptions, hashed(x.session)
	read := func() {
		if l.enter(ctx) {
			if err := subs.read(ctx, id); err != nil && ctx.Err() == nil {
				x.h.Log.WarnContext(ctx, "subscriptions of a session not read", "error", err.Error())
			}
			<-l.opening
		}
	}
	want := func() []wanted {
		filter := everyKind()
		filter.Set(resourceSubscriptions, array(subs.uris(id)))
		return x.wanted(filter)
	}
	changed, stop := subs.watch(id)
	read()
	now := want()
	next := make([]chan wanted, len(now))
	for i, first := range now {
		next[i] = make(chan wanted, 1)
		all.Go(func() { x.attend(ctx, l, i, first, next[i]) })
	}
	all.Go(func() {
		defer stop()
		look := time.NewTimer(pollAfter())
		defer look.Stop()
		for {
			select {
			case <-changed:
			case <-look.C:
				read()
				look.Reset(pollAfter())
			case <-ctx.Done():
				return
			}
			was := now
			now = want()
			for i := range now {
				if slices.Equal(was[i].uris, now[i].uris) {
					continue
				}
				select {
				case <-next[i]: // which was not taken up yet
				default:
				}
				next[i] <- now[i]
			}
		}
	})
}

// attend listens to the server in this place, and anew when something else is wanted. What was there before ends when
// the new listener listens, so that nothing is missed.
func (x *exchange) attend(ctx context.Context, l *listener, place int, first wanted, next <-chan wanted) {
	stream := place < maxStreams
	var all sync.WaitGroup
	defer all.Wait()
	start := func(w wanted) (listens <-chan struct{}, end func()) {
		ctx, cancel := context.WithCancel(ctx)
		one := l.of(x.space.Servers[place], w)
		all.Go(func() { one.run(ctx, stream) })
		return one.settled, cancel
	}
	_, end := start(first)
	defer func() { end() }()
	for {
		select {
		case w := <-next:
			if !stream {
				continue // a server that is polled does not tell of resources
			}
			listens, newEnd := start(w)
			late := time.NewTimer(x.h.Limits.FanOutTimeout)
			select {
			case <-listens:
			case <-late.C:
			case <-ctx.Done():
			}
			late.Stop()
			end()
			end = newEnd
		case <-ctx.Done():
			return
		}
	}
}
