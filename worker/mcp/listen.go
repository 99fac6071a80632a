package mcp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// Names of a subscription's filter and of what it lets through.
var listenKinds = [...]listenKind{
	{"toolsListChanged", "notifications/tools/list_changed", "tools"},
	{"promptsListChanged", "notifications/prompts/list_changed", "prompts"},
	{"resourcesListChanged", "notifications/resources/list_changed", "resources"},
}

type listenKind struct{ filter, notification, feature string }

const (
	listenMethod        = "subscriptions/listen"
	ackNotification     = "notifications/subscriptions/acknowledged"
	updatedNotification = "notifications/resources/updated"
)

// Limits of a client's stream of notifications. Workers let a request wait for the heads of six answers at
// once: while streams are being opened, or lists polled, at most FanOut requests are under way; an open stream does
// not count.
const (
	maxStreams  = 32               // streams held at servers; the lists of further servers are polled
	listenPause = time.Second      // before a broken stream is opened anew, at first
	listenLimit = 30 * time.Second // the longest such pause
	pollPause   = time.Minute      // between two looks at the lists of a server that is polled
)

// heard is what one server has to say.
type heard struct {
	rec    *registry.Record
	ack    rawjson.Object // the acknowledged filter; nil for a notification
	raw    []byte         // params of a notification
	method string
	failed bool // it could not be opened: there will be no ack soon
}

// listener listens to one server for an exchange.
type listener struct {
	*exchange
	t       upstream.Target
	filter  rawjson.Object // what the client wants to hear of this server
	uris    []string       // resources of the filter
	told    bool           // that it listens, or cannot
	events  chan<- heard
	opening chan struct{} // holds one for each request under way, of all listeners
}

