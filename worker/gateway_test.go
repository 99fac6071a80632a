package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker"
	"github.com/grantway/grantway/worker/platform/gocrypto"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/seal"
)

const adminKey = "bootstrap-key-of-the-test"

// world is a gateway with an identity provider and MCP servers around it.
type world struct {
	t       *testing.T
	gateway *httptest.Server
	mints   atomic.Int64
	tokens  *httptest.Server
	seen    atomic.Pointer[http.Header] // headers of the last upstream request
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	w.tokens = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if r.FormValue("grant_type") != "client_credentials" || id != "client-1" || secret != "secret-1" {
			rw.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(rw, `{"error":"invalid_client"}`)
			return
		}
		n := w.mints.Add(1)
		rw.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(rw, `{"access_token":"token-%d","token_type":"Bearer","expires_in":3600}`, n)
	}))
	t.Cleanup(w.tokens.Close)
	p := memory.New(map[string]string{
		"GRANTWAY_ADMIN_KEY":      adminKey,
		"GRANTWAY_SEALING_KEY":    seal.GenerateKey(),
		"GRANTWAY_ALLOW_LOOPBACK": "1",
	})
	p.Signer = &gocrypto.Crypto{}
	g := worker.New(p)
	p.Objects = g
	w.gateway = httptest.NewServer(g)
	t.Cleanup(w.gateway.Close)
	return w
}

// upstream starts an MCP server that wants a token of the identity provider.
func (w *world) upstream(stateless bool, versions ...string) string {
	s := sdk.NewServer(&sdk.Implementation{Name: "demo", Version: "1"}, &sdk.ServerOptions{SupportedProtocolVersions: versions, CompletionHandler: func(_ context.Context, r *sdk.CompleteRequest) (*sdk.CompleteResult, error) {
		return &sdk.CompleteResult{Completion: sdk.CompletionResultDetails{Values: []string{r.Params.Argument.Value + "!"}}}, nil
	}})
	s.AddPrompt(&sdk.Prompt{Name: "greet"}, func(_ context.Context, r *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
		return &sdk.GetPromptResult{Messages: []*sdk.PromptMessage{{Role: "user", Content: &sdk.TextContent{Text: "hi " + r.Params.Arguments["name"]}}}}, nil
	})
	s.AddResource(&sdk.Resource{Name: "readme", URI: "file:///readme"}, func(_ context.Context, r *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
		return &sdk.ReadResourceResult{Contents: []*sdk.ResourceContents{{URI: r.Params.URI, Text: "text"}}}, nil
	})
	type in struct {
		Text string `json:"text"`
	}
	sdk.AddTool(s, &sdk.Tool{Name: "slow"}, func(ctx context.Context, r *sdk.CallToolRequest, a in) (*sdk.CallToolResult, any, error) {
		for i := range 3 {
			if err := r.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: float64(i)}); err != nil {
				return nil, nil, err
			}
		}
		return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: a.Text}}}, nil, nil
	})
	sdk.AddTool(s, &sdk.Tool{Name: "echo", Description: "Repeats."}, func(_ context.Context, _ *sdk.CallToolRequest, a in) (*sdk.CallToolResult, any, error) {
		return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: a.Text}}}, nil, nil
	})
	h := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return s }, &sdk.StreamableHTTPOptions{Stateless: stateless})
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		header := r.Header.Clone()
		w.seen.Store(&header)
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer token-") {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(srv.Close)
	return srv.URL + "/mcp"
}

func (w *world) do(method, path, body string) (int, map[string]any) {
	w.t.Helper()
	r, err := http.NewRequest(method, w.gateway.URL+path, strings.NewReader(body))
	require.NoError(w.t, err)
	r.Header.Set("Authorization", "Bearer "+adminKey)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Cookie", "secret=cookie")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(w.t, err)
	defer func() { _ = resp.Body.Close() }()
	var out map[string]any
	b, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	if len(b) > 0 && b[0] == '{' {
		require.NoError(w.t, json.Unmarshal(b, &out), "%s", b)
	}
	return resp.StatusCode, out
}

// register creates an M2M server record and answers its id.
func (w *world) register(slug, url string) string {
	w.t.Helper()
	status, out := w.do("POST", "/v1/mcp/server", fmt.Sprintf(`{"server_name":%q,"slug":%q,"url":%q,"transport":"http","auth_type":"oauth2","oauth2_flow":"client_credentials",
		"client_id":"client-1","token_url":%q,"token_endpoint_auth_method":"client_secret_basic","credentials":{"client_secret":"secret-1"}}`, slug, slug, url, w.tokens.URL+"/token"))
	require.Equal(w.t, http.StatusCreated, status, "%v", out)
	return out["server_id"].(string)
}

// withKey adds the access key to a client's requests.
type withKey struct{}

func (withKey) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+adminKey)
	return http.DefaultTransport.RoundTrip(r)
}

func (w *world) connect(path string) *sdk.ClientSession { return w.connectAs(path, "", nil) }

