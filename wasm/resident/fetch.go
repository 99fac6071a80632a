//go:build js && wasm

package resident

import (
	"io"
	"net/http"
	"strconv"

	"github.com/grantway/grantway/wasm/abi"
	"github.com/grantway/grantway/worker/platform"
)

// transport is the http.RoundTripper to one target: "net", or "CLASS/NAME" of a
// Durable Object.
type transport string

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := requestBody(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if first := firstOf(ctx); first != nil && t == "net" && first.answers(r, body) {
		first.used = true
		res, err := first.result.split("fetch")
		if err != nil {
			return nil, err
		}
		return newResponse(r, first.request, res)
	}
	meta := make([]byte, 0, 1024)
	meta = append(meta, r.Method...)
	if r.Method == "" {
		meta = append(meta, http.MethodGet...)
	}
	meta = append(append(meta, '\n'), t...)
	meta = append(append(meta, '\n'), r.URL.String()...)
	meta = abi.AppendHeader(meta, r.Header)
	if len(meta) > abi.MaxMeta {
		return nil, &platform.Error{Op: "fetch", Code: platform.CodeLimit, Message: "request head"}
	}
	id := requestOf(ctx)
	call, done := begin(abi.OpFetch, id, meta, body)
	res, err := wait(ctx, "fetch", id, call, done)
	if err != nil {
		return nil, err
	}
	return newResponse(r, id, res)
}

// newResponse makes the response of request id to r.
func newResponse(r *http.Request, id int32, res result) (*http.Response, error) {
	first, lines := abi.NextLine(res.meta)
	status, err := strconv.Atoi(first)
	if err != nil {
		return nil, &platform.Error{Op: "fetch", Code: platform.CodeInternal, Message: "malformed status"}
	}
	out := &http.Response{
		StatusCode: status, Status: first + " " + http.StatusText(status),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: abi.ParseHeader(lines), Request: r, ContentLength: -1, Body: http.NoBody,
	}
	if v := out.Header.Get("Content-Length"); v != "" {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && n >= 0 {
			out.ContentLength = n
		}
	}
	if res.n > 0 {
		out.Body = &stream{ctx: r.Context(), request: id, handle: res.n}
	} else {
		out.ContentLength = 0
	}
	return out, nil
}

// requestBody reads the body whole: an operation's body is bytes.
func requestBody(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	defer func() { _ = r.Body.Close() }()
	if r.ContentLength > 0 {
		b := make([]byte, r.ContentLength)
		_, err := io.ReadFull(r.Body, b)
		return b, err
	}
	return io.ReadAll(r.Body)
}
