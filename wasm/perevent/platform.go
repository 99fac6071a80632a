//go:build js && wasm

package perevent

import (
	"context"
	"log/slog"
	"net/http"
	"os"

	"github.com/syumai/workers/cloudflare"
	"github.com/syumai/workers/cloudflare/fetch"

	"github.com/grantway/grantway/worker/platform"
)

// Platform implements platform.Platform over the packages of syumai/workers.
type Platform struct {
	log *slog.Logger
	net http.RoundTripper
}

var _ platform.Platform = (*Platform)(nil)

// New makes the platform of one event. The log is the standard output, which the host
// writes to the Worker's log line by line.
func New() *Platform {
	return &Platform{
		log: slog.New(slog.NewJSONHandler(os.Stdout, nil)),
		net: transport{"fetch", fetch.NewClient().HTTPClient(fetch.RedirectModeManual).Transport.RoundTrip},
	}
}

func (p *Platform) Env(name string) string { return cloudflare.Getenv(name) }

func (p *Platform) KV(ns platform.Namespace) platform.KV { return kv(ns) }

func (p *Platform) HTTP() http.RoundTripper { return p.net }

// Object is the way to a Durable Object. A class that is not bound fails at the first
// request, as in the other adapters.
func (p *Platform) Object(class platform.Class, name string) http.RoundTripper {
	return transport{"object", func(r *http.Request) (*http.Response, error) {
		namespace, err := cloudflare.NewDurableObjectNamespace(string(class))
		if err != nil {
			return nil, &platform.Error{Op: "object", Code: platform.CodeNotFound, Message: err.Error()}
		}
		stub, err := namespace.Get(namespace.IdFromName(name))
		if err != nil {
			return nil, err
		}
		return stub.Fetch(r)
	}}
}

func (p *Platform) Crypto() platform.Crypto { return webCrypto{} }

// Background keeps the event alive until f has ended.
func (p *Platform) Background(ctx context.Context, f func(context.Context)) {
	ctx = context.WithoutCancel(ctx)
	cloudflare.WaitUntil(func() { f(ctx) })
}

// Limiter answers one that is not there: the library has no rate limiters.
func (p *Platform) Limiter(string) platform.Limiter { return noLimiter{} }

type noLimiter struct{}

func (noLimiter) Limit(context.Context, string) (bool, error) { return false, platform.ErrNotFound }

// DataPoint does nothing: the library has no Analytics Engine.
func (p *Platform) DataPoint(context.Context, platform.DataPoint) {}

func (p *Platform) Log() *slog.Logger { return p.log }
