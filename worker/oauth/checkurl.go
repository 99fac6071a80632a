package oauth

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// CheckURL answers why the gateway must not send a request to this URL: it is
// not https, names this machine or a private network, or holds a user name. The
// error is for people and names the host at most.
//
// With allowLoopback (the development switch) plain http is allowed too, but only
// to this machine.
func CheckURL(raw string, allowLoopback bool) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("it is not a URL")
	}
	return checkURL(u, allowLoopback)
}

func checkURL(u *url.URL, allowLoopback bool) error {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	switch {
	case host == "" || u.Opaque != "":
		return errors.New("it names no host")
	case u.User != nil:
		return errors.New("it holds a user name or password")
	case u.Fragment != "":
		return errors.New("it has a fragment")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("its scheme is not https")
	}
	loopback, private := classify(host)
	switch {
	case loopback && !allowLoopback:
		return errors.New("it names this machine, which only GRANTWAY_ALLOW_LOOPBACK allows")
	case private:
		return errors.New("it names an address of a private or reserved network")
	case u.Scheme == "http" && !loopback:
		return errors.New("its scheme is not https")
	}
	return nil
}

// classify looks at the text of a host only: a name that resolves to a private
// address is the host's business (hostsim checks when it dials; Workers have no
// private network to reach).
func classify(host string) (loopback, private bool) {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true, false
	}
	for _, suffix := range []string{".internal", ".local", ".home.arpa", ".lan", ".invalid", ".onion"} {
		if strings.HasSuffix(host, suffix) {
			return false, true
		}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		// A last label of digits or 0x… is an IPv4 address in a legacy spelling (WHATWG URL §3.5).
		last := host[strings.LastIndexByte(host, '.')+1:]
		return false, last != "" && (last[0] >= '0' && last[0] <= '9')
	}
	ip = ip.Unmap()
	if ip.IsLoopback() {
		return true, false
	}
	if ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip.Zone() != "" || ip.IsInterfaceLocalMulticast() {
		return false, true
	}
	for _, p := range reserved {
		if p.Contains(ip) {
			return false, true
		}
	}
	return false, false
}

// reserved are the special-purpose ranges of RFC 6890 that netip has no method for.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),           // IPv4-compatible
	netip.MustParsePrefix("::ffff:0:0:0/96"), // IPv4-translated
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("fec0::/10"), // site-local, deprecated
}

// Guard answers a RoundTripper that sends only what CheckURL allows. Its refusal is
// an error that wraps ErrURLRefused.
func Guard(next http.RoundTripper, allowLoopback bool) http.RoundTripper {
	return guard{next, allowLoopback}
}

// ErrURLRefused means that a request was not sent because of where it would go.
var ErrURLRefused = errors.New("oauth: URL refused")

type guard struct {
	next          http.RoundTripper
	allowLoopback bool
}

func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := checkURL(r.URL, g.allowLoopback); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, &refusal{err}
	}
	return g.next.RoundTrip(r)
}

type refusal struct{ why error }

func (r *refusal) Error() string   { return ErrURLRefused.Error() + ": " + r.why.Error() }
func (r *refusal) Is(t error) bool { return t == ErrURLRefused }
