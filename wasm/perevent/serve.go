//go:build js && wasm

// Package perevent is the other lifecycle: github.com/syumai/workers as its authors
// mean it, with a new instance per event and JavaScript values through syscall/js.
// The cron trigger runs that way; so does the whole gateway under syumai's stock
// shim, for comparison.
//
// Nothing lives longer than the event: what must be remembered is in KV or a
// Durable Object. In the resident lifecycle nothing of this package may be called:
// syumai's globals have no context there.
package perevent

import (
	"context"
	"fmt"
	"net/http"

	"github.com/syumai/workers"
	"github.com/syumai/workers/cloudflare/cron"

	"github.com/grantway/grantway/worker/platform"
)

// Serve registers the program for the event, whichever it is, and says ready. For an
// HTTP request it returns when the response has been sent; for a cron event never,
// and the host drops the instance.
func Serve(p platform.Program) {
	cron.ScheduleTaskNonBlock(func(ctx context.Context) error { return housekeep(ctx, p) })
	workers.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header = mend(r.Header)
		p.ServeHTTP(w, r)
	}))
}

// housekeep turns a panic into an error: the library ends the program for an error,
// which fails the event, but a panic's trace would be all that the log has.
func housekeep(ctx context.Context, p platform.Program) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in housekeeping: %v", v)
		}
	}()
	return p.Housekeep(ctx)
}
