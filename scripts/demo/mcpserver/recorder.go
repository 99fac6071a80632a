package mcpserver

import (
	"bytes"
	"io"
	"net/http"
	"slices"
)

const (
	// maxRecorded is how many requests are remembered; the oldest go first.
	maxRecorded = 4096
	// maxRecordedBody is how much of a request's body is remembered, in bytes.
	maxRecordedBody = 64 << 10
)

// Request is one that arrived, authorized or not. Its header holds what the gateway sent, access token included.
type Request struct {
	Method string
	Path   string
	Header http.Header
	Body   []byte
}

// Requests that arrived, the oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ForgetRequests empties the record.
func (s *Server) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// Refused counts the requests whose access token was not good: expired, revoked, or not made for this server.
func (s *Server) Refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

func (s *Server) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head, err := io.ReadAll(io.LimitReader(r.Body, maxRecordedBody))
		if err == nil {
			r.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}
		}
		s.mu.Lock()
		if len(s.requests) == maxRecorded {
			s.requests = slices.Delete(s.requests, 0, 1)
		}
		s.requests = append(s.requests, Request{Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(), Body: head})
		s.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}
