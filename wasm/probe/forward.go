//go:build js && wasm

package main

import (
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/grantway/grantway/worker/platform"
)

// forwards counts what became of requests to /forward.
type forwards struct{ passed, kept, status, head atomic.Int64 }

var _ platform.Forwarder = (*probe)(nil)

// Forward forwards requests to /forward as their query says: url, timeout (ms), h (header lines), swap. What is kept is then served
// like a request to /fetch.
func (b *probe) Forward(head *platform.Head, f *platform.Forwarding) bool {
	_, query, ok := strings.Cut(head.URL, "/forward?")
	q, err := url.ParseQuery(query)
	if !ok || err != nil {
		return false
	}
	ms, _ := strconv.Atoi(q.Get("timeout"))
	f.Method, f.URL, f.Timeout, f.Pass = head.Method, q.Get("url"), time.Duration(ms)*time.Millisecond, "content-type,x-passed,content-length"
	if name, values, ok := strings.Cut(q.Get("swap"), " "); ok {
		theirs, ours, _ := strings.Cut(values, " ")
		f.Swap = platform.Swap{Name: name, Theirs: theirs, Ours: ours}
	}
	for _, line := range q["h"] {
		name, value, _ := strings.Cut(line, ":")
		f.Header = append(f.Header, platform.Field{Name: name, Value: value})
	}
	f.Reply = append(f.Reply, platform.Field{Name: "X-Added", Value: "by the guest"})
	f.Forwarded = &b.forwards
	return true
}

// Passed implements platform.Forwarded.
func (f *forwards) Passed(status int, head time.Duration) {
	f.passed.Add(1)
	f.head.Store(head.Milliseconds())
	f.status.Store(int64(status))
}

// Kept implements platform.Forwarded.
func (f *forwards) Kept() { f.kept.Add(1) }
