package mcp

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/rawjson"
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
	listenMethod          = "subscriptions/listen"
	ackNotification       = "notifications/subscriptions/acknowledged"
	updatedNotification   = "notifications/resources/updated"
	taskNotification      = "notifications/tasks" // SEP-2663
	resourceSubscriptions = "resourceSubscriptions"
	taskIDs               = "taskIds"
)

// Limits of a client's stream of notifications. Workers let a request wait for the heads of six answers at
// once: while streams are being opened, or lists polled, at most FanOut requests are under way; an open stream does
// not count.
const (
	maxStreams  = 32               // streams held at servers; the lists of further servers are polled
	listenPause = time.Second      // before a broken stream is opened anew, at first
	listenLimit = 30 * time.Second // the longest such pause
	pollPause   = time.Minute      // between two looks at what no stream tells
	maxQueued   = 1000             // notifications that wait for the acknowledgement; together they are at most MaxResponse bytes long
)

// pollAfter answers a pause of pollPause, up to a quarter longer: not all look at once.
func pollAfter() time.Duration { return pollPause + rand.N(pollPause/4) }

// heard is what one server has to say.
type heard struct {
	rec    *registry.Record
	ack    rawjson.Object // the acknowledged filter, in the client's names; nil for a notification
	raw    []byte         // params of a notification
	method string
	task   string // the client's id of the task that a notification is about
	failed bool   // it could not be opened: there will be no ack soon
}

// listen serves a stream of notifications over those of all servers: a modern client's
// subscriptions/listen (m), or a legacy client's GET stream (m is nil).
func (h *Handler) listen(x *exchange, m *jsonrpc.Message) {
	filter := everyKind()
	var id []byte
	l := listener{exchange: x, events: make(chan heard), opening: make(chan struct{}, h.Limits.FanOut)}
	if m != nil {
		id = m.ID
		params, _ := rawjson.ParseObject(m.Params)
		var err error
		if filter, err = rawjson.ParseObject(params.Get("notifications")); err != nil {
			h.fail(x.w, x.r, m.ID, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "Invalid params: notifications is required."})
			return
		}
		l.capabilities = passedExtensions(m.ClientCapabilities)
		if tasks, err := rawjson.ParseArray(filter.Get(taskIDs)); err == nil && len(tasks) > 0 && !declaresTasks(l.capabilities) {
			h.fail(x.w, x.r, m.ID, errTasksUndeclared)
			return
		}
	}
	ctx, cancel := context.WithCancel(x.r.Context())
	var all sync.WaitGroup
	defer all.Wait() // they end their sessions while the request lives
	defer cancel()
	x.out.w = x.w
	x.out.begin()
	defer x.out.close()
	n := 0
	if m != nil || x.session == "" {
		for i, want := range x.wanted(filter) {
			if len(want.filter) > 0 {
				one, stream := l.of(x.space.Servers[i], want), n < maxStreams
				all.Go(func() { one.run(ctx, stream) })
				n++
			}
		}
	} else {
		x.follow(ctx, &all, &l)
	}
	if m != nil {
		acked, queued, ok := x.awaitAcks(ctx, n, l.events)
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
		case e := <-l.events:
			if x.pass(e, id) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// everyKind is what a GET stream tells of without subscriptions.
func everyKind() rawjson.Object {
	filter := rawjson.Object{}
	for _, k := range listenKinds {
		filter.Set(k.filter, []byte("true"))
	}
	return filter
}

// wanted is the part of a client's filter that concerns one server.
type wanted struct {
	filter rawjson.Object    // in the server's own names
	uris   []string          // resources therein
	tasks  map[string]string // tasks therein: the client's ids by the server's own
}

// wanted takes a filter apart, by the place of the server.
func (x *exchange) wanted(filter rawjson.Object) []wanted {
	out := make([]wanted, len(x.space.Servers))
	for i := range out {
		for _, k := range listenKinds {
			if string(filter.Get(k.filter)) == "true" {
				out[i].filter.Set(k.filter, []byte("true"))
			}
		}
	}
	of := func(rec *registry.Record) *wanted { return &out[slices.Index(x.space.Servers, rec)] }
	for _, uri := range texts(filter.Get(resourceSubscriptions)) {
		if rec, own, ok := x.space.FindURI(uri); ok {
			w := of(rec)
			w.uris = append(w.uris, own)
		}
	}
	for _, id := range texts(filter.Get(taskIDs)) {
		if rec, own, ok := x.taskOf(id); ok && !x.space.Plain {
			w := of(rec)
			if w.tasks == nil {
				w.tasks = map[string]string{}
			}
			w.tasks[own] = id
		}
	}
	for i := range out {
		w := &out[i]
		if len(w.uris) > 0 {
			w.filter.Set(resourceSubscriptions, array(w.uris))
		}
		if len(w.tasks) > 0 {
			w.filter.Set(taskIDs, array(slices.Sorted(maps.Keys(w.tasks))))
		}
	}
	return out
}

// texts answers the strings of an array.
func texts(raw json.RawMessage) []string {
	all, err := rawjson.ParseArray(raw)
	if err != nil {
		return nil
	}
	var out []string
	for _, v := range all {
		if s, ok := jsonrpc.Unquote(v); ok {
			out = append(out, s)
		}
	}
	return out
}

// array makes an array of strings.
func array(texts []string) json.RawMessage {
	out := make([]json.RawMessage, len(texts))
	for i, s := range texts {
		out[i] = jsonrpc.AppendString(nil, s)
	}
	return rawjson.EncodeArray(out)
}

// awaitAcks waits until every server has acknowledged or failed, or there is much to say, and answers
// the union of what they acknowledged and what came meanwhile.
func (x *exchange) awaitAcks(ctx context.Context, n int, events <-chan heard) (acked rawjson.Object, queued []heard, ok bool) {
	kinds := map[string]bool{}
	named := map[string][]string{}
	size := 0 // of queued, in bytes
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
				for _, k := range [...]string{resourceSubscriptions, taskIDs} {
					named[k] = append(named[k], texts(e.ack.Get(k))...)
				}
			default:
				queued = append(queued, e)
				if size += len(e.raw); len(queued) == maxQueued || size > x.h.Upstream.Limits.MaxResponse {
					break wait
				}
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
	for _, k := range [...]string{resourceSubscriptions, taskIDs} {
		if len(named[k]) > 0 {
			slices.Sort(named[k])
			acked.Set(k, array(named[k]))
		}
	}
	return acked, queued, true
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
	case taskNotification:
		x.taskState(e.rec, e.task, &params)
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
