package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// Names of a subscription's filter and of what it lets through.
var listenKinds = [...]struct{ filter, notification string }{
	{"toolsListChanged", "notifications/tools/list_changed"},
	{"promptsListChanged", "notifications/prompts/list_changed"},
	{"resourcesListChanged", "notifications/resources/list_changed"},
}

const (
	ackNotification     = "notifications/subscriptions/acknowledged"
	updatedNotification = "notifications/resources/updated"
	// maxListens is the number of servers that one subscription listens to at once: each
	// holds a connection, of which Workers allow six per request.
	maxListens   = 5
	listenBackof = time.Second
	listenPause  = 30 * time.Second // longest pause before a broken subscription is renewed
)

// heard is what one server's subscription says.
type heard struct {
	rec    *registry.Record
	ack    rawjson.Object // the acknowledged filter; nil for a notification
	raw    []byte
	method string
	failed bool // it could not be opened: there will be no ack
}

// listen serves subscriptions/listen: one client stream over a subscription at each modern
// server. Servers of the session era have none of its kind and are left out of the
// acknowledgement.
func (h *Handler) listen(x *exchange, m *jsonrpc.Message) {
	params, _ := rawjson.ParseObject(m.Params)
	filter, err := rawjson.ParseObject(params.Get("notifications"))
	if err != nil {
		h.fail(x.w, x.r, m.ID, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "Invalid params: notifications is required."})
		return
	}
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	events := make(chan heard)
	n := 0
	for _, rec := range x.space.Servers {
		own := x.filterFor(rec, filter)
		if len(own) == 0 || n == maxListens {
			continue
		}
		n++
		go x.listenTo(ctx, rec, own, events)
	}
	x.out.begin()
	defer x.out.close()
	acked, queued, ok := x.awaitAcks(ctx, n, filter, events)
	if !ok {
		return
	}
	ack := rawjson.Object{}
	ack.Set("notifications", acked.Encode())
	if x.out.event(x.tagged(ackNotification, ack, m.ID)) != nil {
		return
	}
	for _, e := range queued {
		if x.pass(e, m.ID) != nil {
			return
		}
	}
	for {
		select {
		case e := <-events:
			if x.pass(e, m.ID) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// filterFor is the part of a filter that concerns one server.
func (x *exchange) filterFor(rec *registry.Record, filter rawjson.Object) rawjson.Object {
	own := rawjson.Object{}
	for _, k := range listenKinds {
		if string(filter.Get(k.filter)) == "true" {
			own.Set(k.filter, []byte("true"))
		}
	}
	uris, err := rawjson.ParseArray(filter.Get("resourceSubscriptions"))
	if err != nil {
		return own
	}
	var mine []json.RawMessage
	for _, raw := range uris {
		if uri, ok := jsonrpc.Unquote(raw); ok {
			if r, inner, ok := x.space.FindURI(uri); ok && r == rec {
				mine = append(mine, jsonrpc.AppendString(nil, inner))
			}
		}
	}
	if len(mine) > 0 {
		own.Set("resourceSubscriptions", rawjson.EncodeArray(mine))
	}
	return own
}

// awaitAcks waits until every server has acknowledged or failed, and answers the union of
// what they acknowledged and what came meanwhile.
func (x *exchange) awaitAcks(ctx context.Context, n int, filter rawjson.Object, events <-chan heard) (acked rawjson.Object, queued []heard, ok bool) {
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

// listenTo keeps a subscription at one server. After a break it subscribes again and says
// that every list may have changed meanwhile.
func (x *exchange) listenTo(ctx context.Context, rec *registry.Record, filter rawjson.Object, events chan<- heard) {
	say := func(e heard) error {
		e.rec = rec
		select {
		case events <- e:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	t := x.target(rec)
	era, err := x.h.Upstream.Era(ctx, t)
	if err != nil || !era.Modern {
		_ = say(heard{failed: true})
		return
	}
	p := rawjson.Object{}
	p.Set("notifications", filter.Encode())
	told := false
	pause := listenBackof
	for ctx.Err() == nil {
		err := x.h.Upstream.Listen(ctx, t, p.Encode(), Extra(x.r, t), func(raw []byte, n *jsonrpc.Message) error {
			x.h.Lists.Heard(ctx, rec, n)
			params, _ := rawjson.ParseObject(n.Params)
			if n.Method != ackNotification {
				return say(heard{raw: bytes.Clone(n.Params), method: n.Method})
			}
			pause = listenBackof
			if told {
				return x.changed(filter, say)
			}
			told = true
			ack, _ := rawjson.ParseObject(bytes.Clone(params.Get("notifications")))
			if ack == nil {
				ack = rawjson.Object{}
			}
			return say(heard{ack: ack})
		})
		if !told {
			x.h.Log.WarnContext(ctx, "server cannot be listened to", "server_id", rec.ServerID, "error", problem.From(err).Error())
			_ = say(heard{failed: true})
			return
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
		pause = min(2*pause, listenPause)
	}
}

func (x *exchange) changed(filter rawjson.Object, say func(heard) error) error {
	for _, k := range listenKinds {
		if filter.Get(k.filter) != nil {
			if err := say(heard{method: k.notification}); err != nil {
				return err
			}
		}
	}
	return nil
}

// pass sends a server's notification on, under the client's subscription.
func (x *exchange) pass(e heard, id []byte) error {
	params, _ := rawjson.ParseObject(e.raw)
	switch {
	case e.method == updatedNotification:
		if uri, ok := params.Text("uri"); ok {
			params.SetText("uri", x.space.URI(e.rec, uri))
		}
	case !slices.ContainsFunc(listenKinds[:], func(k struct{ filter, notification string }) bool { return k.notification == e.method }):
		return nil
	}
	return x.out.event(x.tagged(e.method, params, id))
}

// tagged makes a notification that belongs to the client's subscription.
func (x *exchange) tagged(method string, params rawjson.Object, id []byte) []byte {
	meta, _ := rawjson.ParseObject(params.Get("_meta"))
	meta.Set(jsonrpc.MetaSubscriptionID, id)
	params.Set("_meta", meta.Encode())
	return jsonrpc.AppendRequest(nil, nil, method, params.Encode())
}
