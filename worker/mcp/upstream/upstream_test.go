package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp/jsonrpc"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// server answers requests of the client under test.
type server func(r *http.Request, m *jsonrpc.Message) (*http.Response, error)

func (s server) Client(*registry.Record, *access.Principal) http.RoundTripper { return s }

func (s server) RoundTrip(r *http.Request) (*http.Response, error) {
	var m jsonrpc.Message
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if e := jsonrpc.Scan(b, &m); e != nil {
			return nil, e
		}
	}
	return s(r, &m)
}

func reply200(body string) (*http.Response, error) { return response(200, "application/json", body) }

func response(status int, kind, body string) (*http.Response, error) {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func result(m *jsonrpc.Message, result string) (*http.Response, error) {
	return reply200(`{"jsonrpc":"2.0","id":` + string(m.ID) + `,"result":` + result + `}`)
}

func newClient(t *testing.T, s server) (*Client, Target) {
	t.Helper()
	p := memory.New(nil)
	t.Cleanup(p.Wait)
	return newClientOn(p, s)
}

func newClientOn(p *memory.Platform, s server) (*Client, Target) {
	c := New(Config{Credentials: s, KV: p.KV(platform.Config), Background: p.Background, Log: slog.New(slog.DiscardHandler), Limits: DefaultLimits, Version: "test"})
	return c, Target{Record: &registry.Record{ServerID: "id", Slug: "s", Version: 1, URL: "https://mcp.example.com/mcp"}, Caller: &access.Principal{ID: "key:1"}}
}

// TestEraByDiscover is the table of answers to server/discover (reference: SEP-2575 and what the SDKs do).
func TestEraByDiscover(t *testing.T) {
	discover := func(versions string) string {
		return `{"jsonrpc":"2.0","id":` + probeID + `,"result":{"supportedVersions":` + versions + `}}`
	}
	failure := func(code int, data string) string {
		return `{"jsonrpc":"2.0","id":` + probeID + `,"error":{"code":` + fmt.Sprint(code) + `,"message":"m","data":` + data + `}}`
	}
	for name, c := range map[string]struct {
		status  int
		kind    string
		body    string
		modern  bool
		version string
		problem string
	}{
		"modern":                       {200, "application/json", discover(`["2026-07-28"]`), true, "2026-07-28", ""},
		"modern in a stream":           {200, "text/event-stream", "data: " + discover(`["2026-07-28","2025-11-25"]`) + "\n\n", true, "2026-07-28", ""},
		"lists legacy versions only":   {200, "application/json", discover(`["2025-06-18","2025-11-25"]`), false, "2025-11-25", ""},
		"wants another version":        {400, "application/json", failure(-32022, `{"supported":["2025-06-18"]}`), false, "2025-06-18", ""},
		"wants another modern version": {400, "application/json", failure(-32022, `{"supported":["2026-07-28"]}`), true, "2026-07-28", ""},
		"header mismatch":              {400, "application/json", failure(-32020, `null`), true, "2026-07-28", ""},
		"capability missing":           {400, "application/json", failure(-32021, `null`), true, "2026-07-28", ""},
		"method absent":                {404, "application/json", failure(-32601, `null`), true, "2026-07-28", ""},
		"not initialized":              {400, "application/json", `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}`, false, "2025-11-25", ""},
		"empty 400":                    {400, "text/plain", "", false, "2025-11-25", ""},
		"text 404":                     {404, "text/plain", "not found", false, "2025-11-25", ""},
		"method absent with 200":       {200, "application/json", failure(-32601, `null`), false, "2025-11-25", ""},
		"unauthorized":                 {401, "text/plain", "", false, "", "upstream_unauthorized"},
		"forbidden":                    {403, "text/plain", "", false, "", "upstream_forbidden"},
		"redirect":                     {302, "text/plain", "", false, "", "upstream_redirect"},
		"failing":                      {503, "text/html", "<html>", false, "", "upstream_status"},
		"not MCP":                      {200, "text/html", "<html>", false, "", "upstream_protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			probes := 0
			p := memory.New(nil)
			client, target := newClientOn(p, func(r *http.Request, m *jsonrpc.Message) (*http.Response, error) {
				probes++
				assert.Equal(t, "server/discover", m.Method)
				assert.Equal(t, "2026-07-28", r.Header.Get("Mcp-Protocol-Version"))
				return response(c.status, c.kind, c.body)
			})
			era, err := client.Era(t.Context(), target)
			if c.problem != "" {
				require.Error(t, err)
				assert.Equal(t, c.problem, problem.From(err).Code)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.modern, era.Modern)
			assert.Equal(t, c.version, era.Version)
			_, err = client.Era(t.Context(), target)
			require.NoError(t, err)
			assert.Equal(t, 1, probes, "remembered")
			p.Wait()
			client.Forget(t.Context(), target.Record)
			_, err = client.Era(t.Context(), target)
			require.NoError(t, err)
			assert.Equal(t, 2, probes, "probed again")
			p.Wait()
		})
	}
}

