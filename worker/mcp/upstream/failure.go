package upstream

import (
	"context"
	"errors"
	"net/http"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

// Failures of the way to an upstream. Each has its own code, so that a caller can
// tell them apart; none shows an internal detail.
var (
	ErrTimeout      = problem.New(http.StatusGatewayTimeout, "upstream_timeout", "The MCP server did not answer in time.")
	ErrDNS          = problem.New(http.StatusBadGateway, "upstream_dns", "The MCP server's host name does not resolve.")
	ErrTLS          = problem.New(http.StatusBadGateway, "upstream_tls", "The MCP server's TLS certificate or handshake was refused.")
	ErrRefused      = problem.New(http.StatusBadGateway, "upstream_refused", "The MCP server refused the connection.")
	ErrUnreachable  = problem.New(http.StatusBadGateway, "upstream_unreachable", "The MCP server cannot be reached.")
	ErrUnauthorized = problem.New(http.StatusBadGateway, "upstream_unauthorized", "The MCP server did not accept the gateway's credential (401).")
	ErrForbidden    = problem.New(http.StatusBadGateway, "upstream_forbidden", "The MCP server does not permit this to the gateway's credential (403).")
	ErrRedirect     = problem.New(http.StatusBadGateway, "upstream_redirect", "The MCP server answered with a redirect, which the gateway does not follow; set the final URL.")
	ErrProtocol     = problem.New(http.StatusBadGateway, "upstream_protocol", "The MCP server's answer is not valid MCP.")
	ErrTooLarge     = problem.New(http.StatusBadGateway, "upstream_too_large", "The MCP server's answer is larger than the gateway's limit.")
	ErrEnded        = problem.New(http.StatusBadGateway, "upstream_ended", "The MCP server ended the stream before the result.")
	ErrEra          = problem.New(http.StatusBadGateway, "upstream_era", "The MCP server speaks no protocol version that the gateway knows.")
)

// Status is the problem of an HTTP status that has no MCP meaning here.
func Status(code int) *problem.Problem {
	switch {
	case code == http.StatusUnauthorized:
		return ErrUnauthorized
	case code == http.StatusForbidden:
		return ErrForbidden
	case code >= 300 && code < 400:
		return ErrRedirect
	case code == http.StatusTooManyRequests:
		return problem.New(http.StatusTooManyRequests, "upstream_rate_limited", "The MCP server limits the rate of requests (429).")
	}
	return problem.New(http.StatusBadGateway, "upstream_status", "The MCP server answered with HTTP status "+itoa(code)+".")
}

func itoa(n int) string {
	if n < 0 || n > 999 {
		return "?"
	}
	return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
}

// Failed names the failure of a round trip. A problem of the token engine, which
// comes through the same round trip, stays what it is.
func Failed(ctx context.Context, err error) *problem.Problem {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p
	}
	if cause := context.Cause(ctx); errors.As(cause, &p) {
		return p
	}
	var e *platform.Error
	if errors.As(err, &e) {
		switch e.Code {
		case platform.CodeTimeout:
			return ErrTimeout.Because(err)
		case platform.CodeDNS:
			return ErrDNS.Because(err)
		case platform.CodeTLS:
			return ErrTLS.Because(err)
		case platform.CodeRefused:
			return ErrRefused.Because(err)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return ErrTimeout.Because(err)
	}
	return ErrUnreachable.Because(err)
}
