// Package platform is all that the gateway knows of the outside: key-value
// store, Durable Objects and their storage, outbound HTTP, signatures, work that
// outlives a response, environment and log.
//
// Three adapters implement it: package resident (the edge and hostsim), package
// perevent (github.com/syumai/workers), and package memory (unit tests). Nothing
// that imports this package may know which one it has. Two things are not here
// because Go's own packages already ask the host for them on every adapter: the
// clock (package time) and random bytes (crypto/rand).
package platform

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Platform is what a host offers to the gateway. All methods are safe for
// concurrent use.
type Platform interface {
	// Env answers the value of an environment variable, "" if it is not set.
	Env(name string) string
	// KV answers the namespace bound under this name.
	KV(ns Namespace) KV
	// HTTP is the way out to the network. It does not follow redirects, adds no
	// credential and honours the request's context. Its errors are *Error.
	HTTP() http.RoundTripper
	// Object is the way to one Durable Object: a request sent through it is
	// served by that object's handler, wherever in the world it lives.
	Object(class Class, name string) http.RoundTripper
	// Crypto signs, verifies and digests with the host's own implementation.
	Crypto() Crypto
	// Background runs f after or beside the response, with a context that the
	// client's leaving does not end. The host may stop it about 30 seconds after the
	// response. It returns at once. f always runs, so that others may wait for what it
	// does: where the request that ctx belongs to is no more, with a context that has ended.
	Background(ctx context.Context, f func(context.Context))
	// Limiter answers the rate limiter bound under this name; Limit answers
	// ErrNotFound if the host has none.
	Limiter(binding string) Limiter
	// DataPoint writes to the analytics binding; without one it does nothing.
	DataPoint(ctx context.Context, p DataPoint)
	// Log is the host's log. Nothing secret may ever be given to it.
	Log() *slog.Logger
}

// Namespace is the binding name of a KV namespace.
type Namespace string

const (
	Config Namespace = "CONFIG" // published copies of the Directory's records
	Tokens Namespace = "TOKENS" // sealed access tokens
)

// Class is the binding name of a Durable Object class.
type Class string

const (
	Directory Class = "DIRECTORY" // one object: the truth for all configuration
	Minter    Class = "MINTER"    // one object per token identity key
)

// KV is one Workers KV namespace: eventually consistent (another location may
// read a value 60 seconds old), one write per second and key, no
// compare-and-set. It is never a lock.
type KV interface {
	// Get answers the value, or an error that wraps ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, error)
	// Put stores the value. ttl 0 means for ever; else it is at least 60 s.
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Delete removes the key; an absent key is not an error.
	Delete(ctx context.Context, key string) error
	// List answers up to limit (1 … 1000) keys with this prefix, in byte order,
	// and the cursor of the next page, "" after the last.
	List(ctx context.Context, prefix string, limit int, cursor string) (keys []string, next string, err error)
}

// Storage is the durable storage of one Durable Object. It is strongly
// consistent and private to the object. Requests interleave at every call, so
// only Transact is atomic.
type Storage interface {
	// Get answers the value, or an error that wraps ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, error)
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, key string) error
	List(ctx context.Context, opt ListOptions) ([]Entry, error)
	// Transact does all steps or none. It answers false, and no error, when an
	// expectation did not hold.
	Transact(ctx context.Context, steps ...Step) (bool, error)
}

// ListOptions selects a range of storage keys, in byte order.
type ListOptions struct {
	Prefix  string // only keys that begin with it
	Start   string // first key, inclusive; "" from the beginning
	End     string // last key, exclusive; "" to the end
	Limit   int    // at most this many, 1 … 1000; 0 means 1000
	Reverse bool   // from the end backwards
}

// Entry is one key of a storage listing with its value.
type Entry struct {
	Key   string
	Value []byte
}

// StepKind is what a Step does.
type StepKind uint8

const (
	StepExpect StepKind = iota // the key must hold exactly this value
	StepAbsent                 // the key must not exist
	StepPut                    // write the value
	StepDelete                 // remove the key
)

// Step is one part of a storage transaction.
type Step struct {
	Kind  StepKind
	Key   string
	Value []byte
}

// Expect, Absent, Put and Delete make the steps of a transaction.
func Expect(key string, value []byte) Step { return Step{StepExpect, key, value} }
func Absent(key string) Step               { return Step{StepAbsent, key, nil} }
func Put(key string, value []byte) Step    { return Step{StepPut, key, value} }
func Delete(key string) Step               { return Step{StepDelete, key, nil} }

