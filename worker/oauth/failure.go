package oauth

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

// Class says what mends a failed grant, and so how long to wait before the next.
type Class string

const (
	// Misconfigured: only a change of configuration here or there mends it.
	Misconfigured Class = "misconfigured"
	// Rejected: the authorization server refused these credentials.
	Rejected Class = "rejected"
	// Unavailable: the authorization server is down, slow, busy or not reachable.
	Unavailable Class = "unavailable"
)

// CodeSecretUnreadable: a stored secret was sealed with a key that the gateway does not have.
const CodeSecretUnreadable = "secret_unreadable"

// Failure is why no token was obtained. It holds no credential, no URL query and
// nothing of a response body but the registered error code.
type Failure struct {
	Class   Class  `json:"class"`
	Code    string `json:"code"`    // stable: idp_…, or credentials_incomplete, issuer_changed, …
	Message string `json:"message"` // for people: what is wrong and what to do
	Status  int    `json:"status"`  // HTTP status of the authorization server, 0 if it did not answer
	// OAuthError is the error code of the answer (RFC 6749 §5.2), "" if it had none.
	OAuthError string `json:"oauth_error,omitempty"`
	// RetryAfter is what the server asked for, 0 if it did not.
	RetryAfter time.Duration `json:"retry_after,omitempty"`
	// Hint is error_description, printable, clipped and without the request's
	// secrets. Only the administrator's token test shows it.
	Hint string `json:"-"`
	// Absent means that a metadata document does not exist, anywhere that it could be: not
	// that it is wrong.
	Absent bool `json:"-"`
}

func (f *Failure) Error() string { return f.Code + ": " + f.Message }

// Problem answers the failure as callers see it: 503 with Retry-After when waiting
// helps, 503 too where it is the gateway that lacks its key, else 502.
func (f *Failure) Problem(wait time.Duration) *problem.Problem {
	status := http.StatusBadGateway
	if f.Class == Unavailable || f.Code == CodeSecretUnreadable {
		status = http.StatusServiceUnavailable
	}
	p := problem.New(status, f.Code, f.Message)
	if f.Class == Unavailable {
		p.RetryAfter = int(max(1, math.Ceil(wait.Seconds())))
	}
	return p.Because(f)
}

// fail makes a Failure that is not an answer of the authorization server.
func fail(class Class, code, message string) *Failure {
	return &Failure{Class: class, Code: code, Message: message}
}

// FailureOf makes a Failure of any error on the way to the authorization server.
func FailureOf(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	var p *problem.Problem
	if errors.As(err, &p) {
		class := Misconfigured
		if p.RetryAfter > 0 {
			class = Unavailable
		}
		return fail(class, p.Code, p.Message)
	}
	if errors.Is(err, ErrURLRefused) {
		why := "its address is not allowed"
		var r *refusal
		if errors.As(err, &r) {
			why = r.why.Error()
		}
		return fail(Misconfigured, "token_url_refused", "The token endpoint is not called: "+why+".")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fail(Unavailable, "idp_timeout", "The authorization server did not answer in time.")
	}
	var e *platform.Error
	if errors.As(err, &e) {
		switch e.Code {
		case platform.CodeDNS:
			return fail(Unavailable, "idp_unreachable", "The host name of the token endpoint does not resolve.")
		case platform.CodeTLS:
			return fail(Unavailable, "idp_unreachable", "The TLS handshake with the token endpoint failed.")
		case platform.CodeRefused:
			return fail(Unavailable, "idp_unreachable", "The token endpoint refuses connections.")
		case platform.CodeReset:
			return fail(Unavailable, "idp_unreachable", "The token endpoint broke the connection off.")
		}
	}
	return fail(Unavailable, "idp_unreachable", "The token endpoint cannot be reached.")
}

// errorFailure judges an error answer (RFC 6749 §5.2) by its status and code.
func errorFailure(status int, code string, retryAfter time.Duration) *Failure {
	f := &Failure{Status: status, OAuthError: code, RetryAfter: retryAfter}
	said := " (HTTP " + itoa(status)
	if code != "" {
		said += ", " + code
	}
	said += ")"
	switch {
	case status == http.StatusTooManyRequests || code == "slow_down":
		f.Class, f.Code, f.Message = Unavailable, "idp_rate_limited", "The authorization server asks for fewer requests"+said+"."
	case status >= 500 || status == http.StatusRequestTimeout || code == "temporarily_unavailable" || code == "server_error":
		f.Class, f.Code, f.Message = Unavailable, "idp_error", "The authorization server has a fault"+said+"."
	case code == "invalid_client" || code == "unauthorized_client" || code == "access_denied" || code == "invalid_grant" ||
		code == "" && (status == http.StatusUnauthorized || status == http.StatusForbidden):
		f.Class, f.Code, f.Message = Rejected, "idp_rejected", "The authorization server refused the client"+said+": check client_id, the secret or key, and token_endpoint_auth_method."
	case status >= 300 && status < 400:
		f.Class, f.Code, f.Message = Misconfigured, "idp_redirect", "The token endpoint answered with a redirect"+said+", which is never followed: set token_url to the final address."
	default:
		f.Class, f.Code, f.Message = Misconfigured, "idp_bad_request", "The authorization server does not accept the token request"+said+": check token_url, scopes, audience and upstream_resource."
	}
	return f
}

// retryAfter reads Retry-After (RFC 9110 §10.2.3), seconds or a date; 0 if there is
// none that makes sense.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if digits(text) {
		if len(text) > 9 {
			return math.MaxInt32 * time.Second
		}
		n := 0
		for _, c := range text {
			n = n*10 + int(c-'0')
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
