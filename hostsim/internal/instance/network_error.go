package instance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/grantway/grantway/wasm/abi"
)

// networkCode tells the failures of a connection apart.
func networkCode(err error) abi.ErrorCode {
	var (
		dns       *net.DNSError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		verify    *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		timeout   net.Error
	)
	switch {
	case errors.Is(err, context.Canceled):
		return abi.ErrCanceled
	case errors.As(err, &dns):
		return abi.ErrDNS
	case errors.As(err, &record), errors.As(err, &alert), errors.As(err, &verify), errors.As(err, &authority),
		errors.As(err, &hostname), errors.As(err, &invalid), errors.Is(err, http.ErrSchemeMismatch):
		return abi.ErrTLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return abi.ErrRefused
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return abi.ErrTimeout
	case errors.Is(err, errBroken):
		return abi.ErrGone
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return abi.ErrReset
	}
	return abi.ErrNet
}

// networkMessage is the failure without the URL, whose query may hold a credential.
func networkMessage(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	message := err.Error()
	if len(message) > 200 {
		message = message[:200]
	}
	return message
}
