package upstream

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/rawjson"
)

// sessionKey names a pooled session. Sessions are never shared between callers:
// what a server keeps in one belongs to whom it was opened for.
type sessionKey struct {
	server  string
	version int64
	caller  string
}

// session is one initialized legacy session.
type session struct {
	id         string // Mcp-Session-Id; "" if the server has none
	version    string
	Initialize json.RawMessage // the result of initialize
	next       atomic.Int64
	used       atomic.Int64 // Unix ms
}

func (s *session) requestID() []byte { return strconv.AppendInt(nil, s.next.Add(1), 10) }

type sessions struct {
	mu    sync.Mutex
	byKey map[sessionKey]*session
}

func keyOf(t Target) sessionKey {
	k := sessionKey{server: t.Record.ServerID, version: t.Record.Version}
	if t.Caller != nil {
		k.caller = t.Caller.ID
	}
	return k
}

// session answers the pooled session of this server and caller, or opens one.
func (c *Client) session(ctx context.Context, t Target, version string) (*session, error) {
	k := keyOf(t)
	if s := c.pooled(ctx, t, k); s != nil {
		return s, nil
	}
	if t.Record.ServerID == "" {
		return c.open(ctx, t, version)
	}
	s, err := c.openings.Do(ctx, k.server+"/"+strconv.FormatInt(k.version, 10)+"/"+k.caller, func(ctx context.Context) (*session, error) {
		if s := c.pooled(ctx, t, k); s != nil {
			return s, nil
		}
		s, err := c.open(ctx, t, version)
		if err != nil {
			return nil, err
		}
		c.sessions.mu.Lock()
		defer c.sessions.mu.Unlock()
		if len(c.sessions.byKey) >= c.Limits.MaxSessions {
			c.evict(time.Now())
		}
		c.sessions.byKey[k] = s
		return s, nil
	})
	if err != nil {
		return nil, Failed(ctx, err)
	}
	return s, nil
}

// pooled answers a session that is not too old, or nil.
func (c *Client) pooled(ctx context.Context, t Target, k sessionKey) *session {
	now := time.Now()
	c.sessions.mu.Lock()
	defer c.sessions.mu.Unlock()
	s := c.sessions.byKey[k]
	if s == nil {
		return nil
	}
	if now.Sub(time.UnixMilli(s.used.Load())) >= c.Limits.SessionLife {
		delete(c.sessions.byKey, k)
		c.release(ctx, t, s)
		return nil
	}
	s.used.Store(now.UnixMilli())
	return s
}

// evict drops idle sessions, or the one used longest ago. The servers end them by
// their own timeouts: without the record there is nobody to ask.
func (c *Client) evict(now time.Time) {
	var oldest sessionKey
	first := true
	var at int64
	for k, s := range c.sessions.byKey {
		used := s.used.Load()
		if now.Sub(time.UnixMilli(used)) >= c.Limits.SessionLife {
			delete(c.sessions.byKey, k)
			continue
		}
		if first || used < at {
			oldest, at, first = k, used, false
		}
	}
	if len(c.sessions.byKey) >= c.Limits.MaxSessions {
		delete(c.sessions.byKey, oldest)
	}
}

// drop forgets a session that the server no longer knows.
func (c *Client) drop(t Target, s *session) {
	c.sessions.mu.Lock()
	defer c.sessions.mu.Unlock()
	if c.sessions.byKey[keyOf(t)] == s {
		delete(c.sessions.byKey, keyOf(t))
	}
}

// release ends a session at the server, in the background.
func (c *Client) release(ctx context.Context, t Target, s *session) {
	if s.id == "" || c.Background == nil {
		return
	}
	c.Background(ctx, func(ctx context.Context) {
		resp, err := c.Send(ctx, t, http.MethodDelete, legacyHeader(s.version, s.id), nil)
		if err == nil {
			_ = resp.Body.Close()
		}
	})
}

// open does the handshake: initialize, then notifications/initialized.
func (c *Client) open(ctx context.Context, t Target, version string) (*session, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	params := rawjson.Object{}
	params.SetText("protocolVersion", version)
	params.Set("capabilities", []byte("{}"))
	params.Set("clientInfo", c.clientInfo)
	id := []byte("0")
	resp, err := c.Send(ctx, t, http.MethodPost, legacyHeader("", ""), jsonrpc.AppendRequest(nil, id, "initialize", params.Encode()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	reply, err := c.answer(ctx, resp, id, c.maxDescription(), nil)
	if err != nil {
		return nil, err
	}
	if reply.Error != nil {
		if resp.StatusCode >= 400 {
			return nil, ErrEra.Because(reply.Error)
		}
		return nil, ErrProtocol.Because(reply.Error)
	}
	result, err := rawjson.ParseObject(reply.Result)
	if err != nil {
		return nil, ErrProtocol.Because(err)
	}
	agreed, ok := result.Text("protocolVersion")
	if !ok || !slices.Contains(LegacyVersions, agreed) {
		return nil, ErrEra
	}
	s := &session{id: resp.Header.Get("Mcp-Session-Id"), version: agreed, Initialize: reply.Result}
	s.used.Store(time.Now().UnixMilli())
	note := jsonrpc.AppendRequest(nil, nil, "notifications/initialized", nil)
	ack, err := c.Send(ctx, t, http.MethodPost, legacyHeader(s.version, s.id), note)
	if err != nil {
		return nil, err
	}
	_ = ack.Body.Close()
	if ack.StatusCode >= 300 {
		return nil, Status(ack.StatusCode)
	}
	return s, nil
}

// Close ends the target's pooled session at the server, if there is one.
func (c *Client) Close(ctx context.Context, t Target) {
	c.sessions.mu.Lock()
	s := c.sessions.byKey[keyOf(t)]
	delete(c.sessions.byKey, keyOf(t))
	c.sessions.mu.Unlock()
	if s == nil || s.id == "" {
		return
	}
	if resp, err := c.Send(ctx, t, http.MethodDelete, legacyHeader(s.version, s.id), nil); err == nil {
		_ = resp.Body.Close()
	}
}
