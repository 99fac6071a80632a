package upstream

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/registry"
)

// Era is what the gateway knows of the protocol that a server speaks.
type Era struct {
	Modern  bool   `json:"modern"`
	Version string `json:"version"` // used towards the server; legacy: what initialize asks for
	// Both means that a modern server says that it serves sessions too.
	Both bool `json:"both,omitempty"`
	// Discovered is what the server says of itself: the result of server/discover, or of
	// initialize. nil: not asked yet.
	Discovered json.RawMessage `json:"discovered,omitempty"`
	Found      time.Time       `json:"found"`
}

// eras is the memory of detected eras by server_id, version of the record included.
type eras struct {
	mu       sync.Mutex
	byServer map[eraID]*Era
	// refuted is when a server last did not behave as remembered: KV may go on answering
	// what was believed until then, from its caches or from a write still under way.
	refuted map[eraID]time.Time
}

const (
	maxEras = 4096
	eraTTL  = 24 * time.Hour // of the copy in KV
	kvEra   = "era/"         // + server_id/version of the record
	probeID = `"grantway-discover"`
)

// maxDescription is the largest answer to server/discover or initialize, in bytes. It is remembered for each server,
// that to initialize for each session.
const maxDescription = 1 << 20

func (c *Client) maxDescription() int { return min(maxDescription, c.Limits.MaxResponse) }

// eraID is a server in one version of its record.
type eraID struct {
	server  string
	version int64
}

func eraOf(rec *registry.Record) eraID { return eraID{rec.ServerID, rec.Version} }

func eraKey(rec *registry.Record) string {
	return rec.ServerID + "/" + strconv.FormatInt(rec.Version, 10)
}

// Era answers the server's era: remembered here, remembered in KV, or found out by
// server/discover (which no legacy server can mistake for something else).
func (c *Client) Era(ctx context.Context, t Target) (*Era, error) {
	if e := c.Known(t.Record); e != nil {
		return e, nil
	}
	if t.Record.ServerID == "" { // a preview of an unsaved server leaves no trace
		return c.probe(ctx, t)
	}
	e, err := c.probes.Do(ctx, eraKey(t.Record)+"/"+keyOf(t).caller, func(ctx context.Context) (*Era, error) {
		if e := c.Known(t.Record); e != nil {
			return e, nil
		}
		if c.KV != nil {
			if b, err := c.KV.Get(ctx, kvEra+eraKey(t.Record)); err == nil {
				e := &Era{}
				if json.Unmarshal(b, e) == nil && e.Version != "" && time.Since(e.Found) < c.Limits.EraLife && !c.isRefuted(t.Record, e) {
					c.remember(t.Record, e)
					return e, nil
				}
			}
		}
		e, err := c.probe(ctx, t)
		if err != nil {
			return nil, err
		}
		c.remember(t.Record, e)
		c.publish(ctx, t.Record, e)
		return e, nil
	})
	if err != nil {
		return nil, Failed(ctx, err)
	}
	return e, nil
}

// publish puts the era into KV, for other instances.
func (c *Client) publish(ctx context.Context, rec *registry.Record, e *Era) {
	if c.KV == nil || c.Background == nil {
		return
	}
	c.Background(ctx, func(ctx context.Context) {
		b, err := json.Marshal(e)
		if err == nil {
			err = c.KV.Put(ctx, kvEra+eraKey(rec), b, eraTTL)
		}
		if err != nil {
			c.Log.WarnContext(ctx, "era not stored", "server_id", rec.ServerID, "error", err.Error())
		}
	})
}

// Describe answers what the server says of itself: the result of server/discover or
// of initialize, at most EraLife old.
func (c *Client) Describe(ctx context.Context, t Target) (rawjson.Object, error) {
	era, err := c.Era(ctx, t)
	if err != nil {
		return nil, err
	}
	if era.Discovered == nil {
		told := *era
		if era.Modern {
			r, err := c.Call(ctx, &Call{Target: t, Method: "server/discover"})
			if err != nil {
				return nil, err
			}
			if r.Error != nil {
				return nil, ErrProtocol.Because(r.Error)
			}
			if len(r.Result) > c.maxDescription() {
				return nil, ErrTooLarge
			}
			told.Discovered = r.Result
		} else {
			s, err := c.session(ctx, t, era.Version)
			if err != nil {
				return nil, err
			}
			told.Discovered = s.Initialize
		}
		era = &told
		if t.Record.ServerID != "" {
			c.remember(t.Record, era)
			c.publish(ctx, t.Record, era)
		}
	}
	o, err := rawjson.ParseObject(era.Discovered)
	if err != nil {
		return nil, ErrProtocol.Because(err)
	}
	return o, nil
}

