package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/mcp/rawjson"
)

// Call is a request that the gateway makes itself, in whichever era the server speaks.
type Call struct {
	Target
	Method string
	Params json.RawMessage // without what the gateway adds to _meta; nil: none
	// Name is what Mcp-Name repeats, for the methods that have it.
	Name    string
	HasName bool
	// Capabilities are those that the caller declared on this request; nil: none.
	// Legacy servers are never told any: their requests could not be passed on.
	Capabilities json.RawMessage
	LogLevel     json.RawMessage // modern servers only
	Header       http.Header     // Mcp-Param-*, traceparent and allow-listed headers
	// Notification gets what the server says before the result; an error of it ends
	// the call. May be nil.
	Notification func(raw []byte, m *jsonrpc.Message) error
	// ModernOnly makes the header Mcp-Param-* for the server's schema; called before a
	// modern request is sent. May be nil.
	ParamHeaders func(ctx context.Context) http.Header
}

var lastID atomic.Int64

// Call makes the request and reads the answer. A *problem.Problem tells why there is none.
func (c *Client) Call(ctx context.Context, call *Call) (*Reply, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Limits.CallTimeout, ErrTimeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		era, err := c.Era(ctx, call.Target)
		if err != nil {
			return nil, err
		}
		var r *Reply
		if era.Modern {
			r, err = c.callModern(ctx, call, era)
		} else {
			r, err = c.callLegacy(ctx, call, era)
		}
		if attempt == 0 && otherEra(era, r, err) {
			c.Forget(ctx, call.Record)
			continue
		}
		if r != nil {
			r.Modern = era.Modern
		}
		return r, err
	}
}

// otherEra reports whether the answer says that the server does not speak the
// era that was remembered. Such an answer means that nothing was executed.
func otherEra(era *Era, r *Reply, err error) bool {
	if errors.Is(err, ErrEra) {
		return true
	}
	if r == nil || r.Error == nil {
		return false
	}
	if r.Error.Code == jsonrpc.CodeVersion {
		return true
	}
	return era.Modern && r.Status == http.StatusBadRequest && r.Error.Code > jsonrpc.CodeHeaderMismatch && r.Error.Code <= -32000
}

func (c *Client) callModern(ctx context.Context, call *Call, era *Era) (*Reply, error) {
	id := strconv.AppendInt(nil, lastID.Add(1), 10)
	body := jsonrpc.AppendRequest(nil, id, call.Method, c.modernParams(call.Params, era.Version, call.Capabilities, call.LogLevel))
	h := modernHeader(era.Version, call.Method, call.Name, call.HasName)
	maps.Copy(h, call.Header)
	if call.ParamHeaders != nil {
		maps.Copy(h, call.ParamHeaders(ctx))
	}
	resp, err := c.Send(ctx, call.Target, http.MethodPost, h, body)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if p := refused(resp.StatusCode); p != nil {
		return nil, p
	}
	return c.answer(ctx, resp, id, c.Limits.MaxResponse, func(raw []byte, m *jsonrpc.Message) error {
		if m.Kind == jsonrpc.Notification && call.Notification != nil {
			return call.Notification(raw, m)
		}
		return nil
	})
}

// refused are the statuses whose body does not matter.
func refused(status int) error {
	if status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests || status >= 300 && status < 400 {
		return Status(status)
	}
	return nil
}

// modernParams adds to params._meta what the stateless era asks for.
func (c *Client) modernParams(params json.RawMessage, version string, capabilities, logLevel json.RawMessage) json.RawMessage {
	o, _ := rawjson.ParseObject(params)
	meta, _ := rawjson.ParseObject(o.Get("_meta"))
	meta.SetText(jsonrpc.MetaProtocolVersion, version)
	if meta.Get(jsonrpc.MetaClientInfo) == nil {
		meta.Set(jsonrpc.MetaClientInfo, c.clientInfo)
	}
	if capabilities == nil {
		capabilities = json.RawMessage("{}")
	}
	meta.Set(jsonrpc.MetaClientCapabilities, capabilities)
	if logLevel != nil {
		meta.Set(jsonrpc.MetaLogLevel, logLevel)
	}
	o.Set("_meta", meta.Encode())
	return o.Encode()
}

func (c *Client) callLegacy(ctx context.Context, call *Call, era *Era) (*Reply, error) {
	for attempt := 0; ; attempt++ {
		s, err := c.session(ctx, call.Target, era.Version)
		if err != nil {
			return nil, err
		}
		r, gone, err := c.exchange(ctx, call, s)
		if gone {
			c.drop(call.Target, s)
			if attempt == 0 {
				continue
			}
		}
		return r, err
	}
}