// Crypto is the host's implementation of the few algorithms that JSON Web
// Signatures need. alg is ES256, RS256, PS256, EdDSA (Ed25519) or HS256 (RFC
// 7518 §3.1, RFC 8037).
type Crypto interface {
	// Sign signs the message with a PKCS #8 private key (raw bytes for HS256).
	// An ES256 signature is r‖s, as JWS wants it.
	Sign(ctx context.Context, alg string, key, message []byte) ([]byte, error)
	// Verify checks a signature with an SPKI public key (raw bytes for HS256).
	Verify(ctx context.Context, alg string, key, message, signature []byte) (bool, error)
	// Generate makes a private key for an algorithm other than HS256, as PKCS #8; RSA keys
	// have 2048 bits. ErrUnsupported: the host is older than the operation.
	Generate(ctx context.Context, alg string) ([]byte, error)
}

// Limiter is a token bucket kept by the host.
type Limiter interface {
	// Limit takes one permit for the key and says whether there was one.
	Limit(ctx context.Context, key string) (bool, error)
}

// DataPoint is one row for Workers Analytics Engine.
type DataPoint struct {
	Index   string
	Blobs   []string
	Doubles []float64
}

// Actor is the Durable Object that a request reached.
type Actor struct {
	Class   Class
	Name    string
	Storage Storage
}

// Code tells the kinds of failure of a host operation apart. The values are the
// error codes of docs/host-abi.md.
type Code string

const (
	CodeCanceled    Code = "canceled"
	CodeTimeout     Code = "timeout"
	CodeGone        Code = "gone"
	CodeUnsupported Code = "unsupported"
	CodeNotFound    Code = "notfound"
	CodeConflict    Code = "conflict"
	CodeLimit       Code = "limit"
	CodeInvalid     Code = "invalid"
	CodeDNS         Code = "dns"
	CodeTLS         Code = "tls"
	CodeRefused     Code = "refused"
	CodeReset       Code = "reset"
	CodeNet         Code = "net"
	CodeInternal    Code = "internal"
)

// Error is a failed host operation. Message is for logs: it names no credential
// but may name hosts, so it is not shown to callers.
type Error struct {
	Op      string
	Code    Code
	Message string
}

func (e *Error) Error() string { return e.Op + ": " + string(e.Code) + ": " + e.Message }

// Is lets errors.Is match ErrNotFound, ErrUnsupported, context.Canceled and
// context.DeadlineExceeded by code.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.Code == CodeNotFound
	case ErrUnsupported:
		return e.Code == CodeUnsupported
	case context.Canceled:
		return e.Code == CodeCanceled
	case context.DeadlineExceeded:
		return e.Code == CodeTimeout
	}
	return false
}

var (
	// ErrNotFound means that a key, binding or class does not exist.
	ErrNotFound = errors.New("platform: not found")
	// ErrUnsupported means that this host does not offer the operation.
	ErrUnsupported = errors.New("platform: unsupported")
)

// BodyPasser is implemented by the http.ResponseWriter of a host that can pass a
// response body on without Go in between. PassBody takes over body, sends the
// head as set so far, and answers true when the body has ended, or at once if its declared
// length is at most 64 KiB; or answers false and has done nothing.
type BodyPasser interface {
	PassBody(body io.ReadCloser) bool
}

// PassBody sends body to the client and closes it: through the host where it
// can be, else by copying and flushing each piece. It returns when the body has ended (a short one
// of declared length may still be on its way), with the error of the copy; a body passed by the host reports none.
func PassBody(w http.ResponseWriter, body io.ReadCloser) error {
	if p, ok := w.(BodyPasser); ok && p.PassBody(body) {
		return nil
	}
	defer func() { _ = body.Close() }()
	rc := http.NewResponseController(w)
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
		_ = rc.Flush() // the head of a stream must not wait for its first event
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return werr
			}
			_ = rc.Flush()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Program is what a host runs: the gateway's three entry points.
type Program interface {
	http.Handler
	// ServeObject serves a request to a Durable Object.
	ServeObject(w http.ResponseWriter, r *http.Request, a Actor)
	// Housekeep is the cron trigger's work. It must be safe to run twice at once.
	Housekeep(ctx context.Context) error
}