// Known answers the era remembered by this instance, or nil.
func (c *Client) Known(rec *registry.Record) *Era {
	if rec.ServerID == "" {
		return nil
	}
	c.eras.mu.Lock()
	defer c.eras.mu.Unlock()
	e := c.eras.byServer[eraOf(rec)]
	if e == nil || time.Since(e.Found) >= c.Limits.EraLife {
		return nil
	}
	return e
}

func (c *Client) remember(rec *registry.Record, e *Era) {
	c.eras.mu.Lock()
	defer c.eras.mu.Unlock()
	if len(c.eras.byServer) >= maxEras {
		clear(c.eras.byServer)
	}
	c.eras.byServer[eraOf(rec)] = e
}

// isRefuted reports whether the server has misbehaved since this era was found.
func (c *Client) isRefuted(rec *registry.Record, e *Era) bool {
	c.eras.mu.Lock()
	defer c.eras.mu.Unlock()
	return !e.Found.After(c.eras.refuted[eraOf(rec)])
}

// Forget makes the next use probe again: the server did not behave as remembered.
func (c *Client) Forget(ctx context.Context, rec *registry.Record) {
	if rec.ServerID == "" {
		return
	}
	c.eras.mu.Lock()
	delete(c.eras.byServer, eraOf(rec))
	if len(c.eras.refuted) >= maxEras {
		clear(c.eras.refuted)
	}
	c.eras.refuted[eraOf(rec)] = time.Now()
	c.eras.mu.Unlock()
	if c.KV != nil {
		if err := c.KV.Delete(ctx, kvEra+eraKey(rec)); err != nil {
			c.Log.WarnContext(ctx, "era not forgotten", "server_id", rec.ServerID, "error", err.Error())
		}
	}
}

func (c *Client) probe(ctx context.Context, t Target) (*Era, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	params := c.modernParams(nil, Modern, nil, nil)
	body := jsonrpc.AppendRequest(nil, []byte(probeID), "server/discover", params)
	resp, err := c.Send(ctx, t, http.MethodPost, modernHeader(Modern, "server/discover", "", false), body)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden,
		resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode >= 500, resp.StatusCode >= 300 && resp.StatusCode < 400:
		return nil, Status(resp.StatusCode)
	}
	reply, err := c.answer(ctx, resp, []byte(probeID), c.maxDescription(), nil)
	if err != nil && resp.StatusCode < 400 {
		return nil, err
	}
	e := classify(resp.StatusCode, reply)
	e.Found = time.Now()
	return e, nil
}

// classify applies mcp.md's table of answers to server/discover.
func classify(status int, reply *Reply) *Era {
	legacy := &Era{Version: LatestLegacy}
	if reply == nil {
		return legacy
	}
	if reply.Result != nil {
		o, err := rawjson.ParseObject(reply.Result)
		if err != nil {
			return legacy
		}
		e := choose(o.Get("supportedVersions"))
		if e.Modern {
			e.Discovered = slices.Clone(reply.Result)
		}
		return e
	}
	if reply.Error == nil {
		return legacy
	}
	switch reply.Error.Code {
	case jsonrpc.CodeVersion:
		var data rawjson.Object
		if data, _ = rawjson.ParseObject(reply.Error.Data); data != nil {
			return choose(data.Get("supported"))
		}
		return legacy
	case jsonrpc.CodeHeaderMismatch, jsonrpc.CodeMissingCapability:
		return &Era{Modern: true, Version: Modern}
	case jsonrpc.CodeMethodNotFound:
		if status == http.StatusNotFound {
			return &Era{Modern: true, Version: Modern}
		}
	}
	return legacy
}

// choose picks the best version that both speak; a list without a modern one means
// the initialize handshake.
func choose(list json.RawMessage) *Era {
	var versions []string
	if json.Unmarshal(list, &versions) != nil {
		return &Era{Version: LatestLegacy}
	}
	for _, v := range ModernVersions {
		if slices.Contains(versions, v) {
			return &Era{Modern: true, Version: v, Both: slices.ContainsFunc(LegacyVersions, func(v string) bool { return slices.Contains(versions, v) })}
		}
	}
	for _, v := range LegacyVersions {
		if slices.Contains(versions, v) {
			return &Era{Version: v}
		}
	}
	return &Era{Version: LatestLegacy}
}