// listen serves a stream of notifications over those of all servers: a modern client's
// subscriptions/listen (m), or a legacy client's GET stream (m is nil).
func (h *Handler) listen(x *exchange, m *jsonrpc.Message) {
	filter := rawjson.Object{}
	var id []byte
	if m == nil {
		for _, k := range listenKinds {
			filter.Set(k.filter, []byte("true"))
		}
	} else {
		id = m.ID
		params, _ := rawjson.ParseObject(m.Params)
		var err error
		if filter, err = rawjson.ParseObject(params.Get("notifications")); err != nil {
			h.fail(x.w, x.r, m.ID, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "Invalid params: notifications is required."})
			return
		}
	}
	ctx, cancel := context.WithCancel(x.r.Context())
	events, opening := make(chan heard), make(chan struct{}, h.Limits.FanOut)
	n := 0
	var all sync.WaitGroup
	for _, rec := range x.space.Servers {
		own, uris := x.filterFor(rec, filter)
		if len(own) > 0 {
			l := &listener{exchange: x, t: x.target(rec), filter: own, uris: uris, events: events, opening: opening}
			stream := n < maxStreams
			all.Go(func() { l.run(ctx, stream) })
			n++
		}
	}
	defer all.Wait() // they end their sessions while the request lives
	defer cancel()
	x.out.w = x.w
	x.out.begin()
	defer x.out.close()
	if m != nil {
		acked, queued, ok := x.awaitAcks(ctx, n, events)
		if !ok {
			return
		}
		ack := rawjson.Object{}
		ack.Set("notifications", acked.Encode())
		if x.out.event(x.tagged(ackNotification, ack, id)) != nil {
			return
		}
		for _, e := range queued {
			if x.pass(e, id) != nil {
				return
			}
		}
	}
	for {
		select {
		case e := <-events:
			if x.pass(e, id) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// filterFor is the part of a filter that concerns one server, and its resources therein.
func (x *exchange) filterFor(rec *registry.Record, filter rawjson.Object) (own rawjson.Object, uris []string) {
	for _, k := range listenKinds {
		if string(filter.Get(k.filter)) == "true" {
			own.Set(k.filter, []byte("true"))
		}
	}
	all, err := rawjson.ParseArray(filter.Get("resourceSubscriptions"))
	if err != nil {
		return own, nil
	}
	var mine []json.RawMessage
	for _, raw := range all {
		if uri, ok := jsonrpc.Unquote(raw); ok {
			if r, inner, ok := x.space.FindURI(uri); ok && r == rec {
				uris = append(uris, inner)
				mine = append(mine, jsonrpc.AppendString(nil, inner))
			}
		}
	}
	if len(mine) > 0 {
		own.Set("resourceSubscriptions", rawjson.EncodeArray(mine))
	}
	return own, uris
}

// awaitAcks waits until every server has acknowledged or failed, and answers the union of
// what they acknowledged and what came meanwhile.
func (x *exchange) awaitAcks(ctx context.Context, n int, events <-chan heard) (acked rawjson.Object, queued []heard, ok bool) {
	kinds := map[string]bool{}
	var uris []json.RawMessage
	limit := time.NewTimer(x.h.Limits.FanOutTimeout)
	defer limit.Stop()
wait:
	for n > 0 {
		select {
		case e := <-events:
			switch {
			case e.failed:
				n--
			case e.ack != nil:
				n--
				for _, k := range listenKinds {
					kinds[k.filter] = kinds[k.filter] || string(e.ack.Get(k.filter)) == "true"
				}
				if list, err := rawjson.ParseArray(e.ack.Get("resourceSubscriptions")); err == nil {
					for _, raw := range list {
						if uri, ok := jsonrpc.Unquote(raw); ok {
							uris = append(uris, jsonrpc.AppendString(nil, x.space.URI(e.rec, uri)))
						}
					}
				}
			default:
				queued = append(queued, e)
			}
		case <-limit.C:
			break wait
		case <-ctx.Done():
			return nil, nil, false
		}
	}
	acked = rawjson.Object{}
	for _, k := range listenKinds {
		if kinds[k.filter] {
			acked.Set(k.filter, []byte("true"))
		}
	}
	if len(uris) > 0 {
		slices.SortFunc(uris, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
		acked.Set("resourceSubscriptions", rawjson.EncodeArray(uris))
	}
	return acked, queued, true
}

// run listens by a stream, which is opened anew after a break, or by looks at the lists where the
// server offers no stream or too many are held.
func (l *listener) run(ctx context.Context, stream bool) {
	pause := listenPause
	for stream {
		if !l.enter(ctx) {
			return
		}
		leave := sync.OnceFunc(func() { <-l.opening })
		promised := l.promised(ctx)
		if promised != nil && len(promised) == 0 {
			leave()
			_ = l.listens(ctx, promised)
			return
		}
		err := l.h.Upstream.Listen(ctx, &upstream.Listening{
			Target: l.t, Filter: l.filter, URIs: l.uris, Header: Extra(l.r, l.t), OpenTimeout: l.h.Limits.FanOutTimeout,
			Opened: func() {
				leave()
				pause = listenPause
				if promised != nil {
					_ = l.listens(ctx, promised)
				}
			},
			Heard: func(_ []byte, n *jsonrpc.Message) error {
				l.h.Lists.Heard(ctx, l.t, n)
				if n.Method != ackNotification {
					if !l.wants(n.Method) {
						return nil // a GET stream has no filter of its own
					}
					return l.say(ctx, heard{raw: bytes.Clone(n.Params), method: n.Method})
				}
				params, _ := rawjson.ParseObject(n.Params)
				acked, err := rawjson.ParseObject(bytes.Clone(params.Get("notifications")))
				if err != nil {
					acked = rawjson.Object{}
				}
				return l.listens(ctx, acked)
			},
		})
		leave()
		if stream = !errors.Is(err, upstream.ErrNoStream); !stream {
			break
		}
		l.cannot(ctx, err)
		if !sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, listenLimit)
	}
	l.poll(ctx)
}

// wants reports whether the client asked for such notifications of this server.
func (l *listener) wants(method string) bool {
	if method == updatedNotification {
		return len(l.uris) > 0
	}
	for _, k := range listenKinds {
		if k.notification == method {
			return l.filter.Get(k.filter) != nil
		}
	}
	return false
}

func (l *listener) say(ctx context.Context, e heard) error {
	e.rec = l.t.Record
	select {
	case l.events <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// listens says what is listened to; the second time that the lists have changed, for what happened between is
// not known.
func (l *listener) listens(ctx context.Context, acked rawjson.Object) error {
	if !l.told {
		l.told = true
		return l.say(ctx, heard{ack: acked})
	}
	for _, k := range listenKinds {
		if acked.Get(k.filter) != nil {
			if err := l.say(ctx, heard{method: k.notification}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *listener) cannot(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		l.h.Log.WarnContext(ctx, "server cannot be listened to", "server_id", l.t.Record.ServerID, "error", problem.From(err).Error())
	}
	if !l.told {
		l.told = true
		_ = l.say(ctx, heard{failed: true})
	}
}

// promised answers what a server of the session era says of itself that it will tell: it acknowledges
// nothing. nil means another server, or that it does not answer.
func (l *listener) promised(ctx context.Context) rawjson.Object {
	ctx, cancel := context.WithTimeoutCause(ctx, l.h.Limits.FanOutTimeout, upstream.ErrTimeout)
	defer cancel()
	era, err := l.h.Upstream.Era(ctx, l.t)
	if err != nil || era.Modern {
		return nil
	}
	return l.declared(ctx)
}

// declared answers the part of the filter that the server's capabilities cover, nil if they are not known.
func (l *listener) declared(ctx context.Context) rawjson.Object {
	d, err := l.h.Upstream.Describe(ctx, l.t)
	if err != nil {
		return nil
	}
	capabilities, _ := rawjson.ParseObject(d.Get("capabilities"))
	out := rawjson.Object{}
	take := func(filter, feature, member string) {
		o, _ := rawjson.ParseObject(capabilities.Get(feature))
		if v := l.filter.Get(filter); v != nil && string(o.Get(member)) == "true" {
			out.Set(filter, v)
		}
	}
	for _, k := range listenKinds {
		take(k.filter, k.feature, "listChanged")
	}
	take("resourceSubscriptions", "resources", "subscribe")
	return out
}

// poll looks at the lists that the server says may change. Lists answers from memory while it can, so the
// server is asked once in a list's life at most.
func (l *listener) poll(ctx context.Context) {
	var kinds rawjson.Object
	last := map[string][sha256.Size]byte{}
	for {
		if !l.enter(ctx) {
			return
		}
		if kinds == nil {
			if kinds = l.declared(ctx); kinds == nil {
				l.cannot(ctx, nil)
			} else {
				kinds.Delete("resourceSubscriptions")
				_ = l.listens(ctx, kinds)
			}
		}
		for _, k := range listenKinds {
			if kinds.Get(k.filter) == nil {
				continue
			}
			items, err := l.h.Lists.All(ctx, l.t, k.feature+"/list", Extra(l.r, l.t))
			if err != nil {
				continue
			}
			sum := sha256.Sum256(rawjson.EncodeArray(items))
			if before, looked := last[k.feature]; looked && before != sum {
				_ = l.say(ctx, heard{method: k.notification})
			}
			last[k.feature] = sum
		}
		<-l.opening
		if kinds != nil && len(kinds) == 0 || !sleep(ctx, pollPause+rand.N(pollPause/4)) {
			return
		}
	}
}

// enter waits for a place among the requests under way.
func (l *listener) enter(ctx context.Context) bool {
	select {
	case l.opening <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pass sends a server's notification on, under the client's subscription.
func (x *exchange) pass(e heard, id []byte) error {
	params, _ := rawjson.ParseObject(e.raw)
	switch e.method {
	case "": // an acknowledgement that came too late
		return nil
	case updatedNotification:
		if uri, ok := params.Text("uri"); ok {
			params.SetText("uri", x.space.URI(e.rec, uri))
		}
	}
	return x.out.event(x.tagged(e.method, params, id))
}

// tagged makes a notification that belongs to the client's subscription id, if it has one.
func (x *exchange) tagged(method string, params rawjson.Object, id []byte) []byte {
	meta, _ := rawjson.ParseObject(params.Get("_meta"))
	if id != nil {
		meta.Set(jsonrpc.MetaSubscriptionID, id)
	} else {
		meta.Delete(jsonrpc.MetaSubscriptionID)
	}
	if len(meta) > 0 {
		params.Set("_meta", meta.Encode())
	} else {
		params.Delete("_meta")
	}
	return jsonrpc.AppendRequest(nil, nil, method, params.Encode())
}
