//go:build js && wasm

package perevent

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"syscall/js"

	"github.com/grantway/grantway/worker/platform"
)

// transport makes an http.RoundTripper of one of the library's: it mends what that
// gets wrong, and gives the call up when the request's context ends.
type transport struct {
	op   string
	send func(*http.Request) (*http.Response, error)
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.Body == http.NoBody || r.ContentLength == 0 {
		// The library would send a stream, which a GET must not have.
		r = r.Clone(ctx)
		r.Body = nil
	}
	type result struct {
		response *http.Response
		err      error
	}
	done := make(chan result, 1)
	go func() {
		response, err := t.send(r)
		done <- result{response, err}
	}()
	var got result
	select {
	case got = <-done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if got.err != nil {
		if known := (*platform.Error)(nil); errors.As(got.err, &known) {
			return nil, known
		}
		return nil, &platform.Error{Op: t.op, Code: platform.CodeNet, Message: got.err.Error()}
	}
	response := got.response
	response.Request = r
	response.Header = mend(response.Header)
	response.ContentLength = -1
	if n, err := strconv.ParseInt(response.Header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		response.ContentLength = n
	}
	if isNull(response.Body) {
		response.Body, response.ContentLength = http.NoBody, 0
	}
	return response, nil
}

// mend undoes the library's splitting of each header at its commas, which tears dates
// and quoted strings apart. JavaScript has joined the values of one name by commas, so
// joining them again loses nothing; but the values of Set-Cookie stay as they are.
func mend(h http.Header) http.Header {
	for name, values := range h {
		if len(values) > 1 && name != "Set-Cookie" {
			h[name] = []string{strings.Join(values, ",")}
		}
	}
	return h
}

// isNull reports whether one of the library's streams stands for JavaScript's null, which
// cannot be read.
func isNull(stream any) bool {
	raw, ok := stream.(interface{ GetRawJSBody() js.Value })
	return ok && raw.GetRawJSBody().IsNull()
}
