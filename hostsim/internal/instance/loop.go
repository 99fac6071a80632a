package instance

import (
	"errors"
	"time"

	"github.com/grantway/grantway/wasm/abi"
)

type eventKind uint8

const (
	eventStart   eventKind = iota + 1 // a request to deliver
	eventSettle                       // a call succeeded
	eventFail                         // a call failed
	eventPassed                       // a forwarded request was answered
	eventCancel                       // a request's client is gone
	eventDrain                        // end when all requests have
	eventEndLife                      // an actor's life is over
	eventKill                         // end now
	eventWake                         // look at the timers again
	eventRun                          // do what a delayed fault held back
)

// event is what reaches the loop from outside, or waits for the guest to leave the
// stack.
type event struct {
	kind    eventKind
	closes  bool // the handle of this read has ended
	call    int32
	n       int32
	handle  int32
	request *Request
	actor   *Actor
	meta    string
	body    []byte
	stream  Stream  // the body of a fetch
	buffer  *[]byte // returned to the pool after the push
	code    abi.ErrorCode
	run     func()
}

// post hands an event to the loop. It reports false if the loop has ended.
func (in *Instance) post(e event) bool {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		return false
	}
	in.queue = append(in.queue, e)
	first := len(in.queue) == 1
	in.mu.Unlock()
	if first {
		select {
		case in.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// settle and fail settle a call from any goroutine.
func (in *Instance) settle(e event) {
	e.kind = eventSettle
	if !in.post(e) {
		e.drop()
	}
}

func (in *Instance) fail(call int32, code abi.ErrorCode, message string) {
	in.post(event{kind: eventFail, call: call, code: code, meta: message})
}

// settleLocal and failLocal settle a call from the loop itself, while the guest may be
// on the stack.
func (in *Instance) settleLocal(e event) {
	e.kind = eventSettle
	in.local = append(in.local, e)
}

func (in *Instance) failLocal(call int32, code abi.ErrorCode, message string) {
	in.local = append(in.local, event{kind: eventFail, call: call, code: code, meta: message})
}

// drop gives back what an event that will not be delivered carries.
func (e *event) drop() {
	if e.stream != nil {
		_ = e.stream.Close()
	}
	if e.buffer != nil {
		pieces.Put(e.buffer)
	}
}

// next answers the events that wait: first the loop's own, then those of others.
func (in *Instance) next(batch []event) []event {
	batch = append(batch[:0], in.local...)
	clear(in.local)
	in.local = in.local[:0]
	in.mu.Lock()
	if len(in.queue) > 0 {
		batch = append(batch, in.queue...)
		clear(in.queue)
		in.queue = in.queue[:0]
	}
	in.mu.Unlock()
	return batch
}

// run is the loop. It ends with the instance.
func (in *Instance) run() {
	stopWaking := in.Clock.OnAdvance(func() { in.post(event{kind: eventWake}) })
	err := in.serve()
	stopWaking()
	in.end(err)
}

// errDrained ends a loop in order.
var errDrained = errors.New("instance: drained")

func (in *Instance) serve() error {
	var batch []event
	for {
		batch = in.next(batch)
		enter := false
		for i := range batch {
			pushed, err := in.apply(&batch[i])
			if err != nil {
				in.abandon(batch[i+1:])
				return err
			}
			enter = enter || pushed
			batch[i] = event{}
		}
		if !enter {
			enter = in.js.Fire()
		}
		if enter {
			if err := in.resumeGuest(); err != nil {
				return err
			}
			if err := in.afterGuest(); err != nil {
				return err
			}
			in.checkLimits()
			continue
		}
		if in.drained() {
			return errDrained
		}
		if len(batch) == 0 {
			in.wait()
		}
	}
}

// wait blocks until there is an event or a timer is due.
func (in *Instance) wait() {
	d := time.Duration(-1)
	if due, ok := in.js.NextTimer(); ok {
		if d = time.Duration(due) - in.Clock.Monotonic(); d <= 0 {
			return
		}
	}
	if !in.drainBy.IsZero() {
		if left := time.Until(in.drainBy); d < 0 || left < d {
			d = left
		}
	}
	if d < 0 {
		<-in.wake
		return
	}
	in.timer.Reset(d)
	select {
	case <-in.wake:
		in.timer.Stop()
	case <-in.timer.C:
	}
}

// apply does what an event says: at most one push. It reports whether the guest must
// be resumed.
func (in *Instance) apply(e *event) (pushed bool, err error) {
	switch e.kind {
	case eventStart:
		return in.begin(e.request)
	case eventSettle, eventFail:
		return in.applySettlement(e)
	case eventPassed:
		return in.applyPassed(e)
	case eventCancel:
		r := e.request
		if in.requests[r.id] != r || r.done || r.canceled {
			return false, nil
		}
		r.canceled = true
		_, err = in.deliver(abi.KindCancel, r.id, "", nil, 0)
		return true, err
	case eventDrain:
		in.drainBy = time.Now().Add(in.DrainLimit)
	case eventEndLife:
		return in.endLife(e.actor)
	case eventRun:
		e.run()
	case eventKill:
		return false, errStopped
	}
	return false, nil
}

func (in *Instance) applySettlement(e *event) (pushed bool, err error) {
	c := in.calls[e.call]
	if c == nil { // given up
		in.closeIfEnded(e)
		e.drop()
		return false, nil
	}
	delete(in.calls, e.call)
	in.closeIfEnded(e)
	if e.kind == eventFail {
		if c.cancel != nil {
			c.cancel()
		}
		_, err = in.deliver(abi.KindError, e.call, string(e.code)+"\n"+e.meta, nil, 0)
	} else {
		if e.stream != nil {
			e.n = in.open(e.stream, c.owner)
		}
		_, err = in.deliver(abi.KindOK, e.call, e.meta, e.body, e.n)
	}
	if e.buffer != nil {
		pieces.Put(e.buffer)
	}
	c.owner.pending--
	in.release(c.owner)
	return true, err
}

// applyPassed ends a request whose answer the host has forwarded.
func (in *Instance) applyPassed(e *event) (resume bool, err error) {
	c := in.calls[e.call]
	if c == nil {
		return false, nil
	}
	delete(in.calls, e.call)
	r := c.owner
	r.responded, r.done, r.client = true, true, nil
	answer, err := in.deliver(abi.KindOK, e.call, "", nil, e.n)
	r.pending--
	in.release(r)
	return answer != abi.PushIdle, err
}

// closeIfEnded forgets the handle whose read found its end or failed.
func (in *Instance) closeIfEnded(e *event) {
	h := in.handles[e.handle]
	if h == nil {
		return
	}
	h.reading = false
	if e.closes {
		in.close(h)
	}
}

// checkLimits asks for a replacement once the instance has served its time.
func (in *Instance) checkLimits() {
	if in.retired {
		return
	}
	if (in.MaxRequests > 0 && in.served >= in.MaxRequests) || (in.MaxMemory > 0 && in.memory.Load() >= in.MaxMemory) {
		in.retired = true
		in.Router.Retire(in)
	}
}

func (in *Instance) drained() bool {
	if in.drainBy.IsZero() {
		return false
	}
	return len(in.requests) == 0 || time.Now().After(in.drainBy)
}

// end fails everything that is still alive. The guest is not entered again.
func (in *Instance) end(err error) {
	in.mu.Lock()
	in.closed = true
	queue := in.queue
	in.queue = nil
	in.mu.Unlock()

	if !errors.Is(err, errDrained) && !errors.Is(err, errStopped) {
		in.cause = err
	}
	in.Router.Ended(in)
	for _, c := range in.calls {
		if c.cancel != nil {
			c.cancel()
		}
	}
	for _, h := range in.handles {
		_ = h.stream.Close()
	}
	for _, r := range in.requests {
		if r.client != nil {
			r.client.Fail(abi.ErrGone)
		}
		in.forget(r)
	}
	in.abandon(in.local)
	in.abandon(queue)
	in.js.Mem = nil
	_ = in.module.Close(in)
	close(in.ended)
}

// abandon fails what was not delivered.
func (in *Instance) abandon(events []event) {
	for i := range events {
		e := &events[i]
		e.drop()
		if e.kind == eventStart {
			e.request.client.Fail(abi.ErrGone)
			e.request.finished()
			in.load.Add(-1)
		}
	}
}
