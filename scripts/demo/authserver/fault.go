package authserver

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"
)

// Fault makes the token endpoint misbehave. The first of Hang, Reset, Status that is set answers instead of the library;
// with none of them the library answers, and ExpiresIn, Edit and Drip change how its answer arrives.
type Fault struct {
	// Times is how many requests it strikes; 0: one; negative: every one until [Server.ClearFaults].
	Times int
	// Match limits it to some requests; nil: all.
	Match func(*http.Request) bool
	// Delay before anything else.
	Delay time.Duration
	// Hold keeps the answer back until it is closed; nil: it does not.
	Hold <-chan struct{}
	// Hang never answers: the connection stays open until the client leaves.
	Hang bool
	// Reset breaks the connection off without an answer.
	Reset bool
	// Status, Header and Body are the answer.
	Status int
	Header http.Header
	Body   []byte
	// ExpiresIn replaces expires_in in a successful answer by any JSON value; JSON null removes it.
	ExpiresIn json.RawMessage
	// Edit changes a successful answer's members.
	Edit func(reply map[string]any)
	// Drip sends the body a byte at a time with this pause.
	Drip time.Duration
}

// faults holds those not used up, the oldest first.
type faults struct {
	mu   sync.Mutex
	list []Fault
}

// Fail adds a fault behind those not used up yet.
func (s *Server) Fail(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = append(s.faults.list, f)
}

// ClearFaults makes the server behave.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = nil
}

// take uses up one strike of the first fault that matches.
func (f *faults) take(r *http.Request) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.list {
		if fault.Match != nil && !fault.Match(r) {
			continue
		}
		if fault.Times > 0 {
			f.list[i].Times--
			if f.list[i].Times == 0 {
				f.list = append(f.list[:i:i], f.list[i+1:]...)
			}
		}
		return fault, true
	}
	return Fault{}, false
}

func (f *faults) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault, struck := f.take(r)
		if !struck {
			next.ServeHTTP(w, r)
			return
		}
		// Only behind the body does net/http notice that the client leaves.
		request, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(request))
		if !pause(r, fault.Delay) {
			return
		}
		if fault.Hold != nil {
			select {
			case <-fault.Hold:
			case <-r.Context().Done():
				return
			}
		}
		switch {
		case fault.Hang:
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		case fault.Reset:
			panic(http.ErrAbortHandler)
		case fault.Status != 0:
			for name, values := range fault.Header {
				w.Header()[name] = values
			}
			if w.Header().Get("Content-Type") == "" {
				w.Header().Set("Content-Type", "application/json")
			}
			w.WriteHeader(fault.Status)
			drip(w, r, fault.Body, fault.Drip)
		default:
			recorded := newCapture()
			next.ServeHTTP(recorded, r)
			for name, values := range recorded.header {
				w.Header()[name] = values
			}
			body := recorded.body.Bytes()
			if recorded.status == http.StatusOK {
				body = fault.edit(body)
			}
			w.WriteHeader(recorded.status)
			drip(w, r, body, fault.Drip)
		}
	})
}

func (f *Fault) edit(body []byte) []byte {
	if f.ExpiresIn == nil && f.Edit == nil {
		return body
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	reply := make(map[string]any)
	if decoder.Decode(&reply) != nil {
		return body
	}
	if string(f.ExpiresIn) == "null" {
		delete(reply, "expires_in")
	} else if f.ExpiresIn != nil {
		reply["expires_in"] = f.ExpiresIn
	}
	if f.Edit != nil {
		f.Edit(reply)
	}
	edited, err := json.Marshal(reply)
	if err != nil {
		return body
	}
	return edited
}

func drip(w http.ResponseWriter, r *http.Request, body []byte, every time.Duration) {
	if every == 0 {
		w.Write(body)
		return
	}
	for i := range body {
		w.Write(body[i : i+1])
		http.NewResponseController(w).Flush()
		if !pause(r, every) {
			return
		}
	}
}

// pause waits for d; false when the client has left.
func pause(r *http.Request, d time.Duration) bool {
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
