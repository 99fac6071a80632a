// Package abi holds the numbers and encodings of Grantway's host ABI, shared by
// the Go side (package resident) and the wazero host (package hostsim). The
// JavaScript shim repeats the numbers; a test keeps the two lists equal.
//
// docs/host-abi.md is the specification: every operation's parameters, results,
// errors and limits are written there. This package must never import a host,
// syscall/js, or anything outside the standard library.
package abi

// Version is the ABI's version. A host offers exactly one version; the guest
// refuses to start on a host whose version it does not know.
const Version = 1

// Module is the name of the import module, "grantway", that holds the four
// imports: abi, take, sync and op.
const Module = "grantway"

// Mode says which lifecycle the host offers. It is the low byte of what the
// import abi() answers; the version is in the bits above.
type Mode int32

const (
	// ModePerEvent means that nothing stands behind the imports but stubs that
	// answer 0: the guest must use the per-event lifecycle.
	ModePerEvent Mode = 0
	// ModeResident means that the host implements docs/host-abi.md.
	ModeResident Mode = 1
)

// Kind is the first parameter of the export push: what the host delivers.
type Kind int32

const (
	KindFetch     Kind = 1 // an HTTP request from outside
	KindOK        Kind = 2 // a call settled well
	KindError     Kind = 3 // a call failed; meta is "code\nmessage"
	KindCancel    Kind = 4 // the client of a request is gone
	KindObject    Kind = 5 // an HTTP request to a Durable Object
	KindScheduled Kind = 6 // a cron trigger
)

// Answers of the export push.
const (
	PushAccepted int32 = 0  // delivered; the host must now run the guest until idle
	PushIdle     int32 = 1  // delivered, and dealt with: the guest has nothing to run
	PushNotReady int32 = -1 // the guest has not begun to serve: answer 503
)

// SyncOp is a code of the import sync: an operation that answers at once and
// never calls back into the guest.
type SyncOp int32

const (
	SyncRespond SyncOp = 1 // the response's head, and its body or where that comes from
	SyncDone    SyncOp = 2 // the handler of a request, or a background owner, has ended
	SyncAbort   SyncOp = 3 // give up a call: it will not settle
	SyncCancel  SyncOp = 4 // close a stream handle without reading it to its end
	SyncCurrent SyncOp = 5 // the id of the request in whose context the guest runs, or 0
	SyncLog     SyncOp = 6 // one line for the host's log
	SyncEnv     SyncOp = 7 // put the environment into inbox slot 0; answers its size in bytes
	// SyncSupports answers 1 if the host knows the operation, 0 if not.
	SyncSupports SyncOp = 8
)

// Where the body of a response comes from (the parameter arg of SyncRespond).
const (
	BodyBytes  int32 = -1 // the bytes given with the call are the whole body
	BodyStream int32 = 0  // the guest will write it with OpWrite until SyncDone
	// Any positive value is a stream handle that the host passes on by itself.
)

// Op is a code of the import op: an operation that settles exactly once, later.
type Op int32

const (
	OpWrite Op = 16 // a piece of a streamed response's body
	OpRead  Op = 17 // the next piece of a stream handle
	OpFetch Op = 18 // an outbound HTTP request, or one to a Durable Object
	OpEnded Op = 19 // the stream that the response passes on has ended
	// OpForward is an outbound HTTP request whose answer the host gives to the client if its status is 2xx.
	OpForward Op = 20

	OpKVGet    Op = 32
	OpKVPut    Op = 33
	OpKVDelete Op = 34
	OpKVList   Op = 35

	OpStorageGet      Op = 48
	OpStoragePut      Op = 49
	OpStorageDelete   Op = 50
	OpStorageList     Op = 51
	OpStorageTransact Op = 52

	OpSign   Op = 64
	OpVerify Op = 65
	OpDigest Op = 66

	OpGenerate Op = 67 // a private key

	OpBackground Op = 80 // a new owner for calls that outlive the request

	OpRateLimit Op = 96 // ask a rate limiter binding for one permit
	OpDataPoint Op = 97 // write one data point to an analytics binding
)

// ErrorCode names why a call failed: the first line of the meta of KindError.
type ErrorCode string

const (
	ErrCanceled    ErrorCode = "canceled"    // the call, its request or its client was given up
	ErrTimeout     ErrorCode = "timeout"     // the host's own limit of time ran out
	ErrGone        ErrorCode = "gone"        // the request, handle or actor no longer exists
	ErrUnsupported ErrorCode = "unsupported" // this host does not know the operation or binding
	ErrNotFound    ErrorCode = "notfound"    // the named binding or class does not exist
	ErrConflict    ErrorCode = "conflict"    // the operation cannot be done in the present state
	ErrLimit       ErrorCode = "limit"       // a size or count limit of docs/host-abi.md
	ErrInvalid     ErrorCode = "invalid"     // a parameter is malformed
	ErrDNS         ErrorCode = "dns"         // the host name did not resolve
	ErrTLS         ErrorCode = "tls"         // the TLS handshake or the certificate failed
	ErrRefused     ErrorCode = "refused"     // nothing listens there
	ErrReset       ErrorCode = "reset"       // the connection broke
	ErrNet         ErrorCode = "net"         // another network failure
	ErrInternal    ErrorCode = "internal"    // the host's own failure
)

// Limits of the ABI, in bytes unless named otherwise.
const (
	// MaxInlineBody is the largest declared request body that the host delivers
	// with the request; a larger or undeclared one arrives as a stream handle.
	MaxInlineBody = 64 << 10
	// MaxMeta is the largest meta of any operation or event.
	MaxMeta = 256 << 10
	// MaxReadChunk is the largest piece that one OpRead delivers.
	MaxReadChunk = 64 << 10
	// MaxKVKey and MaxKVValue are Workers KV's own limits.
	MaxKVKey   = 512
	MaxKVValue = 25 << 20
	// MinKVTTL is the shortest life of a KV entry, in seconds.
	MinKVTTL = 60
	// MaxStorageKey and MaxStorageValue are the limits of SQLite-backed
	// Durable Object storage.
	MaxStorageKey   = 2048
	MaxStorageValue = 2 << 20
	// MaxStorageList is the most entries that one OpStorageList answers.
	MaxStorageList = 1000
)
