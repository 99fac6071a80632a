// Package memory is the platform of unit tests: everything in this process,
// nothing on disk. Under testing/synctest its time is the bubble's.
package memory

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"github.com/grantway/grantway/worker/platform"
)

// ObjectHandler serves requests to Durable Objects; platform.Program has it.
type ObjectHandler interface {
	ServeObject(w http.ResponseWriter, r *http.Request, a platform.Actor)
}

// Platform implements platform.Platform. Set the exported fields before use.
type Platform struct {
	Vars      map[string]string // environment
	Transport http.RoundTripper // the network; nil: http.DefaultTransport
	Objects   ObjectHandler     // who serves Durable Objects
	Signer    platform.Crypto   // signatures; nil: unsupported
	Logger    *slog.Logger      // nil: discarded
	Permits   func(binding, key string) (bool, error)
	// Fault is asked before every KV and object operation ("kv.get", "kv.put",
	// "kv.delete", "kv.list", "object") and may answer an error.
	Fault func(op, target, key string) error

	mu     sync.Mutex
	kv     map[platform.Namespace]*KV
	actors map[string]*Storage
	points []platform.DataPoint
	work   sync.WaitGroup
}

// New makes an empty platform with this environment.
func New(vars map[string]string) *Platform {
	return &Platform{Vars: vars, kv: map[platform.Namespace]*KV{}, actors: map[string]*Storage{}}
}

var _ platform.Platform = (*Platform)(nil)

func (p *Platform) Env(name string) string { return p.Vars[name] }

func (p *Platform) KV(ns platform.Namespace) platform.KV {
	p.mu.Lock()
	defer p.mu.Unlock()
	kv := p.kv[ns]
	if kv == nil {
		kv = &KV{name: string(ns), fault: p.fault, values: map[string]kvValue{}}
		p.kv[ns] = kv
	}
	return kv
}

func (p *Platform) fault(op, target, key string) error {
	if p.Fault == nil {
		return nil
	}
	return p.Fault(op, target, key)
}

// HTTP answers the transport given, or http.DefaultTransport.
func (p *Platform) HTTP() http.RoundTripper {
	if p.Transport == nil {
		return http.DefaultTransport
	}
	return p.Transport
}

// Object calls the object's handler in this process, on the caller's goroutine.
func (p *Platform) Object(class platform.Class, name string) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if err := p.fault("object", string(class), name); err != nil {
			return nil, err
		}
		if p.Objects == nil {
			return nil, &platform.Error{Op: "object", Code: platform.CodeNotFound, Message: string(class)}
		}
		w := httptest.NewRecorder()
		in := r.Clone(r.Context())
		if in.Body == nil {
			in.Body = http.NoBody
		}
		p.Objects.ServeObject(w, in, platform.Actor{Class: class, Name: name, Storage: p.Storage(class, name)})
		return w.Result(), nil
	})
}

// Storage is the durable storage of one object, for a test to look into.
func (p *Platform) Storage(class platform.Class, name string) *Storage {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := string(class) + "/" + name
	s := p.actors[id]
	if s == nil {
		s = &Storage{values: map[string][]byte{}}
		p.actors[id] = s
	}
	return s
}

func (p *Platform) Crypto() platform.Crypto {
	if p.Signer == nil {
		return noCrypto{}
	}
	return p.Signer
}

func (p *Platform) Background(ctx context.Context, f func(context.Context)) {
	p.work.Go(func() { f(context.WithoutCancel(ctx)) })
}

// Wait waits until all background work has ended.
func (p *Platform) Wait() { p.work.Wait() }

func (p *Platform) Limiter(binding string) platform.Limiter {
	return limiter(func(key string) (bool, error) {
		if p.Permits == nil {
			return false, platform.ErrNotFound
		}
		return p.Permits(binding, key)
	})
}

func (p *Platform) DataPoint(_ context.Context, d platform.DataPoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.points = append(p.points, d)
}

// DataPoints answers what was written so far.
func (p *Platform) DataPoints() []platform.DataPoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]platform.DataPoint(nil), p.points...)
}

func (p *Platform) Log() *slog.Logger {
	if p.Logger == nil {
		return slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return p.Logger
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type limiter func(key string) (bool, error)

func (f limiter) Limit(_ context.Context, key string) (bool, error) { return f(key) }

type noCrypto struct{}

func (noCrypto) Sign(context.Context, string, []byte, []byte) ([]byte, error) {
	return nil, platform.ErrUnsupported
}

func (noCrypto) Verify(context.Context, string, []byte, []byte, []byte) (bool, error) {
	return false, platform.ErrUnsupported
}

func (noCrypto) Generate(context.Context, string) ([]byte, error) {
	return nil, platform.ErrUnsupported
}

// ObjectNames answers the names of the objects of a class that have been used, for a
// test to look into their storage.
func (p *Platform) ObjectNames(class platform.Class) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for id := range p.actors {
		if name, ok := strings.CutPrefix(id, string(class)+"/"); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
