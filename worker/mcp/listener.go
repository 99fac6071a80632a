package mcp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/mcp/upstream"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// listener listens to one server for an exchange.
type listener struct {
	*exchange
	wanted
	t            upstream.Target
	capabilities json.RawMessage // that the client declares, as far as they are passed on; nil: none
	told         bool            // that it listens, or cannot
	settled      chan struct{}   // closed then
	events       chan heard
	opening      chan struct{} // holds one for each request under way, of all listeners
}

// of makes a listener to a server that shares with l what belongs to the exchange.
func (l *listener) of(rec *registry.Record, want wanted) *listener {
	one := *l
	one.wanted, one.t, one.settled = want, l.target(rec), make(chan struct{})
	return &one
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
			Target: l.t, Filter: l.filter, URIs: l.uris, Capabilities: l.capabilities, Header: Extra(l.r, l.t), OpenTimeout: l.h.Limits.FanOutTimeout,
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
					if !l.wants(n) {
						return nil // a GET stream has no filter of its own
					}
					return l.say(ctx, heard{raw: bytes.Clone(n.Params), method: n.Method, task: l.tasks[n.TaskID]})
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
func (l *listener) wants(n *jsonrpc.Message) bool {
	switch n.Method {
	case updatedNotification:
		return len(l.uris) > 0
	case taskNotification:
		return l.tasks[n.TaskID] != ""
	}
	for _, k := range listenKinds {
		if k.notification == n.Method {
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

// listens says what is listened to; the second time, of all of it that it has changed: what happened between is
// not known.
func (l *listener) listens(ctx context.Context, acked rawjson.Object) error {
	uris, tasks := texts(acked.Get(resourceSubscriptions)), texts(acked.Get(taskIDs))
	if !l.told {
		for i, own := range uris {
			uris[i] = l.space.URI(l.t.Record, own)
		}
		acked.Set(resourceSubscriptions, array(uris))
		var ids []string
		for _, own := range tasks {
			if id := l.tasks[own]; id != "" {
				ids = append(ids, id)
			}
		}
		acked.Set(taskIDs, array(ids))
		l.settle()
		return l.say(ctx, heard{ack: acked})
	}
	for _, k := range listenKinds {
		if acked.Get(k.filter) != nil {
			if err := l.say(ctx, heard{method: k.notification}); err != nil {
				return err
			}
		}
	}
	for _, own := range uris {
		params := rawjson.Object{}
		params.SetText("uri", own)
		if err := l.say(ctx, heard{method: updatedNotification, raw: params.Encode()}); err != nil {
			return err
		}
	}
	for _, own := range tasks {
		if err := l.say(ctx, l.askTask(ctx, own)); err != nil {
			return err
		}
	}
	return nil
}

// askTask answers the notification that says how the server's own task is now; none if that is not known.
func (l *listener) askTask(ctx context.Context, own string) heard {
	if !l.enter(ctx) {
		return heard{}
	}
	defer func() { <-l.opening }()
	params := rawjson.Object{}
	params.SetText("taskId", own)
	reply, err := l.h.Upstream.Call(ctx, &upstream.Call{
		Target: l.t, Method: "tasks/get", Params: params.Encode(), Name: own, HasName: true, Capabilities: l.capabilities, Header: Extra(l.r, l.t),
	})
	if err != nil || reply.Error != nil {
		return heard{}
	}
	state, err := rawjson.ParseObject(reply.Result)
	if err != nil {
		return heard{}
	}
	state.Delete("resultType")
	return heard{method: taskNotification, raw: state.Encode(), task: l.tasks[own]}
}

func (l *listener) settle() {
	l.told = true
	close(l.settled)
}

func (l *listener) cannot(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		l.h.Log.WarnContext(ctx, "server cannot be listened to", "server_id", l.t.Record.ServerID, "error", problem.From(err).Error())
	}
	if !l.told {
		l.settle()
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
	out := rawjson.Object{}
	for _, k := range listenKinds {
		if v := l.filter.Get(k.filter); v != nil && declares(d, k.feature, "listChanged") {
			out.Set(k.filter, v)
		}
	}
	if v := l.filter.Get(resourceSubscriptions); v != nil && declares(d, "resources", "subscribe") {
		out.Set(resourceSubscriptions, v)
	}
	return out
}

// declares reports whether what a server says of itself declares this member of a capability.
func declares(description rawjson.Object, capability, member string) bool {
	capabilities, _ := rawjson.ParseObject(description.Get("capabilities"))
	o, _ := rawjson.ParseObject(capabilities.Get(capability))
	return string(o.Get(member)) == "true"
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
				kinds.Delete(resourceSubscriptions)
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
		if kinds != nil && len(kinds) == 0 || !sleep(ctx, pollAfter()) {
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