func TestEraIsFoundInKV(t *testing.T) {
	p := memory.New(nil)
	probes := 0
	instance := func() *Client {
		return New(Config{Credentials: server(func(_ *http.Request, m *jsonrpc.Message) (*http.Response, error) {
			probes++
			return result(m, `{"supportedVersions":["2026-07-28"],"capabilities":{}}`)
		}), KV: p.KV(platform.Config), Background: p.Background, Log: slog.New(slog.DiscardHandler), Limits: DefaultLimits})
	}
	target := Target{Record: &registry.Record{ServerID: "id", Version: 1, URL: "https://mcp.example.com/"}, Caller: &access.Principal{ID: "a"}}
	for range 2 {
		_, err := instance().Era(t.Context(), target)
		require.NoError(t, err)
		p.Wait()
	}
	assert.Equal(t, 1, probes, "another instance knows it")
	edited := *target.Record
	edited.Version = 2
	_, err := instance().Era(t.Context(), Target{Record: &edited, Caller: target.Caller})
	require.NoError(t, err)
	assert.Equal(t, 2, probes, "an edit of the record makes it unknown")
	p.Wait()
}

// legacyServer is a server of the session era.
func legacyServer(t *testing.T, sessions *atomic.Int64, call server) server {
	return func(r *http.Request, m *jsonrpc.Message) (*http.Response, error) {
		switch m.Method {
		case "server/discover":
			return response(400, "application/json", `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Server not initialized"}}`)
		case "initialize":
			assert.Empty(t, r.Header.Get("Mcp-Session-Id"))
			resp, err := result(m, `{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}}`)
			resp.Header.Set("Mcp-Session-Id", fmt.Sprintf("s%d", sessions.Add(1)))
			return resp, err
		case "notifications/initialized":
			assert.NotEmpty(t, r.Header.Get("Mcp-Session-Id"))
			assert.Equal(t, "2025-06-18", r.Header.Get("Mcp-Protocol-Version"))
			return response(202, "", "")
		}
		return call(r, m)
	}
}

func TestSessionsArePooledPerCallerAndReopened(t *testing.T) {
	var sessions, calls atomic.Int64
	dead := map[string]bool{}
	var mu sync.Mutex
	client, target := newClient(t, legacyServer(t, &sessions, func(r *http.Request, m *jsonrpc.Message) (*http.Response, error) {
		calls.Add(1)
		mu.Lock()
		defer mu.Unlock()
		if dead[r.Header.Get("Mcp-Session-Id")] {
			return response(404, "text/plain", "session not found")
		}
		return result(m, `{}`)
	}))
	call := func(who string) error {
		_, err := client.Call(t.Context(), &Call{Target: Target{target.Record, &access.Principal{ID: who}}, Method: "tools/list"})
		return err
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { assert.NoError(t, call("a")) })
	}
	wg.Wait()
	assert.EqualValues(t, 1, sessions.Load(), "one session for a burst")
	require.NoError(t, call("b"))
	assert.EqualValues(t, 2, sessions.Load(), "callers share no session")
	mu.Lock()
	dead["s1"] = true
	mu.Unlock()
	require.NoError(t, call("a"))
	assert.EqualValues(t, 3, sessions.Load(), "a session that the server forgot is opened again")
}

func TestPoolIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sessions atomic.Int64
		client, target := newClient(t, legacyServer(t, &sessions, func(_ *http.Request, m *jsonrpc.Message) (*http.Response, error) { return result(m, `{}`) }))
		client.Limits.MaxSessions = 2
		for _, who := range []string{"a", "b", "c", "a", "c"} { // c drives out a, and a drives out b
			_, err := client.Call(t.Context(), &Call{Target: Target{target.Record, &access.Principal{ID: who}}, Method: "tools/list"})
			require.NoError(t, err)
			assert.LessOrEqual(t, len(client.sessions.byKey), 2)
			time.Sleep(time.Second)
		}
		assert.EqualValues(t, 4, sessions.Load())
		time.Sleep(client.Limits.SessionLife)
		_, err := client.Call(t.Context(), &Call{Target: Target{target.Record, &access.Principal{ID: "c"}}, Method: "tools/list"})
		require.NoError(t, err)
		assert.EqualValues(t, 5, sessions.Load(), "an idle session ends")
	})
}

func TestStreamThatNeverEndsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sessions, looks atomic.Int64
		client, target := newClient(t, legacyServer(t, &sessions, func(*http.Request, *jsonrpc.Message) (*http.Response, error) {
			looks.Add(1)
			return response(200, "text/event-stream", "id: e1\nretry: 500\ndata:\n\n")
		}))
		_, err := client.Call(t.Context(), &Call{Target: target, Method: "tools/call"})
		assert.ErrorIs(t, err, ErrEnded)
		assert.EqualValues(t, 1+client.Limits.MaxReconnect, looks.Load())
	})
}

func TestLegacyStream(t *testing.T) {
	var sessions, answers atomic.Int64
	client, target := newClient(t, legacyServer(t, &sessions, func(r *http.Request, m *jsonrpc.Message) (*http.Response, error) {
		if m.Kind == jsonrpc.Response {
			answers.Add(1)
			switch string(m.ID) {
			case "91":
				assert.JSONEq(t, `{}`, string(m.Result), "a ping is answered")
			case "92":
				assert.Contains(t, string(m.Error), "-32601", "what the gateway cannot ask its caller is refused")
			}
			return response(202, "", "")
		}
		id := string(m.ID)
		assert.Equal(t, id, string(m.ProgressToken), "a token of its own in a pooled session")
		assert.NotContains(t, string(m.Params), "io.modelcontextprotocol/")
		return response(200, "text/event-stream", `data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":`+id+`,"progress":1}}`+"\n\n"+
			`data: {"jsonrpc":"2.0","id":91,"method":"ping"}`+"\n\n"+`data: {"jsonrpc":"2.0","id":92,"method":"elicitation/create","params":{}}`+"\n\n"+
			`data: {"jsonrpc":"2.0","id":`+id+`,"result":{"ok":true}}`+"\n\n")
	}))
	var told []string
	reply, err := client.Call(t.Context(), &Call{Target: target, Method: "tools/call",
		Params:       json.RawMessage(`{"name":"x","_meta":{"progressToken":"mine","io.modelcontextprotocol/protocolVersion":"2026-07-28"}}`),
		Notification: func(raw []byte, _ *jsonrpc.Message) error { told = append(told, string(raw)); return nil }})
	require.NoError(t, err)
	assert.JSONEq(t, `{"ok":true}`, string(reply.Result))
	assert.False(t, reply.Modern)
	require.Len(t, told, 1)
	assert.JSONEq(t, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"mine","progress":1}}`, told[0])
	assert.EqualValues(t, 2, answers.Load())
}

func TestBrokenLegacyStreamIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sessions atomic.Int64
		var id string
		client, target := newClient(t, legacyServer(t, &sessions, func(r *http.Request, m *jsonrpc.Message) (*http.Response, error) {
			if r.Method == http.MethodPost {
				id = string(m.ID)
				return response(200, "text/event-stream", "id: e1\nretry: 500\ndata:\n\n")
			}
			assert.Equal(t, "e1", r.Header.Get("Last-Event-Id"))
			return response(200, "text/event-stream", `data: {"jsonrpc":"2.0","id":`+id+`,"result":{}}`+"\n\n")
		}))
		begin := time.Now()
		_, err := client.Call(t.Context(), &Call{Target: target, Method: "tools/call"})
		require.NoError(t, err)
		assert.Equal(t, 500*time.Millisecond, time.Since(begin), "the server's pause is kept to")
	})
}

func TestAnotherEraThanRemembered(t *testing.T) {
	modern := true
	client, target := newClient(t, func(r *http.Request, m *jsonrpc.Message) (*http.Response, error) {
		switch {
		case modern && m.Method == "server/discover":
			return result(m, `{"supportedVersions":["2026-07-28"]}`)
		case modern:
			return result(m, `{"era":"modern"}`)
		}
		var sessions atomic.Int64
		return legacyServer(t, &sessions, func(r *http.Request, m *jsonrpc.Message) (*http.Response, error) {
			if r.Header.Get("Mcp-Session-Id") == "" {
				return response(400, "application/json", `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no session"}}`)
			}
			return result(m, `{"era":"legacy"}`)
		})(r, m)
	})
	for _, want := range []string{"modern", "legacy"} {
		reply, err := client.Call(t.Context(), &Call{Target: target, Method: "tools/list"})
		require.NoError(t, err)
		assert.Contains(t, string(reply.Result), want)
		modern = false // the server is replaced by an older one
	}
}

