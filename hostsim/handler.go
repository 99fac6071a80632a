package hostsim

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/hostsim/internal/instance"
	"github.com/grantway/grantway/wasm/abi"
)

// bodyTimeout is how long a body of up to 64 KiB may take to arrive. A larger one is
// the guest's business.
const bodyTimeout = 30 * time.Second

// ServeHTTP lets an instance answer the request.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.inflight.add()
	defer h.inflight.done()
	if h.stopped.Load() {
		refuse(w, r, http.StatusServiceUnavailable, "host_stopping", "The host is stopping.")
		return
	}
	h.stats.requests.Add(1)
	if r.Method == http.MethodGet && r.URL.Path == metricsPath {
		h.serveMetrics(w, r)
		return
	}
	meta := requestMeta(r)
	if len(meta) > abi.MaxMeta {
		refuse(w, r, http.StatusRequestHeaderFieldsTooLarge, "headers_too_large", "The request's head is above 256 KiB.")
		return
	}
	x := &exchange{wake: make(chan struct{}, 1)}
	defer x.leave()
	event := &instance.Request{Kind: abi.KindFetch, Meta: meta, Client: x}
	if r.ContentLength >= 0 && r.ContentLength <= abi.MaxInlineBody {
		if r.ContentLength > 0 {
			event.Body = make([]byte, r.ContentLength)
			if err := readBody(w, r, event.Body); err != nil {
				refuseBody(w, r)
				return
			}
		}
	} else {
		x.body = &requestBody{body: r.Body, rc: http.NewResponseController(w)}
		defer x.body.stop()
		event.Large = x.body
	}
	if err := h.pool.serve(event, r.Header.Get("Mcp-Session-Id")); err != nil {
		refuse(w, r, http.StatusServiceUnavailable, "instance_failed", "The gateway could not start. See the host's log.")
		return
	}
	x.serve(h, w, r, event)
}

// readBody reads a body of known length, within bodyTimeout.
func readBody(w http.ResponseWriter, r *http.Request, into []byte) error {
	rc := http.NewResponseController(w)
	deadlines := rc.SetReadDeadline(time.Now().Add(bodyTimeout)) == nil
	_, err := io.ReadFull(r.Body, into)
	if err == nil && deadlines {
		err = rc.SetReadDeadline(time.Time{})
	}
	return err
}

// requestMeta lays out the head of a request as docs/host-abi.md says.
func requestMeta(r *http.Request) string {
	header := r.Header
	for name := range header {
		if strings.HasPrefix(name, instance.InternalPrefix) {
			delete(header, name)
		}
	}
	instance.DropHopByHop(header)
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		client = ""
	}
	first := r.Method + " " + scheme + "://" + r.Host + r.URL.RequestURI() + "\n\n" + client
	if r.ContentLength > 0 {
		first += "\nContent-Length:" + strconv.FormatInt(r.ContentLength, 10)
	}
	return instance.JoinHeader(first, header)
}

// exchange carries a response from the loop of an instance to the goroutine of its
// HTTP request. It implements instance.Client.
type exchange struct {
	wake chan struct{} // capacity 1
	body *requestBody  // nil: the body was delivered with the request

	mu     sync.Mutex
	head   *instance.Response
	order  *instance.Forward // to be sent by the request's goroutine
	pieces []instance.Piece
	end    bool
	failed abi.ErrorCode
	left   bool // the client is gone: nothing is taken any more
}

func (x *exchange) signal() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Respond implements instance.Client.
func (x *exchange) Respond(res instance.Response) {
	x.mu.Lock()
	left := x.left
	if !left {
		x.head = &res
	}
	x.mu.Unlock()
	if left && res.Stream != nil {
		_ = res.Stream.Close()
	}
	x.signal()
}

// Forward implements instance.Forwarder.
func (x *exchange) Forward(f *instance.Forward) {
	x.mu.Lock()
	left := x.left
	if !left {
		x.order = f
	}
	x.mu.Unlock()
	if left {
		f.Fail(abi.ErrGone, "the client has left")
		return
	}
	x.signal()
}

// forward takes the order to forward the request, if there is one.
func (x *exchange) forward() *instance.Forward {
	x.mu.Lock()
	defer x.mu.Unlock()
	f := x.order
	x.order = nil
	return f
}

// Write implements instance.Client.
func (x *exchange) Write(p instance.Piece) {
	x.mu.Lock()
	left := x.left
	if !left {
		x.pieces = append(x.pieces, p)
	}
	x.mu.Unlock()
	if left {
		p.Settle(abi.ErrGone)
		return
	}
	x.signal()
}

// End implements instance.Client.
func (x *exchange) End() {
	x.mu.Lock()
	x.end = true
	x.mu.Unlock()
	x.signal()
}

