//go:build js && wasm

// Package resident is the guest's side of docs/host-abi.md: one instance that
// serves every request of its isolate. It never holds an object of the host, only
// ids; the host runs each operation in the context of the request that owns it.
//
// The guest has one thread, and still its tables need a lock: a goroutine may lose
// the processor wherever it allocates, because the garbage collector makes it wait.
package resident

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"unsafe"

	"github.com/grantway/grantway/wasm/abi"
	"github.com/grantway/grantway/worker/platform"
)

// Platform implements platform.Platform over the host ABI.
type Platform struct{ env map[string]string }

var _ platform.Platform = (*Platform)(nil)

// New reads the environment from the host.
func New() *Platform {
	p := &Platform{env: map[string]string{}}
	n := sync(abi.SyncEnv, 0, 0, nil, nil)
	if n <= 0 {
		return p
	}
	b := make([]byte, n)
	hostTake(0, unsafe.Pointer(unsafe.SliceData(b)), n)
	frames, err := abi.Frames(b)
	if err != nil {
		Log().Error("the host's environment is malformed")
		return p
	}
	for i := 0; i+1 < len(frames); i += 2 {
		p.env[string(frames[i])] = string(frames[i+1])
	}
	return p
}

func (p *Platform) Env(name string) string { return p.env[name] }

func (p *Platform) KV(ns platform.Namespace) platform.KV { return kv(ns) }

func (p *Platform) HTTP() http.RoundTripper { return transport("net") }

func (p *Platform) Object(class platform.Class, name string) http.RoundTripper {
	return transport(string(class) + "/" + name)
}

func (p *Platform) Crypto() platform.Crypto { return hostCrypto{} }

func (p *Platform) Log() *slog.Logger { return logger }

// Background asks for an owner at once, while the request is alive, and runs f as
// soon as the host has given it.
func (p *Platform) Background(ctx context.Context, f func(context.Context)) {
	req := requestOf(ctx)
	call, done := begin(abi.OpBackground, req, nil, nil)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				logger.Error("panic in background work", slog.String("panic", fmt.Sprint(v)))
			}
		}()
		ctx := context.WithoutCancel(ctx)
		r, err := wait(context.Background(), "background", req, call, done)
		if err != nil {
			logger.Error("background work has no owner", slog.String("error", err.Error()))
			ended, end := context.WithCancelCause(ctx)
			end(err)
			f(ended)
			return
		}
		defer sync(abi.SyncDone, r.n, 0, nil, nil)
		f(context.WithValue(ctx, requestKey{}, &request{id: r.n}))
	}()
}

func (p *Platform) Limiter(binding string) platform.Limiter { return limiter(binding) }

type limiter string

func (l limiter) Limit(ctx context.Context, key string) (bool, error) {
	r, err := do(ctx, "ratelimit", abi.OpRateLimit, string(l)+"\n"+key, nil)
	return r.n == 1, err
}

// dataPoints is the name of the Analytics Engine binding.
const dataPoints = "ANALYTICS"

func (p *Platform) DataPoint(ctx context.Context, d platform.DataPoint) {
	var b strings.Builder
	b.WriteString(dataPoints + "\n" + d.Index)
	for _, s := range d.Blobs {
		b.WriteByte('\n')
		b.WriteString(strings.Map(dropControl, s))
	}
	body := make([]byte, 0, 8*len(d.Doubles))
	for _, v := range d.Doubles {
		body = binary.LittleEndian.AppendUint64(body, math.Float64bits(v))
	}
	call, _ := begin(abi.OpDataPoint, requestOf(ctx), []byte(b.String()), body)
	take(call) // whatever comes of it, nobody waits
}

func dropControl(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}