// TestRefutedEraInKVIsNotBelieved: KV may answer an era after it was forgotten.
func TestRefutedEraInKVIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		modern := true
		p := memory.New(nil)
		probe := server(func(_ *http.Request, m *jsonrpc.Message) (*http.Response, error) {
			if modern {
				return result(m, `{"supportedVersions":["2026-07-28"]}`)
			}
			return response(400, "text/plain", "")
		})
		client, target := newClientOn(p, probe)
		era, err := client.Era(t.Context(), target)
		require.NoError(t, err)
		require.True(t, era.Modern)
		p.Wait()
		stale, err := client.KV.Get(t.Context(), kvEra+eraKey(target.Record))
		require.NoError(t, err)

		time.Sleep(time.Second)
		modern = false
		client.Forget(t.Context(), target.Record)
		require.NoError(t, client.KV.Put(t.Context(), kvEra+eraKey(target.Record), stale, eraTTL))
		era, err = client.Era(t.Context(), target)
		require.NoError(t, err)
		assert.False(t, era.Modern, "what was refuted is asked again")

		p.Wait()
		time.Sleep(client.Limits.EraLife)
		another, target := newClientOn(p, probe)
		modern = true
		_, err = another.Era(t.Context(), target)
		require.NoError(t, err)
		p.Wait()
		modern = false
		era, err = client.Era(t.Context(), target)
		require.NoError(t, err)
		assert.True(t, era.Modern, "what another instance found later is believed")
	})
}

// TestFailuresHaveTheirOwnCodes: a caller can tell what is wrong without an internal detail.
func TestFailuresHaveTheirOwnCodes(t *testing.T) {
	for code, want := range map[platform.Code]struct {
		code   string
		status int
	}{
		platform.CodeDNS: {"upstream_dns", 502}, platform.CodeTLS: {"upstream_tls", 502}, platform.CodeRefused: {"upstream_refused", 502},
		platform.CodeReset: {"upstream_unreachable", 502}, platform.CodeNet: {"upstream_unreachable", 502}, platform.CodeTimeout: {"upstream_timeout", 504},
	} {
		client, target := newClient(t, func(*http.Request, *jsonrpc.Message) (*http.Response, error) {
			return nil, &platform.Error{Op: "fetch", Code: code, Message: "10.0.0.7:443 secret detail"}
		})
		_, err := client.Call(t.Context(), &Call{Target: target, Method: "tools/list"})
		p := problem.From(err)
		assert.Equal(t, want.code, p.Code)
		assert.Equal(t, want.status, p.Status)
		assert.NotContains(t, p.Message, "10.0.0.7")
	}
	client, target := newClient(t, func(*http.Request, *jsonrpc.Message) (*http.Response, error) {
		return nil, problem.New(503, "idp_unavailable", "The authorization server does not answer.")
	})
	_, err := client.Call(t.Context(), &Call{Target: target, Method: "tools/list"})
	assert.Equal(t, "idp_unavailable", problem.From(err).Code, "the token engine's reason stays")
}

func TestHeadTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, target := newClient(t, func(r *http.Request, _ *jsonrpc.Message) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		rec := *target.Record
		rec.TimeoutSeconds = 1.5
		begin := time.Now()
		_, err := client.Send(t.Context(), Target{&rec, target.Caller}, "POST", http.Header{}, nil)
		assert.Equal(t, "upstream_timeout", problem.From(err).Code)
		assert.Equal(t, 1500*time.Millisecond, time.Since(begin))
		_, err = client.Send(t.Context(), target, "POST", http.Header{}, nil)
		assert.Equal(t, "upstream_timeout", problem.From(err).Code)
	})
}

func TestResponseLimit(t *testing.T) {
	for _, kind := range []string{"application/json", "text/event-stream"} {
		client, target := newClient(t, func(_ *http.Request, m *jsonrpc.Message) (*http.Response, error) {
			if m.Method == "server/discover" {
				return result(m, `{"supportedVersions":["2026-07-28"]}`)
			}
			return response(200, kind, `data: {"jsonrpc":"2.0","id":`+string(m.ID)+`,"result":{"x":"`+strings.Repeat("x", 5000)+`"}}`+"\n\n")
		})
		client.Limits.MaxResponse = 1000
		_, err := client.Call(t.Context(), &Call{Target: target, Method: "tools/list"})
		assert.Equal(t, "upstream_too_large", problem.From(err).Code, kind)
	}
}

