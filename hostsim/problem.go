package hostsim

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
)

// writeProblem answers with the error document that the gateway itself uses.
func writeProblem(w http.ResponseWriter, status int, code, message, requestID string) {
	if requestID == "" || len(requestID) > 64 {
		requestID = rand.Text()
	}
	type problem struct {
		Code      string `json:"code"`
		Message   string `json:"message"`
		RequestID string `json:"request_id"`
	}
	body, err := json.Marshal(map[string]problem{"error": {code, message, requestID}})
	if err != nil {
		body = nil // strings only: cannot happen
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Request-Id", requestID)
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
