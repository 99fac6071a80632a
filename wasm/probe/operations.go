//go:build js && wasm

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/grantway/grantway/wasm/abi"
	"github.com/grantway/grantway/wasm/resident"
	"github.com/grantway/grantway/worker/platform"
)

// outcome is how an operation settled, as JSON.
type outcome struct {
	Error string `json:"error"` // the ABI's code, "" if it went well
	Meta  string `json:"meta"`
	Body  []byte `json:"body"`
	N     int32  `json:"n"`
}

// op performs any operation: code, meta (lines); the request's body is the operation's.
func (b *probe) op(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply, err := resident.Call(r.Context(), abi.Op(number(r, "code")), strings.Join(r.URL.Query()["meta"], "\n"), body)
	out := outcome{Meta: reply.Meta, Body: reply.Body, N: reply.N}
	if err != nil {
		out = outcome{Error: err.Error()}
		if e := (*platform.Error)(nil); errors.As(err, &e) {
			out.Error = string(e.Code)
		}
	}
	answer(w, out)
}

// sync performs any synchronous operation: code, arg, meta.
func (b *probe) sync(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	answer(w, resident.Sync(r.Context(), abi.SyncOp(number(r, "code")), int32(number(r, "arg")), q.Get("meta"), nil))
}

// kv reads a key.
func (b *probe) kv(w http.ResponseWriter, r *http.Request) {
	v, err := b.platform.KV(platform.Namespace(r.URL.Query().Get("ns"))).Get(r.Context(), r.URL.Query().Get("key"))
	switch {
	case errors.Is(err, platform.ErrNotFound):
		w.WriteHeader(http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadGateway)
	default:
		_, _ = w.Write(v)
	}
}

// object sends the request on to an object: class, name, path.
func (b *probe) object(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	out, err := http.NewRequestWithContext(r.Context(), r.Method, "https://object.invalid"+q.Get("path"), r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out.Header.Set("Grantway-Internal-Test", "from the inside")
	res, err := b.platform.Object(platform.Class(q.Get("class")), q.Get("name")).RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
	w.WriteHeader(res.StatusCode)
	_ = platform.PassBody(w, res.Body)
}

// ServeObject serves what an object is asked for.
func (b *probe) ServeObject(w http.ResponseWriter, r *http.Request, a platform.Actor) {
	switch r.URL.Path {
	case "/who":
		answer(w, map[string]any{"class": a.Class, "name": a.Name, "internal": r.Header.Get("Grantway-Internal-Test")})
	case "/increment":
		n, err := increment(r, a.Storage)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_, _ = w.Write([]byte(strconv.Itoa(n)))
	case "/hang":
		// Waits for this life's end, and nothing else ends it.
		<-b.meeting.place("hang-" + a.Name)
	default:
		b.ServeHTTP(w, r)
	}
}

// increment counts up by compare-and-set.
func increment(r *http.Request, s platform.Storage) (int, error) {
	for {
		held, err := s.Get(r.Context(), "n")
		n, expectation := 0, platform.Absent("n")
		switch {
		case err == nil:
			if n, err = strconv.Atoi(string(held)); err != nil {
				return 0, fmt.Errorf("stored number: %w", err)
			}
			expectation = platform.Expect("n", held)
		case !errors.Is(err, platform.ErrNotFound):
			return 0, err
		}
		done, err := s.Transact(r.Context(), expectation, platform.Put("n", []byte(strconv.Itoa(n+1))))
		if err != nil {
			return 0, err
		}
		if done {
			return n + 1, nil
		}
	}
}
