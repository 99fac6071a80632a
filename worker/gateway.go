// Package worker is the gateway: an http.Handler, the handlers of its Durable
// Objects and its housekeeping. It speaks to the outside only through package
// platform and does not know where it runs.
//
// This package only wires: which path goes to which domain package, and which
// domain package gets which other's service. Behaviour lives in the packages
// below it.
package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

// Version is the gateway's version (semantic versioning 2.0.0).
const Version = "0.1.0"

// Gateway implements platform.Program.
type Gateway struct {
	platform platform.Platform
	// misconfigured is why the gateway cannot work; every request but /healthz
	// and /version is then answered with it.
	misconfigured *problem.Problem
	routes        map[string]http.Handler // by first path segment
	objects       map[platform.Class]objectHandler
	chores        []func(context.Context) error
	services
}

type objectHandler interface {
	ServeObject(w http.ResponseWriter, r *http.Request, a platform.Actor)
}

// New wires the gateway on this platform. It performs no I/O.
func New(p platform.Platform) *Gateway {
	g := &Gateway{
		platform: p,
		routes:   map[string]http.Handler{},
		objects:  map[platform.Class]objectHandler{},
	}
	g.routes["healthz"] = http.HandlerFunc(g.healthz)
	g.routes["version"] = http.HandlerFunc(g.version)
	g.misconfigured = g.wire()
	return g
}

var _ platform.Program = (*Gateway)(nil)

// ServeHTTP serves a request from outside.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := requestID(r.Header.Get("X-Request-Id"))
	w.Header().Set("X-Request-Id", id)
	r = r.WithContext(problem.WithRequestID(r.Context(), id))
	segment, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	h := g.routes[segment]
	if g.misconfigured != nil && segment != "healthz" && segment != "version" {
		g.platform.Log().ErrorContext(r.Context(), g.misconfigured.Message, slog.String("code", g.misconfigured.Code))
		problem.Write(w, r, g.misconfigured)
		return
	}
	if h == nil {
		h = http.HandlerFunc(g.fallback)
	}
	if address := g.identity.site.ForwardedFor(r); address != "" {
		r = r.WithContext(access.WithClientIP(r.Context(), address))
	}
	h.ServeHTTP(w, r)
}

// ServeObject serves a request to a Durable Object.
func (g *Gateway) ServeObject(w http.ResponseWriter, r *http.Request, a platform.Actor) {
	h := g.objects[a.Class]
	if h == nil || g.misconfigured != nil {
		problem.Write(w, r, problem.New(http.StatusServiceUnavailable, "object_unavailable", "No handler for this Durable Object class."))
		return
	}
	h.ServeObject(w, r, a)
}

// Housekeep runs every chore once; one that fails does not stop the others.
func (g *Gateway) Housekeep(ctx context.Context) error {
	if g.misconfigured != nil {
		return g.misconfigured
	}
	var first error
	for _, chore := range g.chores {
		if err := chore(ctx); err != nil {
			g.platform.Log().ErrorContext(ctx, "housekeeping failed", slog.String("error", err.Error()))
			if first == nil {
				first = err
			}
		}
	}
	return first
}

func (g *Gateway) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(`{"status":"ok"}`))
}

// version answers what runs here: the gateway's version, the module's SHA-256
// (equal on every host that runs the same file), the host and the Go version.
func (g *Gateway) version(w http.ResponseWriter, _ *http.Request) {
	b, err := json.Marshal(map[string]string{
		"version":       Version,
		"module_sha256": g.platform.Env("GRANTWAY_MODULE_SHA256"),
		"host":          g.platform.Env("GRANTWAY_HOST"),
		"go":            runtime.Version(),
	})
	if err != nil {
		panic(fmt.Sprintf("version: %v", err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b)
}

func (g *Gateway) notFound(w http.ResponseWriter, r *http.Request) {
	problem.Write(w, r, problem.New(http.StatusNotFound, "not_found", "Nothing is served at this path."))
}

// requestID takes over a caller's X-Request-Id of up to 64 safe characters, so
// that it can be found again in both logs, or makes one of 128 random bits.
func requestID(given string) string {
	if given != "" && len(given) <= 64 && strings.IndexFunc(given, unsafeInID) < 0 {
		return given
	}
	return randomID()
}

// randomID makes an id of 130 bits in the alphabet of RFC 4648 §6. It is no secret: the generator is the runtime's own.
func randomID() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	var b [26]byte
	for i := 0; i < len(b); {
		for r, n := rand.Uint64(), 0; n < 12 && i < len(b); n++ {
			b[i] = alphabet[r&31]
			r >>= 5
			i++
		}
	}
	return string(b[:])
}

func unsafeInID(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
}
