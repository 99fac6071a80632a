package hostsim

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// resolveTo makes every name resolve to these addresses, one after the other, until the end of the test.
func resolveTo(t *testing.T, addresses ...string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	var asked atomic.Int64
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			question := b[12:n]
			end := strings.IndexByte(string(question), 0) + 5 // name, type, class
			kind := binary.BigEndian.Uint16(question[end-4:])
			to := netip.MustParseAddr(addresses[min(int(asked.Load()), len(addresses)-1)])
			answer := append([]byte{}, b[:2]...)
			answer = append(answer, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
			answer = append(answer, question[:end]...)
			if want := map[bool]uint16{true: 1, false: 28}[to.Is4()]; kind == want {
				asked.Add(1)
				answer[7] = 1
				answer = append(answer, 0xc0, 12)
				answer = binary.BigEndian.AppendUint16(answer, kind)
				answer = append(answer, 0, 1, 0, 0, 0, 0)
				answer = binary.BigEndian.AppendUint16(answer, uint16(len(to.AsSlice())))
				answer = append(answer, to.AsSlice()...)
			}
			_, _ = conn.WriteTo(answer, from)
		}
	}()
	previous := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = previous
		_ = conn.Close()
	})
}

// TestNameOfAPrivateNetwork: a public name that resolves to an address inside is not connected to, whatever it resolved to before.
func TestNameOfAPrivateNetwork(t *testing.T) {
	reached := &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	get := func(transport *http.Transport) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://inside.example:"+port, nil)
		require.NoError(t, err)
		resp, err := transport.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	for _, address := range []string{"127.0.0.1", "::1", "10.0.0.7", "169.254.169.254", "100.100.100.200", "fd00::7", "fe80::7", "::ffff:10.0.0.7", "64:ff9b::a00:7", "2002:a00:7::", "::a00:7"} {
		t.Run(address, func(t *testing.T) {
			resolveTo(t, address)
			require.ErrorIs(t, get(newTransport(publicOnly(false))), ErrPrivateAddress)
		})
	}
	t.Run("rebinding", func(t *testing.T) {
		resolveTo(t, "127.0.0.1", "10.0.0.7")
		transport := newTransport(publicOnly(true))
		transport.DisableKeepAlives = true
		require.NoError(t, get(transport), "the first answer is permitted")
		require.ErrorIs(t, get(transport), ErrPrivateAddress, "each connection is checked")
	})
	assert.EqualValues(t, 1, reached.Load())
}
