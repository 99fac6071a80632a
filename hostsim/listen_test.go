package hostsim_test

import (
	"io"
	"log"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// listen serves raw connections and answers the address.
func listen(t *testing.T, serve func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return l.Addr().String()
}

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