func (w *world) connectAs(path, version string, opts *sdk.ClientOptions) *sdk.ClientSession {
	w.t.Helper()
	c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, opts)
	s, err := c.Connect(w.t.Context(), &sdk.StreamableClientTransport{Endpoint: w.gateway.URL + path, HTTPClient: &http.Client{Transport: withKey{}}}, &sdk.ClientSessionOptions{ProtocolVersion: version})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestMainJob(t *testing.T) {
	for _, era := range []struct {
		name      string
		stateless bool
	}{{"stateless", true}, {"sessions", false}} {
		t.Run(era.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.register("demo", w.upstream(era.stateless))

			status, out := w.do("GET", "/mcp-rest/tools/list?server_id="+id, "")
			require.Equal(t, http.StatusOK, status, "%v", out)
			tools := out["tools"].([]any)
			require.Len(t, tools, 2)
			assert.Equal(t, "echo", tools[0].(map[string]any)["name"])
			assert.Equal(t, id, tools[0].(map[string]any)["mcp_info"].(map[string]any)["server_id"])

			status, out = w.do("POST", "/mcp-rest/tools/call", fmt.Sprintf(`{"server_id":%q,"name":"echo","arguments":{"text":"hello"}}`, id))
			require.Equal(t, http.StatusOK, status, "%v", out)
			assert.Equal(t, "hello", out["content"].([]any)[0].(map[string]any)["text"])

			for _, path := range []string{"/mcp/demo", "/demo/mcp"} {
				s := w.connect(path)
				list, err := s.ListTools(t.Context(), nil)
				require.NoError(t, err)
				require.Len(t, list.Tools, 2)
				res, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "through"}})
				require.NoError(t, err)
				assert.Equal(t, "through", res.Content[0].(*sdk.TextContent).Text)
			}
			assert.EqualValues(t, 1, w.mints.Load(), "one token serves every request")
			seen := *w.seen.Load()
			assert.Equal(t, "Bearer token-1", seen.Get("Authorization"))
			assert.Empty(t, seen.Get("Cookie"))
			assert.Empty(t, seen.Get("X-Grantway-Key"))
		})
	}
}

// TestEras lets a client of each era use everything of a server of each era, on the
// server's own endpoint and on the aggregate one.
func TestEras(t *testing.T) {
	servers := map[string]func(*world) string{
		"modern only":     func(w *world) string { return w.upstream(true, "2026-07-28") },
		"both, stateless": func(w *world) string { return w.upstream(true) },
		"sessions":        func(w *world) string { return w.upstream(false) },
		"legacy only":     func(w *world) string { return w.upstream(false, "2025-06-18") },
	}
	for name, start := range servers {
		for _, version := range []string{"2026-07-28", "2025-11-25", "2025-06-18"} {
			for _, path := range []string{"/mcp/demo", "/mcp"} {
				t.Run(name+" "+version+" "+path, func(t *testing.T) {
					w := newWorld(t)
					w.register("demo", start(w))
					prefix, uri := "", "file:///readme"
					if path == "/mcp" {
						prefix, uri = "demo__", "grantway:demo/file:///readme"
					}
					progress := make(chan float64, 10)
					s := w.connectAs(path, version, &sdk.ClientOptions{ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) { progress <- r.Params.Progress }})
					tools, err := s.ListTools(t.Context(), nil)
					require.NoError(t, err)
					require.Len(t, tools.Tools, 2)
					assert.Equal(t, prefix+"echo", tools.Tools[0].Name)
					params := &sdk.CallToolParams{Name: prefix + "slow", Arguments: map[string]any{"text": "x"}}
					params.SetProgressToken("token")
					res, err := s.CallTool(t.Context(), params)
					require.NoError(t, err)
					assert.Equal(t, "x", res.Content[0].(*sdk.TextContent).Text)
					prompt, err := s.GetPrompt(t.Context(), &sdk.GetPromptParams{Name: prefix + "greet", Arguments: map[string]string{"name": "you"}})
					require.NoError(t, err)
					assert.Equal(t, "hi you", prompt.Messages[0].Content.(*sdk.TextContent).Text)
					resources, err := s.ListResources(t.Context(), nil)
					require.NoError(t, err)
					assert.Equal(t, uri, resources.Resources[0].URI)
					content, err := s.ReadResource(t.Context(), &sdk.ReadResourceParams{URI: uri})
					require.NoError(t, err)
					assert.Equal(t, uri, content.Contents[0].URI)
					done, err := s.Complete(t.Context(), &sdk.CompleteParams{Ref: &sdk.CompleteReference{Type: "ref/prompt", Name: prefix + "greet"}, Argument: sdk.CompleteParamsArgument{Name: "name", Value: "a"}})
					require.NoError(t, err)
					assert.Equal(t, []string{"a!"}, done.Completion.Values)
					// The SDK runs its handler beside the call, in any order.
					assert.ElementsMatch(t, []float64{0, 1, 2}, []float64{<-progress, <-progress, <-progress})
				})
			}
		}
	}
}

