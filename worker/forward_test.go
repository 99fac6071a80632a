package worker_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/seal"
)

// recording is a network that keeps the last request that was not for a token.
type recording struct {
	mu      sync.Mutex
	sent    *http.Request
	session string // that servers answer with, if they have any
	modern  bool   // servers refuse legacy clients
}

func (n *recording) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	body := `{"access_token":"token-1","token_type":"Bearer","expires_in":3600}`
	if !strings.HasSuffix(r.URL.Path, "/token") {
		body = `{"jsonrpc":"2.0","id":1,"result":{}}`
		n.sent = r.Clone(r.Context())
		if r.Body != nil {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			n.sent.Body = io.NopCloser(bytes.NewReader(b))
		}
	}
	status := http.StatusOK
	switch method := r.Header.Get("Mcp-Method"); {
	case n.modern && method == "server/discover":
		body = `{"jsonrpc":"2.0","id":"grantway-discover","result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}`
	case n.modern && method == "" && !strings.HasSuffix(r.URL.Path, "/token"):
		status = http.StatusBadRequest
	}
	header := http.Header{"Content-Type": {"application/json"}, "X-Of-The-Server": {"1"}}
	if n.session != "" {
		header.Set("Mcp-Session-Id", n.session)
	}
	return &http.Response{
		StatusCode: status, Header: header,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

// forwarding is a gateway with one server of each kind, all of them called once.
type forwarding struct {
	t       testing.TB
	gateway *worker.Gateway
	network *recording
	key     string
}

func newForwarding(t testing.TB) *forwarding {
	p := memory.New(map[string]string{
		"GRANTWAY_ADMIN_KEY": adminKey, "GRANTWAY_SEALING_KEY": seal.GenerateKey(), "GRANTWAY_ALLOW_LOOPBACK": "true",
	})
	f := &forwarding{t: t, network: &recording{}}
	p.Transport = f.network
	f.gateway = worker.New(p)
	p.Objects = f.gateway
	for name, more := range map[string]string{
		"m2m":        `,"auth_type":"oauth2","oauth2_flow":"client_credentials","client_id":"c","token_url":"http://127.0.0.1:1/token","credentials":{"client_secret":"s"}`,
		"static":     `,"auth_type":"api_key","credentials":{"auth_value":"k"},"static_headers":{"X-Fixed":"1"}`,
		"overriding": `,"auth_type":"none","static_headers":{"User-Agent":"own"}`,
		"listing":    `,"auth_type":"none","forward_headers":["X-Own"]`,
		"restricted": `,"auth_type":"none","disallowed_tools":["echo"]`,
		"narrow":     `,"auth_type":"none","max_concurrent_requests":1`,
		"off":        `,"auth_type":"none","disabled":true`,
		"escaped":    `,"auth_type":"none","alias":"other"`,
	} {
		url := "http://127.0.0.1:1/mcp"
		if name == "escaped" {
			url = "http://127.0.0.1:1/a%20b/mcp?x=a/b"
		}
		w := f.do(adminKey, "POST", "/v1/mcp/server", `{"server_name":"`+name+`","transport":"http","url":"`+url+`"`+more+`}`, nil)
		require.Equal(t, http.StatusCreated, w.Code, "%s: %s", name, w.Body)
	}
	w := f.do(adminKey, "POST", "/v1/keys", `{"name":"caller","role":"caller","all_servers":true,"requests_per_minute":1000000}`, nil)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	var created struct {
		Key string `json:"key"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &created))
	f.key = created.Key
	for _, name := range []string{"m2m", "static", "overriding", "listing", "restricted", "narrow", "off", "escaped"} {
		f.do(f.key, "POST", "/mcp/"+name, echoCall, nil)
	}
	return f
}

const echoCall = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":1},"_meta":{` +
	`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`

// headers of a call of the tool echo.
func echoHeaders(key string) [][2]string {
	return [][2]string{
		{"Authorization", "Bearer " + key}, {"Content-Type", "application/json"}, {"Accept", "application/json, text/event-stream"},
		{"MCP-Protocol-Version", "2026-07-28"}, {"Mcp-Method", "tools/call"}, {"Mcp-Name", "echo"}, {"X-Request-Id", "r-1"},
	}
}

func (f *forwarding) do(key, method, path, body string, headers [][2]string) *httptest.ResponseRecorder {
	if headers == nil {
		headers = echoHeaders(key)
	}
	r := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
	for _, h := range headers {
		r.Header.Add(h[0], h[1])
	}
	w := httptest.NewRecorder()
	f.gateway.ServeHTTP(w, r)
	return w
}

func (f *forwarding) forward(path, body string, headers [][2]string) (platform.Forwarding, bool) {
	head := platform.Head{Method: "POST", URL: "http://127.0.0.1" + path, Body: []byte(body)}
	for _, h := range headers {
		head.Fields = append(head.Fields, platform.Field{Name: h[0], Value: h[1]})
	}
	var out platform.Forwarding
	ok := f.gateway.Forward(&head, &out)
	return out, ok
}

// same checks that forwarding sends what ServeHTTP sends, and answers with the same headers.
func (f *forwarding) same(path, body string, headers [][2]string, out platform.Forwarding) {
	t := f.t
	f.network.sent = nil
	w := f.do("", "POST", path, body, headers)
	require.NotNil(t, f.network.sent, "ServeHTTP sent nothing: %d %s", w.Code, w.Body)
	sent := f.network.sent
	assert.Equal(t, sent.Method, out.Method)
	assert.Equal(t, sent.URL.String(), out.URL)
	got := http.Header{}
	for _, h := range append(out.Header, out.Secret) {
		if h.Name != "" {
			got.Add(h.Name, h.Value)
		}
	}
	assert.Equal(t, sent.Header, got)
	raw, err := io.ReadAll(sent.Body)
	require.NoError(t, err)
	assert.Equal(t, body, string(raw))
	require.Equal(t, http.StatusOK, w.Code)
	reply := http.Header{"Content-Type": {"application/json"}}
	for _, h := range out.Reply {
		reply.Add(h.Name, h.Value)
	}
	swapped := f.network.session != "" && out.Swap.Name == "mcp-session-id"
	if swapped {
		assert.Equal(t, f.network.session, out.Swap.Theirs)
		reply.Add(out.Swap.Name, out.Swap.Ours)
	}
	assert.Equal(t, w.Header(), reply)
	for name := range maps.Keys(w.Header()) {
		passed := slices.Contains(strings.Split(out.Pass, ","), strings.ToLower(name))
		added := slices.ContainsFunc(out.Reply, func(h platform.Field) bool { return h.Name == name })
		assert.True(t, passed || added || swapped && name == "Mcp-Session-Id", name)
	}
}

func TestForwardedAsServed(t *testing.T) {
	f := newForwarding(t)
	with := func(more ...[2]string) [][2]string { return append(echoHeaders(f.key), more...) }
	for name, c := range map[string]struct {
		path    string
		headers [][2]string
	}{
		"OAuth":                      {"/mcp/m2m", with()},
		"static credential":          {"/mcp/static", with()},
		"a URL with escapes":         {"/mcp/escaped", with()},
		"by alias":                   {"/mcp/other", with()},
		"trace context":              {"/mcp/m2m", with([2]string{"Traceparent", "00-1-2-01"}, [2]string{"baggage", "a=b"})},
		"headers that stay here":     {"/mcp/m2m", with([2]string{"Cookie", "a=b"}, [2]string{"X-Own", "1"}, [2]string{"User-Agent", "x"})},
		"the key in another header":  {"/mcp/m2m", append(echoHeaders("")[1:], [2]string{"x-grantway-key", f.key})},
		"names in whatever case":     {"/mcp/m2m", [][2]string{{"AUTHORIZATION", "bearer " + f.key}, {"content-type", "application/json"}, {"ACCEPT", "application/json, text/event-stream"}, {"mcp-protocol-version", "2026-07-28"}, {"MCP-METHOD", "tools/call"}, {"mcp-name", "echo"}, {"x-REQUEST-id", "r-1"}}},
		"one of few slots, released": {"/mcp/narrow", with()},
	} {
		t.Run(name, func(t *testing.T) {
			f.t = t
			f.do(f.key, "POST", c.path, echoCall, nil)
			out, ok := f.forward(c.path, echoCall, c.headers)
			require.True(t, ok)
			out.Forwarded.Kept()
			f.same(c.path, echoCall, c.headers, out)
		})
	}
}

func TestNotForwarded(t *testing.T) {
	f := newForwarding(t)
	with := func(name, value string) [][2]string {
		out := slices.DeleteFunc(echoHeaders(f.key), func(h [2]string) bool { return strings.EqualFold(h[0], name) })
		if value == "" {
			return out
		}
		return append(out, [2]string{name, value})
	}
	add := func(name, value string) [][2]string { return append(echoHeaders(f.key), [2]string{name, value}) }
	for name, c := range map[string]struct {
		path, body string
		headers    [][2]string
	}{
		"a browser":                      {"", "", add("Origin", "http://127.0.0.1")},
		"a session":                      {"", "", add("Mcp-Session-Id", "s")},
		"an argument in a header":        {"", "", add("Mcp-Param-A", "1")},
		"a header twice":                 {"", "", add("mcp-name", "echo")},
		"two keys":                       {"", "", add("X-Grantway-Key", f.key)},
		"an unknown key":                 {"", "", with("Authorization", "Bearer gw_"+strings.Repeat("A", 49))},
		"no key":                         {"", "", with("Authorization", "")},
		"another media type":             {"", "", with("Content-Type", "text/plain")},
		"no stream accepted":             {"", "", with("Accept", "application/json")},
		"no version":                     {"", "", with("Mcp-Protocol-Version", "")},
		"an old version":                 {"", "", with("Mcp-Protocol-Version", "2025-06-18")},
		"another version than the body":  {"", "", with("Mcp-Protocol-Version", "2027-01-01")},
		"another method than the body":   {"", "", with("Mcp-Method", "tools/list")},
		"another name than the body":     {"", "", with("Mcp-Name", "other")},
		"long headers":                   {"", "", add("X-Long", strings.Repeat("x", 65<<10))},
		"a list":                         {"", strings.Replace(echoCall, "tools/call", "tools/list", 1), with("Mcp-Method", "tools/list")},
		"a notification":                 {"", strings.Replace(echoCall, `"id":1,`, "", 1), nil},
		"a batch":                        {"", "[" + echoCall + "]", nil},
		"no JSON":                        {"", echoCall[1:], nil},
		"a member twice":                 {"", strings.Replace(echoCall, `"id":1`, `"id":1,"id":2`, 1), nil},
		"a server that is unknown":       {"/mcp/nobody", "", nil},
		"a server that is disabled":      {"/mcp/off", "", nil},
		"all servers":                    {"/mcp", "", nil},
		"several servers":                {"/mcp/m2m,static", "", nil},
		"a query":                        {"/mcp/m2m?x=1", "", nil},
		"a path in other letters":        {"/mcp/OAuth", "", nil},
		"another path":                   {"/v1/keys", "", nil},
		"a tool that is not allowed":     {"/mcp/restricted", "", nil},
		"headers of the client":          {"/mcp/listing", "", nil},
		"a header in another's place":    {"/mcp/overriding", "", nil},
		"a name that needs decoding":     {"", strings.Replace(echoCall, `"echo"`, `"=?base64?eA==?="`, 1), with("Mcp-Name", "=?base64?eA==?=")},
		"a server with every slot taken": {"/mcp/narrow", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			path, body, headers := "/mcp/m2m", echoCall, echoHeaders(f.key)
			if c.path != "" {
				path = c.path
			}
			if c.body != "" {
				body = c.body
			}
			if c.headers != nil {
				headers = c.headers
			}
			if path == "/mcp/narrow" {
				out, ok := f.forward(path, body, headers)
				require.True(t, ok)
				defer out.Forwarded.Passed(http.StatusOK, 0)
			}
			_, ok := f.forward(path, body, headers)
			assert.False(t, ok)
		})
	}
}

// A forwarded call counts as one that was served.
func TestForwardedIsCounted(t *testing.T) {
	f := newForwarding(t)
	const passed, l1 = `grantway_mcp_requests_total{way="pass"}`, `grantway_token_resolutions_total{tier="l1",outcome="ok"}`
	passedBefore, l1Before := f.metric(passed), f.metric(l1)
	out, ok := f.forward("/mcp/m2m", echoCall, echoHeaders(f.key))
	require.True(t, ok)
	out.Forwarded.Passed(http.StatusOK, 0)
	assert.Equal(t, passedBefore+1, f.metric(passed))
	assert.Equal(t, l1Before+1, f.metric(l1))
}

// metric answers the value of a metric; 0 if it is not there.
func (f *forwarding) metric(name string) (value float64) {
	for line := range strings.Lines(f.do(adminKey, "GET", "/metrics", "", nil).Body.String()) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			var err error
			value, err = strconv.ParseFloat(strings.TrimSpace(rest), 64)
			require.NoError(f.t, err)
		}
	}
	return value
}