func TestCallerWhoLeavesCancelsALegacyCall(t *testing.T) {
	var sessions atomic.Int64
	cancelled := make(chan string, 1)
	ctx, leave := context.WithCancel(t.Context())
	client, target := newClient(t, legacyServer(t, &sessions, func(r *http.Request, m *jsonrpc.Message) (*http.Response, error) {
		if m.Method == "notifications/cancelled" {
			cancelled <- string(m.Params)
			return response(202, "", "")
		}
		leave()
		pr, pw := io.Pipe()
		context.AfterFunc(r.Context(), func() { _ = pw.CloseWithError(errors.New("gone")) })
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: pr}, nil
	}))
	_, err := client.Call(ctx, &Call{Target: target, Method: "tools/call"})
	require.Error(t, err)
	assert.JSONEq(t, `{"requestId":1}`, <-cancelled)
}

// A server of the session era is told, too, when it takes too long to begin its answer, and when the client has left its own stream.
func TestALegacyCallThatNobodyWaitsForIsCancelled(t *testing.T) {
	for name, answer := range map[string]server{
		"no head in time": func(r *http.Request, _ *jsonrpc.Message) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
		"client left": func(*http.Request, *jsonrpc.Message) (*http.Response, error) {
			return response(200, "text/event-stream", `data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}`+"\n\n"+"data: {}\n\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sessions atomic.Int64
				cancelled := make(chan string, 1)
				client, target := newClient(t, legacyServer(t, &sessions, func(r *http.Request, m *jsonrpc.Message) (*http.Response, error) {
					if m.Method == "notifications/cancelled" {
						cancelled <- string(m.Params)
						return response(202, "", "")
					}
					return answer(r, m)
				}))
				left := errors.New("the client has left")
				_, err := client.Call(t.Context(), &Call{Target: target, Method: "tools/call", Notification: func([]byte, *jsonrpc.Message) error { return left }})
				require.Error(t, err)
				synctest.Wait()
				require.Len(t, cancelled, 1)
				assert.JSONEq(t, `{"requestId":1}`, <-cancelled)
			})
		})
	}
}

// TestPingsLeaveNothing: a stream of notifications may stay for days, and be asked every few seconds whether it is there.
func TestPingsLeaveNothing(t *testing.T) {
	var sessions atomic.Int64
	var answers []context.Context
	client, target := newClient(t, legacyServer(t, &sessions, func(r *http.Request, m *jsonrpc.Message) (*http.Response, error) {
		switch {
		case m.Kind == jsonrpc.Response:
			answers = append(answers, r.Context())
			return response(202, "", "")
		case r.Method == http.MethodGet:
			return response(200, "text/event-stream", strings.Repeat(`data: {"jsonrpc":"2.0","id":1,"method":"ping"}`+"\n\n", 3)+
				`data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`+"\n\n")
		}
		return response(202, "", "")
	}))
	heard := false
	err := client.Listen(t.Context(), &Listening{Target: target, OpenTimeout: time.Minute, Opened: func() {}, Heard: func([]byte, *jsonrpc.Message) error {
		heard = true
		require.Len(t, answers, 3)
		for _, ctx := range answers {
			assert.Error(t, ctx.Err(), "an answered ping keeps no context of the stream's")
		}
		return nil
	}})
	require.ErrorIs(t, err, ErrEnded)
	assert.True(t, heard)
}

// TestLongDescription: what a server says of itself is remembered, so it has a limit of its own.
func TestLongDescription(t *testing.T) {
	long := `"instructions":"` + strings.Repeat("x", maxDescription) + `"`
	for name, s := range map[string]server{
		"modern": func(_ *http.Request, m *jsonrpc.Message) (*http.Response, error) {
			return result(m, `{"supportedVersions":["2026-07-28"],`+long+`}`)
		},
		"modern, after a refusal": func() server {
			probes := 0
			return func(_ *http.Request, m *jsonrpc.Message) (*http.Response, error) {
				if probes++; probes == 1 {
					return response(400, "application/json", `{"jsonrpc":"2.0","id":`+string(m.ID)+`,"error":{"code":-32020,"message":"m"}}`)
				}
				return result(m, `{`+long+`}`)
			}
		}(),
		"session era": func(_ *http.Request, m *jsonrpc.Message) (*http.Response, error) {
			if m.Method == "initialize" {
				return result(m, `{"protocolVersion":"2025-06-18",`+long+`}`)
			}
			return response(404, "text/plain", "")
		},
	} {
		client, target := newClient(t, s)
		_, err := client.Describe(t.Context(), target)
		require.Error(t, err, name)
		assert.Equal(t, "upstream_too_large", problem.From(err).Code, name)
	}
}
