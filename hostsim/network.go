package hostsim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/grantway/grantway/wasm/abi"
)

const (
	dialTimeout = 10 * time.Second
	tlsTimeout  = 10 * time.Second
	idleConns   = 256 // per upstream
	idleTimeout = 90 * time.Second
)

// ErrPrivateAddress reports that an upstream's name resolves to an address that
// WithPublicNetworkOnly forbids.
var ErrPrivateAddress = errors.New("hostsim: the name resolves to an address of this machine or of a private network")

// newTransport is the way out to the network: nothing is added, followed or
// decompressed. check, if not nil, is asked about each address before it is dialled,
// except for the proxy of the environment, which looks itself at where requests go.
func newTransport(check func(netip.Addr) error) *http.Transport {
	plain := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	dial := plain.DialContext
	if check != nil {
		checked, proxies := *plain, proxyAddresses()
		checked.Control = func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return check(to.Addr().Unmap())
		}
		dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if proxies[address] {
				return plain.DialContext(ctx, network, address)
			}
			return checked.DialContext(ctx, network, address)
		}
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dial,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    tlsTimeout,
		MaxIdleConns:           2 * idleConns,
		MaxIdleConnsPerHost:    idleConns,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: abi.MaxMeta,
		DisableCompression:     true,
	}
}

// proxyAddresses are the proxies that HTTP_PROXY and HTTPS_PROXY name, as host:port.
func proxyAddresses() map[string]bool {
	ports := map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}
	out := map[string]bool{}
	for _, scheme := range []string{"http", "https"} {
		proxy, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: scheme, Host: "upstream.example"}})
		if err != nil || proxy == nil {
			continue
		}
		port := proxy.Port()
		if port == "" {
			port = ports[proxy.Scheme]
		}
		out[net.JoinHostPort(proxy.Hostname(), port)] = true
	}
	return out
}

// publicOnly refuses addresses that are not of the public internet (RFC 6890), but
// permits loopback ones if it is told to.
func publicOnly(allowLoopback bool) func(netip.Addr) error {
	return func(ip netip.Addr) error {
		switch {
		case ip.IsLoopback():
			if allowLoopback {
				return nil
			}
		case ip.IsGlobalUnicast() && !ip.IsPrivate() && !special(ip):
			return nil
		}
		return fmt.Errorf("%w: %s", ErrPrivateAddress, ip)
	}
}

// specialRanges are special-purpose ranges that package netip counts as global unicast.
var specialRanges = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared address space; cloud metadata lives here, too
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("::ffff:0:0:0/96"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

func special(ip netip.Addr) bool {
	for _, p := range specialRanges {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}
