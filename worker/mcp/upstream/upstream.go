// Package upstream talks to MCP servers: it sends requests of callers on, and makes
// requests of its own in the era that the server speaks. What it sends carries the
// server's credential, which the token engine's round tripper adds, and nothing of
// the caller's but what the record allow-lists.
package upstream

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp/flight"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/registry"
)

// Credentials is the token engine: the round tripper that adds a server's
// credential to a request and does nothing else to it.
type Credentials interface {
	Client(rec *registry.Record, caller *access.Principal) http.RoundTripper
}

// Limits of package upstream.
type Limits struct {
	HeadTimeout  time.Duration // until the head of an answer, unless the record says otherwise
	CallTimeout  time.Duration // until the result of a call that the gateway makes itself
	MaxResponse  int           // largest answer or event that the gateway reads, in bytes
	SessionLife  time.Duration // idle life of a pooled legacy session
	MaxSessions  int           // pooled legacy sessions of an instance
	EraLife      time.Duration // how long a detected era, and what a server says of itself, is believed
	MaxReconnect int           // how often a broken legacy stream is resumed
}

// DefaultLimits are the documented defaults.
var DefaultLimits = Limits{
	HeadTimeout:  60 * time.Second,
	CallTimeout:  300 * time.Second,
	MaxResponse:  16 << 20,
	SessionLife:  10 * time.Minute,
	MaxSessions:  500,
	EraLife:      10 * time.Minute,
	MaxReconnect: 8,
}

// Config is what a Client needs.
type Config struct {
	Credentials Credentials
	KV          platform.KV // remembers eras for other instances; nil: not remembered
	Background  func(context.Context, func(context.Context))
	Log         *slog.Logger
	Limits      Limits
	Version     string // the gateway's version, for clientInfo
}

// Client talks to upstreams.
type Client struct {
	Config
	clientInfo json.RawMessage
	eras       eras
	sessions   sessions
	probes     flight.Group[*Era]
	openings   flight.Group[*session]

	mu   sync.RWMutex
	urls map[string]*url.URL // by record URL
}

// New makes a Client.
func New(c Config) *Client {
	info, err := json.Marshal(map[string]string{"name": "grantway", "version": c.Version})
	if err != nil {
		panic("upstream: client info: " + err.Error())
	}
	u := &Client{Config: c, clientInfo: info, urls: map[string]*url.URL{}}
	u.eras.byServer = map[eraID]*Era{}
	u.eras.refuted = map[eraID]time.Time{}
	u.sessions.byKey = map[sessionKey]*session{}
	u.probes.Background = c.Background
	u.openings.Background = c.Background
	return u
}

// Target is whom a request is for, and for whom.
type Target struct {
	Record *registry.Record
	Caller *access.Principal
}

func (c *Client) url(raw string) (*url.URL, error) {
	c.mu.RLock()
	u := c.urls[raw]
	c.mu.RUnlock()
	if u != nil {
		return u, nil
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, ErrUnreachable.Because(err)
	}
	c.mu.Lock()
	if len(c.urls) >= 4096 {
		clear(c.urls)
	}
	c.urls[raw] = u
	c.mu.Unlock()
	return u, nil
}
