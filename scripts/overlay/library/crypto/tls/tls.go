// Package tls stands in the module for crypto/tls: the names that net/http needs to
// compile, and no TLS. Neither host has a network on which the module could speak it,
// and the fields of http.Request and http.Response that are of these types stay nil.
package tls

import (
	"context"
	"errors"
	"net"
)

var errNone = errors.New("tls: not part of this module")

type (
	Certificate     struct{}
	ClientHelloInfo struct{}
	ConnectionState struct {
		NegotiatedProtocol         string
		NegotiatedProtocolIsMutual bool
	}
	Config struct {
		ServerName         string
		NextProtos         []string
		Certificates       []Certificate
		GetCertificate     func(*ClientHelloInfo) (*Certificate, error)
		GetConfigForClient func(*ClientHelloInfo) (*Config, error)
	}
	Conn              struct{ net.Conn }
	RecordHeaderError struct {
		RecordHeader [5]byte
		Conn         net.Conn
	}
)

func (RecordHeaderError) Error() string { return errNone.Error() }

func (c *Config) Clone() *Config {
	clone := *c
	return &clone
}

// Client answers a connection whose handshake fails.
func Client(conn net.Conn, _ *Config) *Conn { return &Conn{conn} }

func (*Conn) HandshakeContext(context.Context) error { return errNone }
func (*Conn) ConnectionState() ConnectionState       { return ConnectionState{} }

func LoadX509KeyPair(string, string) (Certificate, error)    { return Certificate{}, errNone }
func NewListener(inner net.Listener, _ *Config) net.Listener { return refusing{inner} }

type refusing struct{ net.Listener }

func (refusing) Accept() (net.Conn, error) { return nil, errNone }
