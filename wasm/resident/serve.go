//go:build js && wasm

package resident

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/grantway/grantway/wasm/abi"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

// event is a request as the host delivered it.
type event struct {
	kind   abi.Kind
	id     int32
	meta   string
	body   []byte
	handle int32
}

// serve runs the program for one event. A panic is a 500 for this event alone.
func serve(ctx context.Context, e event) {
	w := &responseWriter{ctx: ctx, id: e.id, header: make(http.Header, 8)}
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			Log().ErrorContext(ctx, "panic in a handler", slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
			w.fail()
		}
		w.finish()
		if first := firstOf(ctx); first != nil && !first.used {
			discard(e.id, first.result)
		}
		tables.Lock()
		cancel := alive[e.id]
		delete(alive, e.id)
		tables.Unlock()
		cancel()
		sync(abi.SyncDone, e.id, 0, nil, nil)
	}()
	if e.kind == abi.KindScheduled {
		if err := program.Housekeep(ctx); err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return
	}
	r, object, err := newRequest(ctx, e)
	switch {
	case err != nil:
		problem.Write(w, r, problem.New(http.StatusBadRequest, "bad_request", "The request's URL is malformed."))
	case e.kind == abi.KindObject:
		class, name, _ := strings.Cut(object, "/")
		program.ServeObject(w, r, platform.Actor{Class: platform.Class(class), Name: name, Storage: storage{}})
	default:
		program.ServeHTTP(w, r)
	}
}

// newRequest reads an event's meta: line 1 "METHOD URL", line 2 the object or
// empty, line 3 the client's address, then headers.
func newRequest(ctx context.Context, e event) (r *http.Request, object string, err error) {
	first, rest := abi.NextLine(e.meta)
	object, rest = abi.NextLine(rest)
	address, rest := abi.NextLine(rest)
	method, target, _ := strings.Cut(first, " ")
	r = (&http.Request{
		Method: method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: abi.ParseHeader(rest), RemoteAddr: address,
	}).WithContext(ctx)
	switch {
	case e.handle > 0:
		r.Body = &stream{ctx: ctx, request: e.id, handle: e.handle}
		r.ContentLength = -1
		if n, err := strconv.ParseInt(r.Header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
			r.ContentLength = n
		}
	case len(e.body) > 0:
		r.Body = io.NopCloser(bytes.NewReader(e.body))
		r.ContentLength = int64(len(e.body))
	default:
		r.Body = http.NoBody
	}
	r.URL, err = url.Parse(target)
	if err != nil {
		r.URL = &url.URL{Path: "/"}
		return r, object, err
	}
	r.Host, r.RequestURI = r.URL.Host, r.URL.RequestURI()
	return r, object, nil
}
