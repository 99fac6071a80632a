package hostsim

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPublicNetworkOnly(t *testing.T) {
	for _, tc := range []struct {
		ip                 string
		public, onLoopback bool
	}{
		{"93.184.216.34", true, true}, {"2606:4700::1111", true, true},
		{"127.0.0.1", false, true}, {"::1", false, true}, {"127.8.8.8", false, true},
		{"10.1.2.3", false, false}, {"172.16.0.1", false, false}, {"192.168.1.1", false, false}, {"fd00::1", false, false},
		{"169.254.169.254", false, false}, {"fe80::1", false, false}, {"100.100.100.200", false, false},
		{"0.0.0.0", false, false}, {"::", false, false}, {"224.0.0.1", false, false}, {"255.255.255.255", false, false}, {"64:ff9b::a00:1", false, false},
		{"::a00:1", false, false}, {"::ffff:0:a00:1", false, false}, {"2002:a00:1::", false, false}, {"fec0::1", false, false},
	} {
		ip := netip.MustParseAddr(tc.ip)
		require.Equal(t, tc.public, publicOnly(false)(ip) == nil, tc.ip)
		require.Equal(t, tc.onLoopback, publicOnly(true)(ip) == nil, tc.ip)
	}
}

// TestDialIsChecked: what counts is the address that a name resolves to.
func TestDialIsChecked(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, err := (&http.Client{Transport: newTransport(publicOnly(false))}).Get(server.URL)
	require.ErrorIs(t, err, ErrPrivateAddress)
	res, err := (&http.Client{Transport: newTransport(publicOnly(true))}).Get(server.URL)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
}