// FuzzForward: what is forwarded at all is forwarded as ServeHTTP would.
func FuzzForward(f *testing.F) {
	w := newForwarding(f)
	session := w.initialize(w.key, "/mcp/m2m", "own")
	f.Add("/mcp/m2m", legacyCall, "Mcp-Session-Id", session, "", "application/json, text/event-stream", "2025-06-18")
	f.Add("/mcp/m2m", `{"jsonrpc":"2.0","method":"notifications/x"}`, "mcp-session-id", session, "", "text/event-stream,application/json", "")
	f.Add("/mcp/m2m", echoCall, "X-A", "b", "echo", "application/json, text/event-stream", "2026-07-28")
	f.Add("/mcp/static", strings.Replace(echoCall, "tools/call", "prompts/get", 1), "Mcp-Param-X", "b", "echo", "*/*", "2025-06-18")
	f.Add("/mcp/other", echoCall, "accept", "text/plain", " echo", "application/json", "2027-01-01")
	f.Fuzz(func(t *testing.T, path, body, name, value, tool, accept, version string) {
		r, err := http.NewRequest("POST", "http://127.0.0.1"+path, nil)
		if err != nil || !strings.HasPrefix(path, "/") || r.URL.Host != "127.0.0.1" || strings.ContainsAny(path, " \t\r\n") {
			return
		}
		headers := [][2]string{
			{"Authorization", "Bearer " + w.key}, {"Content-Type", "application/json"}, {"Accept", accept},
			{"X-Request-Id", "r-1"}, {name, value},
		}
		if version != "" {
			headers = append(headers, [2]string{"Mcp-Protocol-Version", version})
		}
		if tool != "" {
			headers = append(headers, [2]string{"Mcp-Method", "tools/call"}, [2]string{"Mcp-Name", tool})
		}
		for _, h := range headers {
			if !fit(h[0], false) || !fit(h[1], true) {
				return
			}
		}
		out, ok := w.forward(path, body, headers)
		if !ok {
			return
		}
		out.Forwarded.Kept()
		w.t, w.network.session = t, out.Swap.Theirs // another one's answer is not passed on
		w.same(path, body, headers, out)
	})
}

// fit reports whether a host would let s in as a header's name or value.
func fit(s string, value bool) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c >= 0x7f || !value && (c == ':' || c == ' ') {
			return false
		}
	}
	return s == strings.TrimSpace(s) && (value || s != "")
}
