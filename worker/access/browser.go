package access

import (
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/problem"
)

// Try finds the principal of a key that a person typed into a page of the gateway. The
// attempts of one address are limited, a page of another site cannot make one, and without
// https it works on this machine only.
func (s *Sessions) Try(r *http.Request, secret string) (*Principal, error) {
	if s.keyring == nil {
		return nil, problem.New(http.StatusServiceUnavailable, "sealing_key_missing", "Set GRANTWAY_SEALING_KEY: without it nobody can sign in.")
	}
	if err := s.GuardHTTPS(r); err != nil {
		return nil, err
	}
	if foreignOrigin(r) {
		return nil, csrfRejected()
	}
	if wait := s.tries.Take(ClientIP(r), signInsPerMinute); wait > 0 {
		p := problem.New(http.StatusTooManyRequests, "rate_limited", "Too many attempts to sign in.")
		p.RetryAfter = int(wait/time.Second) + 1
		return nil, p
	}
	return s.Verify(r.Context(), secret)
}

// SameOrigin reports whether a browser says that a page of the gateway itself sends
// this request. A request of which nothing says so is refused.
func SameOrigin(r *http.Request) bool {
	return (r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "") && !foreignOrigin(r)
}

// GuardHTTPS refuses to sign anybody in over http, except on this machine.
func (s *Sessions) GuardHTTPS(r *http.Request) error {
	if s.Secure(r) || loopback(r) {
		return nil
	}
	return problem.New(http.StatusForbidden, "https_required", "This needs https, except on this machine. If a proxy speaks https for the gateway, set GRANTWAY_PUBLIC_URL, or the proxy's address in GRANTWAY_TRUSTED_PROXIES.")
}