// exchange makes one request in a session; gone means that the server no longer
// knows the session, and so has not executed the request.
func (c *Client) exchange(ctx context.Context, call *Call, s *session) (r *Reply, gone bool, err error) {
	id := s.requestID()
	params, token := ownProgressToken(legacyParams(call.Params), id)
	body := jsonrpc.AppendRequest(nil, id, call.Method, params)
	h := legacyHeader(s.version, s.id)
	for name, v := range call.Header {
		if !modernOnly(name) {
			h[name] = v
		}
	}
	left := false // the server may be at work, but nobody waits for the answer
	defer func() {
		if r == nil && (left || ctx.Err() != nil) {
			c.cancelled(ctx, call.Target, s, id)
		}
	}()
	resp, err := c.Send(ctx, call.Target, http.MethodPost, h, body)
	if err != nil {
		left = errors.Is(err, ErrTimeout)
		return nil, false, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNotFound && s.id != "" {
		return nil, true, Status(resp.StatusCode)
	}
	if err := refused(resp.StatusCode); err != nil {
		return nil, false, err
	}
	on := func(raw []byte, m *jsonrpc.Message) error {
		if m.Kind == jsonrpc.Request {
			return c.decline(ctx, call.Target, s, m)
		}
		if call.Notification == nil {
			return nil
		}
		err := call.Notification(callerProgressToken(raw, m, token), m)
		left = err != nil
		return err
	}
	r, err = c.answer(ctx, resp, id, c.Limits.MaxResponse, on)
	var broken *brokenStream
	for n := 0; errors.As(err, &broken) && broken.lastID != "" && n < c.Limits.MaxReconnect; n++ {
		r, err = c.resume(ctx, call, s, id, broken, on)
	}
	if broken != nil && errors.Is(err, ErrEnded) {
		err = ErrEnded
	}
	return r, false, err
}

func modernOnly(name string) bool {
	return len(name) > 10 && name[:10] == "Mcp-Param-"
}

// legacyParams removes from params._meta what only the stateless era knows.
func legacyParams(params json.RawMessage) json.RawMessage {
	if !bytes.Contains(params, []byte("io.modelcontextprotocol/")) {
		return params
	}
	o, err := rawjson.ParseObject(params)
	if err != nil {
		return params
	}
	meta, err := rawjson.ParseObject(o.Get("_meta"))
	if err != nil {
		return params
	}
	for _, name := range [...]string{jsonrpc.MetaProtocolVersion, jsonrpc.MetaClientCapabilities, jsonrpc.MetaClientInfo, jsonrpc.MetaLogLevel} {
		meta.Delete(name)
	}
	if len(meta) == 0 {
		o.Delete("_meta")
	} else {
		o.Set("_meta", meta.Encode())
	}
	return o.Encode()
}

// ownProgressToken puts the request's id in the place of the caller's progress token, which
// another request of the pooled session may have too. It answers the caller's, nil if there is none.
func ownProgressToken(params json.RawMessage, id []byte) (json.RawMessage, json.RawMessage) {
	if !bytes.Contains(params, []byte(`"progressToken"`)) {
		return params, nil
	}
	o, err := rawjson.ParseObject(params)
	if err != nil {
		return params, nil
	}
	meta, err := rawjson.ParseObject(o.Get("_meta"))
	if err != nil {
		return params, nil
	}
	token := meta.Get("progressToken")
	if token == nil {
		return params, nil
	}
	meta.Set("progressToken", id)
	o.Set("_meta", meta.Encode())
	return o.Encode(), token
}

// callerProgressToken is the way back, in a notification.
func callerProgressToken(raw []byte, m *jsonrpc.Message, token json.RawMessage) []byte {
	if token == nil || m.Method != "notifications/progress" {
		return raw
	}
	o, err := rawjson.ParseObject(m.Params)
	if err != nil {
		return raw
	}
	o.Set("progressToken", token)
	return jsonrpc.AppendRequest(nil, nil, m.Method, o.Encode())
}

// resume asks for the rest of a stream that the server broke off (SEP-1699).
func (c *Client) resume(ctx context.Context, call *Call, s *session, id []byte, broken *brokenStream, on incoming) (*Reply, error) {
	wait := time.NewTimer(time.Duration(broken.retry) * time.Millisecond)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return nil, Failed(ctx, ctx.Err())
	}
	h := legacyHeader(s.version, s.id)
	h["Accept"] = acceptStream
	h["Last-Event-Id"] = []string{broken.lastID}
	delete(h, "Content-Type")
	resp, err := c.Send(ctx, call.Target, http.MethodGet, h, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK || !IsSSE(resp.Header) {
		return nil, ErrEnded
	}
	retry := broken.retry
	r, err := c.stream(ctx, resp, id, c.Limits.MaxResponse, on)
	var again *brokenStream
	if errors.As(err, &again) {
		if again.lastID == "" {
			again.lastID = broken.lastID
		}
		if again.retry == 0 {
			again.retry = retry
		}
	}
	return r, err
}

// decline answers a request of the server: ping is answered, anything else is
// refused, since the gateway declared no capability for it.
func (c *Client) decline(ctx context.Context, t Target, s *session, m *jsonrpc.Message) error {
	ctx, cancel := context.WithCancel(ctx) // which may be that of a stream that stays for days
	defer cancel()
	var body []byte
	if m.Method == "ping" {
		body = jsonrpc.AppendResult(nil, m.ID, []byte("{}"))
	} else {
		body = jsonrpc.AppendError(nil, m.ID, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "The client does not support " + m.Method + "."})
	}
	resp, err := c.Send(ctx, t, http.MethodPost, legacyHeader(s.version, s.id), body)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	return nil
}

// cancelled tells a legacy server that nobody waits for this request any more:
// there, a closed connection does not mean that.
func (c *Client) cancelled(ctx context.Context, t Target, s *session, id []byte) {
	if c.Background == nil {
		return
	}
	params := rawjson.Object{}
	params.Set("requestId", id)
	body := jsonrpc.AppendRequest(nil, nil, "notifications/cancelled", params.Encode())
	c.Background(ctx, func(ctx context.Context) {
		resp, err := c.Send(ctx, t, http.MethodPost, legacyHeader(s.version, s.id), body)
		if err == nil {
			_ = resp.Body.Close()
		}
	})
}
