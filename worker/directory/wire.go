// Package directory is the truth for all configuration: one Durable Object that
// holds server records, access keys, settings, the audit log and usage in
// transactional storage, and publishes copies to KV CONFIG for the data path.
//
// Object is the inside, Client the way to it. Between them goes a private
// protocol, JSON over POST /OPERATION, that both halves of one module speak; it
// is not an API. Storage keys and values are written down in docs/storage.md.
package directory

import (
	"encoding/json"
	"net/http"

	"github.com/grantway/grantway/worker/problem"
)

// objectName is the name of the one Durable Object of class DIRECTORY.
const objectName = "main"

// maxMessage bounds a request to the Directory and its answer, in bytes.
const maxMessage = 32 << 20

// requestIDHeader holds the id of the request for which an operation is done, which the log names beside the reason of a failure.
const requestIDHeader = "X-Request-Id"

// failure is how a *problem.Problem travels from Object to Client.
type failure struct {
	Status     int             `json:"status"`
	Code       string          `json:"code"`
	Message    string          `json:"message"`
	Fields     []problem.Field `json:"fields,omitempty"`
	RetryAfter int             `json:"retry_after,omitempty"`
	Header     http.Header     `json:"header,omitempty"`
}

func writeFailure(w http.ResponseWriter, err error) {
	p := problem.From(err)
	b, merr := json.Marshal(failure{p.Status, p.Code, p.Message, p.Fields, p.RetryAfter, p.Header})
	if merr != nil {
		b = []byte(`{"status":500,"code":"internal_error"}`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(b)
}

func readFailure(b []byte) error {
	var f failure
	if err := json.Unmarshal(b, &f); err != nil || f.Status < 400 || f.Code == "" {
		return unavailable()
	}
	return &problem.Problem{Status: f.Status, Code: f.Code, Message: f.Message, Fields: f.Fields, RetryAfter: f.RetryAfter, Header: f.Header}
}

func unavailable() *problem.Problem {
	p := problem.New(http.StatusServiceUnavailable, "directory_unavailable", "The configuration store cannot be reached; try again shortly.")
	p.RetryAfter = 2
	return p
}