// Fail implements instance.Client.
func (x *exchange) Fail(code abi.ErrorCode) {
	x.mu.Lock()
	x.failed = code
	x.mu.Unlock()
	x.signal()
}

// next takes what has arrived.
func (x *exchange) next() (head *instance.Response, pieces []instance.Piece, end bool, failed abi.ErrorCode) {
	x.mu.Lock()
	defer x.mu.Unlock()
	head, pieces, end, failed = x.head, x.pieces, x.end, x.failed
	x.head, x.pieces = nil, nil
	return head, pieces, end, failed
}

// leave makes the exchange take nothing more.
func (x *exchange) leave() {
	x.mu.Lock()
	x.left = true
	head, pieces, order := x.head, x.pieces, x.order
	x.head, x.pieces, x.order = nil, nil, nil
	x.mu.Unlock()
	if order != nil {
		order.Fail(abi.ErrGone, "the client has left")
	}
	if head != nil && head.Stream != nil {
		_ = head.Stream.Close()
	}
	for _, p := range pieces {
		p.Settle(abi.ErrGone)
	}
}

// serve writes the response to the client. It panics with http.ErrAbortHandler to
// break off a response that cannot be completed.
func (x *exchange) serve(h *Host, w http.ResponseWriter, r *http.Request, event *instance.Request) {
	rc := http.NewResponseController(w)
	streamed := false
	stopping := (<-chan struct{})(nil) // only for a stream that waits for events
	for {
		select {
		case <-x.wake:
		case <-r.Context().Done():
			event.Cancel()
			if !streamed && x.body != nil && x.body.broken() {
				refuseBody(w, r)
				return
			}
			panic(http.ErrAbortHandler) // a client that has only ended its own side must not take this for the answer
		case <-stopping:
			event.Cancel()
			return
		}
		if f := x.forward(); f != nil && h.forward(w, rc, r, f) {
			return
		}
		head, pieces, end, failed := x.next()
		if head != nil {
			if x.body != nil {
				x.body.stop() // net/http wants the rest of the body for itself now
			}
			writeHead(w, r, head)
			switch {
			case head.Stream != nil:
				h.pass(w, rc, r, head.Stream)
				return
			case !head.Streamed:
				_, _ = w.Write(head.Body)
				return
			}
			streamed = true
			_ = rc.Flush()
			if waitsForEvents(r, w.Header()) {
				stopping = h.stopping
			}
		}
		for i, p := range pieces {
			_, err := w.Write(p.Data)
			if err == nil {
				err = rc.Flush()
			}
			if err != nil && !errors.Is(err, http.ErrNotSupported) {
				for _, rest := range pieces[i:] {
					rest.Settle(abi.ErrGone)
				}
				event.Cancel()
				return
			}
			p.Settle("")
		}
		switch {
		case failed != "" && !streamed:
			w.Header().Set("Retry-After", "1")
			refuse(w, r, http.StatusServiceUnavailable, "instance_failed", "The instance that served this request ended. Try again.")
			return
		case failed != "":
			panic(http.ErrAbortHandler)
		case end && !streamed:
			refuse(w, r, http.StatusInternalServerError, "no_response", "The gateway ended the request without a response.")
			return
		case end:
			return
		}
	}
}

// waitsForEvents reports whether a response is a stream that ends only when the
// client leaves: server-sent events in answer to a GET.
func waitsForEvents(r *http.Request, header http.Header) bool {
	return r.Method == http.MethodGet && strings.HasPrefix(header.Get("Content-Type"), "text/event-stream")
}

// writeHead sends status and headers.
func writeHead(w http.ResponseWriter, r *http.Request, res *instance.Response) {
	header := w.Header()
	for name, values := range instance.ParseHeader(res.Header) {
		header[name] = values
	}
	instance.DropHopByHop(header)
	if _, given := header["Content-Type"]; !given {
		header["Content-Type"] = nil // net/http would guess
	}
	whole := res.Stream == nil && !res.Streamed
	if whole && r.Method != http.MethodHead && res.Status != http.StatusNoContent && res.Status != http.StatusNotModified {
		header.Set("Content-Length", strconv.Itoa(len(res.Body)))
	}
	w.WriteHeader(res.Status)
}

// refuseBody answers a request whose body has not arrived whole.
func refuseBody(w http.ResponseWriter, r *http.Request) {
	refuse(w, r, http.StatusBadRequest, "unreadable_body", "The request's body broke off or came too slowly.")
}

// refuse answers in place of the guest.
func refuse(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	id := r.Header.Get("X-Request-Id")
	writeProblem(w, status, code, message, id)
}
