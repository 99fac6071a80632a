package instance

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grantway/grantway/wasm/abi"
)

// opForward sends an HTTP request to the network, and gives the answer to the request's client if its status is 2xx.
//
//   - meta: line 1 method, line 2 URL, line 3 the limit of the time until the answer's head in milliseconds, line 4 names of
//     the answer's fields that are passed on, line 5 a Swap or nothing, line 6 the number of lines that follow for fields added
//     to the answer, then those lines, then the request's headers
//   - body: the request body
//   - reply: meta empty if the answer was given to the client, whose request has then ended as by "done", and n = status of a
//     short answer, at its head; n = status + 1000 × milliseconds until the head, at the end of another. Else what
//     opFetch replies
//
// The error codes are those of opFetch, "timeout" for the limit, and "conflict" for a request that was answered already.
func (in *Instance) opForward(_ *call, p params) {
	f := &Forward{instance: in, owner: p.owner, call: p.call, Method: line(&p.meta), URL: line(&p.meta)}
	ms, err := strconv.ParseInt(line(&p.meta), 10, 64)
	f.Timeout, f.Pass = time.Duration(ms)*time.Millisecond, line(&p.meta)
	f.Swap = parseSwap(line(&p.meta))
	added, nerr := strconv.Atoi(line(&p.meta))
	if err != nil || nerr != nil || ms <= 0 || added < 0 {
		in.failLocal(p.call, abi.ErrInvalid, "limit or number")
		return
	}
	f.Added = p.meta
	for ; added > 0; added-- {
		line(&p.meta)
	}
	f.Added, f.header = f.Added[:len(f.Added)-len(p.meta)], p.meta
	f.body = append([]byte(nil), p.body...)
	client, ok := p.owner.client.(Forwarder)
	if !ok || p.owner.responded {
		in.failLocal(p.call, abi.ErrConflict, "no client that waits for a response")
		return
	}
	client.Forward(f)
}

// Forwarder is a Client that can do what opForward says. It calls Send and then one of Passed and Settle, or Fail.
type Forwarder interface {
	// Forward must not block.
	Forward(f *Forward)
}

// Forward is one call of opForward.
type Forward struct {
	Method  string
	URL     string
	Timeout time.Duration
	Pass    string // names, separated by commas
	Swap    Swap
	Added   string // lines "name:value"

	header   string
	body     []byte
	instance *Instance
	owner    *Request
	call     int32
	cancel   context.CancelCauseFunc
	head     time.Duration // until the head of the answer
}

// Swap is a field of the answer that the client knows by another value.
type Swap struct{ Name, theirs, Ours string }

// parseSwap reads a field's name, the server's value and the client's, with a space between them.
func parseSwap(text string) (s Swap) {
	name, values, _ := strings.Cut(text, " ")
	s.theirs, s.Ours, _ = strings.Cut(values, " ")
	s.Name = http.CanonicalHeaderKey(name)
	return s
}

// In looks for the field in an answer. An answer that does not fit has it with another value than the server's.
func (s *Swap) In(header http.Header) (there, fits bool) {
	if s.Name == "" {
		return false, true
	}
	values := header[s.Name]
	return len(values) > 0, len(values) == 0 || len(values) == 1 && s.theirs != "" && values[0] == s.theirs
}

// errHeadTimeout ends an exchange whose answer does not begin in time.
var errHeadTimeout = errors.New("no answer in time")

// Send makes the exchange. Without an answer the call has failed. After it, Close ends the exchange.
func (f *Forward) Send(ctx context.Context) *http.Response {
	ctx, f.cancel = context.WithCancelCause(ctx)
	req, err := outbound(ctx, f.Method, f.URL, f.header, f.body)
	if err != nil {
		f.Fail(abi.ErrInvalid, "method or URL")
		return nil
	}
	begin := time.Now()
	timer := time.AfterFunc(f.Timeout, func() { f.cancel(errHeadTimeout) })
	res, err := f.instance.Transport.RoundTrip(req)
	timer.Stop()
	f.head = time.Since(begin)
	switch {
	case err == nil:
		return res
	case context.Cause(ctx) == errHeadTimeout:
		f.Fail(abi.ErrTimeout, errHeadTimeout.Error())
	default:
		f.Fail(networkCode(err), networkMessage(err))
	}
	return nil
}

// Close ends the exchange.
func (f *Forward) Close() { f.cancel(nil) }

// Short reports whether a guest hears of the answer's head only, not of its end.
func Short(res *http.Response) bool {
	return res.ContentLength >= 0 && res.ContentLength <= abi.MaxInlineBody
}

// Passed tells the guest that the answer is given to the client; of one that is not short, when it has ended. The instance is
// less busy from now on: the client's next request may be there before the guest has heard of it.
func (f *Forward) Passed(res *http.Response) {
	n := int32(res.StatusCode)
	if !Short(res) {
		n += 1000 * int32(min(f.head.Milliseconds(), maxHead))
	}
	f.owner.unload(f.instance)
	f.instance.post(event{kind: eventPassed, call: f.call, n: n})
}

// maxHead is the longest time until a head that the guest is told of, in milliseconds.
const maxHead = 1 << 20

// Settle gives the answer to the guest.
func (f *Forward) Settle(res *http.Response) {
	f.instance.answer(f.call, f.Method, res, f.Close)
}

// Fail tells the guest that there is no answer.
func (f *Forward) Fail(code abi.ErrorCode, message string) {
	if f.cancel != nil {
		f.cancel(nil)
	}
	f.instance.fail(f.call, code, message)
}

// outbound makes the request of opFetch and opForward.
func outbound(ctx context.Context, method, url, header string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if req.URL.Host == "" || (req.URL.Scheme != "http" && req.URL.Scheme != "https") {
		return nil, errors.New("not an http URL")
	}
	req.Header = ParseHeader(header)
	DropHopByHop(req.Header)
	delete(req.Header, "Host")
	delete(req.Header, "Content-Length")
	if _, given := req.Header["User-Agent"]; !given {
		req.Header["User-Agent"] = []string{""} // net/http would name itself
	}
	return req, nil
}
