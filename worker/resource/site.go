// Package resource is the gateway as an OAuth 2.0 protected resource: under which URL
// it is known, the metadata of each MCP endpoint (RFC 9728), and the challenges that
// send a client there (RFC 6750 §3).
package resource

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Site knows the gateway's own URL. Behind a reverse proxy that is not the one at
// which a request arrives.
type Site struct {
	configured string                       // GRANTWAY_PUBLIC_URL
	trusted    []netip.Prefix               // GRANTWAY_TRUSTED_PROXIES
	stored     func(context.Context) string // public_url of the settings
}

// NewSite makes a Site. publicURL and proxies are GRANTWAY_PUBLIC_URL (an origin, such
// as https://mcp.example.com) and GRANTWAY_TRUSTED_PROXIES (addresses or prefixes,
// separated by commas). stored answers the public URL of the settings, "" if there is none;
// it may be nil.
func NewSite(publicURL, proxies string, stored func(context.Context) string) (*Site, error) {
	s := &Site{stored: stored}
	if publicURL != "" {
		base, ok := origin(publicURL)
		if !ok {
			return nil, errors.New("GRANTWAY_PUBLIC_URL must be an http or https URL without path, query or fragment")
		}
		s.configured = base
	}
	for p := range strings.SplitSeq(proxies, ",") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			addr, aerr := netip.ParseAddr(p)
			if aerr != nil {
				return nil, errors.New("GRANTWAY_TRUSTED_PROXIES must hold addresses or prefixes, such as 10.0.0.0/8, separated by commas")
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		s.trusted = append(s.trusted, prefix.Masked())
	}
	return s, nil
}

// origin normalizes a public URL: scheme and host in lower case, no final slash.
func origin(s string) (string, bool) {
	u, err := url.Parse(strings.TrimSuffix(s, "/"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", false
	}
	return strings.ToLower(u.Scheme + "://" + u.Host), true
}

// Base answers the gateway's URL without a final slash. fixed says that it does not
// depend on what the client sends: configured, or this machine.
func (s *Site) Base(r *http.Request) (base string, fixed bool) {
	if s.configured != "" {
		return s.configured, true
	}
	if s.stored != nil {
		if base, ok := origin(s.stored(r.Context())); ok {
			return base, true
		}
	}
	scheme, host := r.URL.Scheme, r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if scheme == "" {
		scheme = "http"
	}
	if s.proxied(r) {
		if v := lastOf(r.Header.Get("X-Forwarded-Proto")); v == "http" || v == "https" {
			scheme = v
		}
		if v := lastOf(r.Header.Get("X-Forwarded-Host")); v != "" && !strings.ContainsAny(v, "/\\@?# \t") {
			host = v
		}
	}
	return strings.ToLower(scheme + "://" + host), loopback(host)
}

// Secure reports whether the browser that sent a request speaks https: by the URL at which the
// host got it, by a trusted proxy's word, or because the gateway's configured URL says so.
func (s *Site) Secure(r *http.Request) bool {
	base, _ := s.Base(r)
	return r.URL.Scheme == "https" || strings.HasPrefix(base, "https://")
}

// lastOf answers the value that the nearest proxy has added.
func lastOf(list string) string {
	return strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
}

// ForwardedFor answers the client's address where a trusted proxy has passed its request on: the last
// one in X-Forwarded-For that is no trusted proxy's, since whatever stands before it is that client's
// own word. "": no trusted proxy did, or it names nobody.
func (s *Site) ForwardedFor(r *http.Request) string {
	if s == nil || !s.proxied(r) {
		return ""
	}
	list := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	for list != "" {
		address, ok := parseAddress(lastOf(list))
		if !ok {
			return ""
		}
		if !s.trusts(address) {
			return address.String()
		}
		list = list[:max(0, strings.LastIndexByte(list, ','))]
	}
	return ""
}

// proxied reports whether the request comes from a trusted proxy.
func (s *Site) proxied(r *http.Request) bool {
	if len(s.trusted) == 0 {
		return false
	}
	address, ok := parseAddress(r.RemoteAddr)
	return ok && s.trusts(address)
}

func (s *Site) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(s.trusted, func(p netip.Prefix) bool { return p.Contains(address) })
}

// parseAddress reads an IP address with or without a port.
func parseAddress(host string) (netip.Addr, bool) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return address.Unmap().WithZone(""), err == nil
}

func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// Audiences answers the names by which an access token may be meant for the endpoint
// of a request: the endpoint's URL, its alias, and the gateway as a whole. Without a
// fixed URL there are none, for the name would be the client's choice.
func (s *Site) Audiences(r *http.Request) []string {
	base, fixed := s.Base(r)
	if !fixed {
		return nil
	}
	out := []string{base, base + "/"}
	switch server, ok := ServerOf(r.URL.Path); {
	case !ok:
	case server == "":
		out = append(out, base+"/mcp")
	default:
		out = append(out, base+"/mcp/"+server, base+"/"+server+"/mcp")
	}
	return out
}

// ServerOf takes the server out of the path of an MCP endpoint, /mcp/{server} or /{server}/mcp; "" for
// /mcp. ok false: it is no such path.
func ServerOf(path string) (server string, ok bool) {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	head, rest, two := strings.Cut(path, "/")
	switch {
	case !two:
		return "", head == "mcp"
	case head == "mcp":
		return rest, rest != "" && !strings.Contains(rest, "/")
	case rest == "mcp":
		return head, head != ""
	}
	return "", false
}
