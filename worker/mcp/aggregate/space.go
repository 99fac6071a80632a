// Package aggregate makes one server of several: it gives their tools, prompts and
// resources names that do not collide, finds the server behind a name, and merges
// lists and capabilities. It does no I/O.
package aggregate

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/grantway/grantway/worker/registry"
)

// Rules of names (MCP 2025-11-25, tools: at most 128 of A–Z a–z 0–9 _ - .).
const (
	// Separator stands between a server's slug and a tool's or prompt's own name.
	Separator = "__"
	// MaxName is the longest name that is made, in bytes. A longer one is cut and ends in
	// overflowMark and a part of its hash.
	MaxName      = 128
	overflowMark = ".."
	overflowHex  = 12
	// scheme begins a wrapped resource URI: grantway:SLUG/ORIGINAL.
	scheme = "grantway:"
)

// Space is the set of servers that one endpoint shows, in the order of its lists.
type Space struct {
	Servers []*registry.Record
	// Plain means one server with its own names: nothing is rewritten.
	Plain bool
}

// Name answers the name under which the server's tool or prompt is shown.
func (s *Space) Name(rec *registry.Record, name string) string {
	if s.Plain {
		return name
	}
	if rec.EmptyPrefix && !marked(name) && len(name) <= MaxName {
		if r, own, _, ok := s.split(name); ok && r == rec && own == name {
			return name
		}
	}
	full := rec.Slug + Separator + name
	if len(full) <= MaxName && !marked(name) {
		if r, own, _, ok := s.split(full); ok && r == rec && own == name {
			return full
		}
	}
	sum := sha256.Sum256([]byte(name))
	tail := overflowMark + hex.EncodeToString(sum[:overflowHex/2])
	room := MaxName - len(rec.Slug) - len(Separator) - len(tail)
	head := ascii(name, room)
	full = rec.Slug + Separator + head + tail
	if r, _, _, ok := s.split(full); !ok || r != rec { // a longer slug begins with this
		full = rec.Slug + Separator + tail
	}
	return full
}

// Find answers the server behind a name and its own name there. hashed means that the
// name was cut: the own name is the one of the server's list whose Name is this.
func (s *Space) Find(name string) (rec *registry.Record, own string, hashed, ok bool) {
	if s.Plain {
		return s.Servers[0], name, false, true
	}
	return s.split(name)
}

func (s *Space) split(name string) (rec *registry.Record, own string, hashed, ok bool) {
	var empty *registry.Record
	for _, r := range s.Servers {
		if strings.HasPrefix(name, r.Slug+Separator) && len(name) > len(r.Slug)+len(Separator) && (rec == nil || len(r.Slug) > len(rec.Slug)) {
			rec = r
		}
		if r.EmptyPrefix {
			empty = r
		}
	}
	if rec != nil {
		own = name[len(rec.Slug)+len(Separator):]
		return rec, own, marked(own), true
	}
	return empty, name, false, empty != nil
}

// marked reports whether a name ends like a cut one. A server's own name of that form
// is always shown cut, so that the form means one thing.
func marked(name string) bool {
	i := len(name) - overflowHex - len(overflowMark)
	if i < 0 || name[i:i+len(overflowMark)] != overflowMark {
		return false
	}
	for _, c := range []byte(name[i+len(overflowMark):]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// ascii answers a beginning of at most n bytes that cuts no character.
func ascii(s string, n int) string {
	n = max(0, min(n, len(s)))
	for n > 0 && n < len(s) && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}

// URI answers the URI, or URI template, under which the server's resource is shown.
func (s *Space) URI(rec *registry.Record, uri string) string {
	if s.Plain || rec.EmptyPrefix && !strings.HasPrefix(uri, scheme) {
		return uri
	}
	return scheme + rec.Slug + "/" + uri
}

// FindURI answers the server behind a resource's URI, and its own URI there.
func (s *Space) FindURI(uri string) (rec *registry.Record, own string, ok bool) {
	if s.Plain {
		return s.Servers[0], uri, true
	}
	rest, ok := strings.CutPrefix(uri, scheme)
	if !ok {
		for _, r := range s.Servers {
			if r.EmptyPrefix {
				return r, uri, true
			}
		}
		return nil, "", false
	}
	slug, own, ok := strings.Cut(rest, "/")
	if !ok {
		return nil, "", false
	}
	for _, r := range s.Servers {
		if r.Slug == slug {
			return r, own, true
		}
	}
	return nil, "", false
}
