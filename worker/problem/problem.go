// Package problem is how the gateway tells a caller that something is wrong: one
// JSON shape, a stable code, a true status and the request's id.
//
//	{"error":{"code":"server_not_found","message":"…","request_id":"…"}}
//
// A message is for people and may change; a code never does. Neither ever holds
// a credential, or a detail of the inside such as a host operation's error text.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
)

// Problem is an error with an HTTP status and a stable code.
type Problem struct {
	Status  int    // HTTP status, 400 … 599
	Code    string // stable, snake_case
	Message string // for people: what is wrong and what to do
	// Fields are the single problems of an invalid record, all at once.
	Fields []Field
	// RetryAfter is the value of the Retry-After header in seconds, 0 for none.
	RetryAfter int
	// Header holds further response headers, such as WWW-Authenticate or ETag.
	Header http.Header
	// Cause is for the log only and never shown.
	Cause error
}

// Field is one problem of one field of a request body.
type Field struct {
	Path    string `json:"path"`    // such as credentials.scopes[2]
	Code    string `json:"code"`    // such as required, unknown_field, invalid_url
	Message string `json:"message"` // for people
}

// New makes a Problem.
func New(status int, code, message string) *Problem {
	return &Problem{Status: status, Code: code, Message: message}
}

// Because returns a copy that remembers the cause for the log.
func (p *Problem) Because(err error) *Problem {
	q := *p
	q.Cause = err
	return &q
}

func (p *Problem) Error() string {
	if p.Cause != nil {
		return p.Code + ": " + p.Message + ": " + p.Cause.Error()
	}
	return p.Code + ": " + p.Message
}

func (p *Problem) Unwrap() error { return p.Cause }

// From finds the Problem in err's chain, or makes a 500 internal_error of it.
func From(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return New(http.StatusInternalServerError, "internal_error", "The gateway failed; the log has the reason under this request id.").Because(err)
}

// SetHeader puts what the problem says by headers into those of a response.
func (p *Problem) SetHeader(h http.Header) {
	maps.Copy(h, p.Header)
	if p.RetryAfter > 0 {
		h.Set("Retry-After", itoa(p.RetryAfter))
	}
}

type requestIDKey struct{}

// WithRequestID puts the request's id into the context.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID answers the id of the request that ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

type body struct {
	Error inner `json:"error"`
}

type inner struct {
	Code      string  `json:"code"`
	Message   string  `json:"message"`
	RequestID string  `json:"request_id,omitempty"`
	Fields    []Field `json:"fields,omitempty"`
}

// Write answers the request with err as a Problem.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	p := From(err)
	h := w.Header()
	p.SetHeader(h)
	b, merr := json.Marshal(body{inner{p.Code, p.Message, RequestID(r.Context()), p.Fields}})
	if merr != nil {
		b = []byte(`{"error":{"code":"internal_error","message":"The gateway failed."}}`)
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(b)
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}