func TestHealthAndTests(t *testing.T) {
	for _, stateless := range []bool{true, false} {
		w := newWorld(t)
		url := w.upstream(stateless)
		id := w.register("demo", url)
		status, out := w.do("GET", "/v1/mcp/server/"+id+"/health", "")
		require.Equal(t, http.StatusOK, status, "%v", out)
		assert.Equal(t, "ok", out["status"], "%v", out)
		assert.EqualValues(t, 2, out["tool_count"])
		assert.Len(t, out["steps"], 3)
		mints := w.mints.Load()

		body := fmt.Sprintf(`{"server_name":"x","slug":"x","url":%q,"transport":"http","auth_type":"oauth2","oauth2_flow":"client_credentials",
			"client_id":"client-1","token_url":%q,"token_endpoint_auth_method":"client_secret_basic","allowed_tools":[],"credentials":{"client_secret":"secret-1"}}`, url, w.tokens.URL+"/token")
		status, out = w.do("POST", "/mcp-rest/test/connection", body)
		require.Equal(t, http.StatusOK, status, "%v", out)
		assert.Equal(t, "ok", out["status"])
		assert.Nil(t, out["error"])
		status, out = w.do("POST", "/mcp-rest/test/tools/list", body)
		require.Equal(t, http.StatusOK, status, "%v", out)
		assert.Len(t, out["tools"], 2, "all tools, whatever is allowed")
		assert.Equal(t, mints+2, w.mints.Load(), "a test uses a token of its own each time")

		status, out = w.do("POST", "/mcp-rest/test/connection", strings.Replace(body, "secret-1", "wrong", 1))
		assert.GreaterOrEqual(t, status, 400)
		assert.Equal(t, "error", out["status"])
		assert.NotEmpty(t, out["error"].(map[string]any)["code"])
		assert.NotContains(t, fmt.Sprint(out), "wrong")

		status, out = w.do("POST", "/mcp-rest/test/connection", strings.Replace(body, url, "http://127.0.0.1:1/mcp", 1))
		assert.Equal(t, http.StatusBadGateway, status)
		assert.Equal(t, false, out["steps"].([]any)[1].(map[string]any)["ok"], "%v", out)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	w.register("demo", w.upstream(true))
	for name, c := range map[string]struct {
		header http.Header
		body   string
		status int
		code   string
	}{
		"body":         {nil, strings.Repeat(" ", 4<<20+1), http.StatusRequestEntityTooLarge, "body_too_large"},
		"headers":      {http.Header{"X-Long": {strings.Repeat("x", 64<<10)}}, `{}`, http.StatusRequestHeaderFieldsTooLarge, "headers_too_large"},
		"no key":       {http.Header{"Authorization": {"Bearer wrong"}}, `{}`, http.StatusUnauthorized, ""},
		"media type":   {http.Header{"Content-Type": {"text/plain"}}, `{}`, http.StatusUnsupportedMediaType, "unsupported_media_type"},
		"accept":       {http.Header{"Accept": {"text/html"}}, `{}`, http.StatusNotAcceptable, "not_acceptable"},
		"other origin": {http.Header{"Origin": {"https://evil.example.com"}}, `{}`, http.StatusForbidden, "origin_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/mcp/demo", "/mcp"} {
				r, err := http.NewRequest("POST", w.gateway.URL+path, strings.NewReader(c.body))
				require.NoError(t, err)
				r.Header.Set("Authorization", "Bearer "+adminKey)
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Accept", "application/json, text/event-stream")
				for name, v := range c.header {
					r.Header[name] = v
				}
				resp, err := http.DefaultClient.Do(r)
				require.NoError(t, err)
				b, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, c.status, resp.StatusCode)
				if c.code != "" {
					assert.Contains(t, string(b), `"code":"`+c.code+`"`)
				}
			}
		})
	}
}

func TestBrowsers(t *testing.T) {
	w := newWorld(t)
	w.register("demo", w.upstream(true))
	r, err := http.NewRequest("OPTIONS", w.gateway.URL+"/mcp/demo", nil)
	require.NoError(t, err)
	r.Header.Set("Origin", "http://localhost:6274")
	r.Header.Set("Access-Control-Request-Headers", "mcp-param-region, x-other")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusNoContent, resp.StatusCode)
	assert.Equal(t, "http://localhost:6274", resp.Header.Get("Access-Control-Allow-Origin"))
	assert.Contains(t, resp.Header.Get("Access-Control-Allow-Headers"), "mcp-param-region")
	assert.NotContains(t, resp.Header.Get("Access-Control-Allow-Headers"), "x-other")
	for _, name := range []string{"Authorization", "X-Grantway-Key", "X-Litellm-Api-Key", "X-Grantway-Servers", "X-Mcp-Servers"} { // every way to say who calls, and whom
		assert.Contains(t, resp.Header.Get("Access-Control-Allow-Headers"), name)
	}
}
