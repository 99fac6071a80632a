package instance

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/grantway/grantway/wasm/abi"
)

// opFetch sends an HTTP request to the network or to a Durable Object.
//
//   - meta: line 1 method, line 2 target ("net", or CLASS/NAME), line 3 URL, then headers
//   - body: the request body
//   - reply: meta = line 1 status, then headers; n = stream handle of the body, 0 if there is none
//
// Redirects are not followed and bodies are not decompressed. Headers of the
// connection (RFC 9110 §7.6.1), Host and Content-Length are the host's own business: given
// ones are dropped. Error codes: "invalid" for a malformed request, "notfound"
// for an unknown class, "dns", "tls", "refused", "reset", "timeout", "net" for the
// network, "gone" for an object that ended before it answered.
func (in *Instance) opFetch(c *call, p params) {
	method, target, url := line(&p.meta), line(&p.meta), line(&p.meta)
	if target != "net" {
		in.fetchObject(c, p, method, target, url)
		return
	}
	var body []byte
	if len(p.body) > 0 {
		body = append([]byte(nil), p.body...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	go in.fetchNetwork(ctx, cancel, p.call, method, url, p.meta, body)
}

func (in *Instance) fetchNetwork(ctx context.Context, cancel context.CancelFunc, id int32, method, url, header string, body []byte) {
	req, err := outbound(ctx, method, url, header, body)
	if err != nil {
		cancel()
		in.fail(id, abi.ErrInvalid, "method or URL")
		return
	}
	res, err := in.Transport.RoundTrip(req)
	if err != nil {
		cancel()
		in.fail(id, networkCode(err), networkMessage(err))
		return
	}
	in.answer(id, method, res, cancel)
}

// answer settles a call with the answer to an outbound request, whose exchange cancel ends.
func (in *Instance) answer(id int32, method string, res *http.Response, cancel func()) {
	DropHopByHop(res.Header)
	meta := JoinHeader(strconv.Itoa(res.StatusCode), res.Header)
	if len(meta) > abi.MaxMeta {
		cancel()
		_ = res.Body.Close()
		in.fail(id, abi.ErrLimit, "response headers above 256 KiB")
		return
	}
	e := event{call: id, meta: meta}
	if res.Body == http.NoBody || res.ContentLength == 0 || method == http.MethodHead {
		_ = res.Body.Close()
		cancel()
	} else {
		e.stream = &upstream{res.Body, cancel}
	}
	in.settle(e)
}

// fetchObject sends the request to an object, in this process.
func (in *Instance) fetchObject(c *call, p params, method, target, url string) {
	class, name, ok := strings.Cut(target, "/")
	switch {
	case !ok || name == "" || !clean(target) || !clean(method) || !clean(url):
		in.failLocal(p.call, abi.ErrInvalid, "target")
		return
	case !in.Classes[class]:
		in.failLocal(p.call, abi.ErrNotFound, "no such class")
		return
	}
	header := p.meta
	if header != "" {
		header = "\n" + header
	}
	r := &Request{
		Kind:  abi.KindObject,
		Meta:  method + " " + url + "\n" + target + "\n" + header,
		Actor: &Actor{ID: target},
	}
	body := append([]byte(nil), p.body...)
	if len(body) <= abi.MaxInlineBody {
		r.Body = body
	} else {
		r.Large = Bytes(body)
	}
	r.Client = &objectClient{caller: in, call: p.call, request: r}
	c.cancel = r.Cancel
	id := p.call
	in.faulted(id, "object", class, name, func(*[]byte) { in.Router.Object(r) })
}

// objectClient gives the response of an object to the instance that asked.
type objectClient struct {
	caller    *Instance
	call      int32
	request   *Request
	responded bool
	pipe      *pipe
}

func (o *objectClient) Respond(res Response) {
	o.responded = true
	e := event{call: o.call, meta: strconv.Itoa(res.Status)}
	if res.Header != "" {
		e.meta += "\n" + res.Header
	}
	switch {
	case res.Streamed:
		o.pipe = newPipe(o.request.Cancel)
		e.stream = o.pipe
	case res.Stream != nil:
		e.stream = res.Stream
	case len(res.Body) > 0:
		e.stream = Bytes(res.Body)
	}
	o.caller.settle(e)
}

func (o *objectClient) Write(p Piece) {
	if o.pipe == nil {
		p.Settle(abi.ErrGone)
		return
	}
	o.pipe.write(p)
}

func (o *objectClient) End() {
	if !o.responded {
		o.caller.fail(o.call, abi.ErrGone, "the object did not answer")
		return
	}
	if o.pipe != nil {
		o.pipe.finish(io.EOF)
	}
}

func (o *objectClient) Fail(code abi.ErrorCode) {
	if !o.responded {
		o.caller.fail(o.call, code, "the object ended before it answered")
		return
	}
	if o.pipe != nil {
		o.pipe.finish(errBroken)
	}
}
