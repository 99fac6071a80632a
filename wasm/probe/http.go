//go:build js && wasm

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/platform"
)

// request tells what arrived.
func (b *probe) request(w http.ResponseWriter, r *http.Request) {
	h := sha256.New()
	n, err := io.Copy(h, r.Body)
	out := map[string]any{
		"method": r.Method, "url": r.URL.String(), "host": r.Host, "header": r.Header, "declared": r.ContentLength,
		"length": n, "sha256": hex.EncodeToString(h.Sum(nil)),
	}
	if err != nil {
		out["error"] = err.Error()
	}
	answer(w, out)
}

// outbound makes the request that the query asks for: method, url, h (header lines), timeout (ms).
func (b *probe) outbound(r *http.Request) (*http.Request, context.CancelFunc, error) {
	q := r.URL.Query()
	ctx, cancel := r.Context(), context.CancelFunc(func() {})
	if ms := milliseconds(r, "timeout"); ms > 0 {
		ctx, cancel = context.WithTimeout(ctx, ms)
	}
	method := q.Get("method")
	if method == "" {
		method = http.MethodGet
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, cancel, err
	}
	out, err := http.NewRequestWithContext(ctx, method, q.Get("url"), strings.NewReader(string(body)))
	if err != nil {
		return nil, cancel, err
	}
	for _, line := range q["h"] {
		name, value, _ := strings.Cut(line, ":")
		out.Header.Add(name, value)
	}
	return out, cancel, nil
}

// fetch sends a request and tells what came of it.
func (b *probe) fetch(w http.ResponseWriter, r *http.Request) {
	out, cancel, err := b.outbound(r)
	defer cancel()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	res, err := b.platform.HTTP().RoundTrip(out)
	if err != nil {
		answer(w, map[string]any{"error": err.Error(), "timeout": out.Context().Err() != nil})
		return
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	result := map[string]any{"status": res.StatusCode, "header": res.Header, "length": res.ContentLength, "body": string(body)}
	if err != nil {
		result["error"] = err.Error()
	}
	answer(w, result)
}

// pass sends a request and hands the response on without reading it; with pump=1 it
// reads and writes every piece.
func (b *probe) pass(w http.ResponseWriter, r *http.Request) {
	out, cancel, err := b.outbound(r)
	defer cancel()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	res, err := b.platform.HTTP().RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	for name, values := range res.Header {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(res.StatusCode)
	body := res.Body
	if r.URL.Query().Get("pump") != "" {
		body = struct{ io.ReadCloser }{body}
	}
	_ = platform.PassBody(w, body)
	b.counters.streamsEnded.Add(1)
}

// get reads a URL.
func (b *probe) get(ctx context.Context, url string) ([]byte, error) {
	out, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := b.platform.HTTP().RoundTrip(out)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	return io.ReadAll(res.Body)
}

// stream writes count events, ms apart.
func (b *probe) stream(w http.ResponseWriter, r *http.Request) {
	defer b.counters.streamsEnded.Add(1)
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	for i := range number(r, "count") {
		if _, err := fmt.Fprintf(w, "data: %d\n\n", i); err != nil {
			return
		}
		if err := rc.Flush(); err != nil {
			return
		}
		select {
		case <-time.After(milliseconds(r, "ms")):
		case <-r.Context().Done():
			return
		}
	}
}

// respond answers as the query says: status, h (header lines), size (bytes of the body).
func (b *probe) respond(w http.ResponseWriter, r *http.Request) {
	for _, line := range r.URL.Query()["h"] {
		name, value, _ := strings.Cut(line, ":")
		w.Header().Add(name, value)
	}
	w.WriteHeader(number(r, "status"))
	_, _ = io.WriteString(w, strings.Repeat("x", number(r, "size")))
}
