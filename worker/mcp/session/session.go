// Package session makes and reads the session ids that legacy clients carry
// (Mcp-Session-Id). An id is the whole state, sealed: whom it was made for, for which
// server, and the server's own session id. No instance has to remember it.
package session

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"time"
)

// Limits of a session.
const (
	// MaxLife is the age at which a session ends; the client initializes again.
	MaxLife = 24 * time.Hour
	// MaxID is the longest session id that is made or read, in bytes. An upstream's
	// own id may be about 3,000 bytes.
	MaxID = 4096
	// remembered bounds the opened ids in memory.
	remembered = 4096
)

// ErrUnknown means that an id is not one of this gateway, has ended, or belongs to
// another caller or server. Callers learn no more than that.
var ErrUnknown = errors.New("session: unknown")

// Sealer encrypts; package seal implements it.
type Sealer interface {
	Seal(plain []byte, aad ...string) []byte
	Open(sealed []byte, aad ...string) ([]byte, error)
}

// Session is what an id holds.
type Session struct {
	Server    string    // server_id; "" for the aggregate endpoint
	Caller    string    // id of the principal
	Version   string    // negotiated protocol version
	Upstream  string    // the server's session id, "" if it has none
	Opened    time.Time // to the second
	OpensURLs bool      // the client declared elicitation in URL mode
}

// Codec seals and opens session ids.
type Codec struct {
	sealer Sealer

	mu     sync.Mutex
	opened map[string]*Session
}

// NewCodec makes a Codec.
func NewCodec(s Sealer) *Codec { return &Codec{sealer: s, opened: map[string]*Session{}} }

const aad = "mcp-session"

// Encode answers the id of a session: visible ASCII, as MCP demands.
func (c *Codec) Encode(s Session) (string, error) {
	b := []byte{1}
	if s.OpensURLs {
		b[0] = 2
	}
	b = binary.BigEndian.AppendUint64(b, uint64(s.Opened.Unix()))
	for _, text := range [...]string{s.Server, s.Caller, s.Version, s.Upstream} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	id := base64.RawURLEncoding.EncodeToString(c.sealer.Seal(b, aad))
	if len(id) > MaxID {
		return "", ErrUnknown
	}
	return id, nil
}

// Decode answers the session of an id for this server and caller, or ErrUnknown.
func (c *Codec) Decode(id, server, caller string) (*Session, error) {
	s, err := c.DecodeAny(id, caller)
	if err == nil && s.Server != server {
		return nil, ErrUnknown
	}
	return s, err
}

// DecodeAny answers the session of an id for this caller, at whichever server, or ErrUnknown.
func (c *Codec) DecodeAny(id, caller string) (*Session, error) {
	if id == "" || len(id) > MaxID {
		return nil, ErrUnknown
	}
	c.mu.Lock()
	s := c.opened[id]
	c.mu.Unlock()
	if s == nil {
		sealed, err := base64.RawURLEncoding.Strict().DecodeString(id)
		if err != nil {
			return nil, ErrUnknown
		}
		plain, err := c.sealer.Open(sealed, aad)
		if err != nil {
			return nil, ErrUnknown
		}
		if s, err = decode(plain); err != nil {
			return nil, err
		}
		c.mu.Lock()
		if len(c.opened) >= remembered {
			clear(c.opened)
		}
		c.opened[strings.Clone(id)] = s // id may be a piece of a whole request
		c.mu.Unlock()
	}
	if s.Caller != caller || time.Since(s.Opened) >= MaxLife {
		return nil, ErrUnknown
	}
	return s, nil
}

func decode(b []byte) (*Session, error) {
	if len(b) < 9 || b[0] != 1 && b[0] != 2 {
		return nil, ErrUnknown
	}
	s := &Session{Opened: time.Unix(int64(binary.BigEndian.Uint64(b[1:])), 0), OpensURLs: b[0] == 2}
	b = b[9:]
	for _, to := range [...]*string{&s.Server, &s.Caller, &s.Version, &s.Upstream} {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, ErrUnknown
		}
		*to = string(b[size : size+int(n)])
		b = b[size+int(n):]
	}
	if len(b) != 0 {
		return nil, ErrUnknown
	}
	return s, nil
}

// ValidUpstream reports whether a server's session id is one by MCP: visible ASCII.
func ValidUpstream(id string) bool {
	for i := range len(id) {
		if id[i] < 0x21 || id[i] > 0x7e {
			return false
		}
	}
	return id != "" && len(id) <= 3000
}
