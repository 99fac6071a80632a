package contract

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"
	"testing"

	"crypto/rand"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A fixture is a text file in testdata/mcp: what a client sends, what each server gets and
// answers, what the client sees. Its sections begin with "-- NAME --":
//
//	servers       a line per server: NAME MODE [JSON members of its record]. A scripted server in mode
//	              "modern" or "legacy" answers server/discover (and the handshake) by itself, in mode "raw"
//	              nothing, and in mode "dead" it does not listen.
//	client        a request: METHOD PATH, headers, an empty line, the body
//	NAME gets     the request that the server must get next: headers to check, an empty line, the body
//	NAME answers  what it answers: the status, headers, an empty line, the body
//	client sees   status, headers to check, an empty line, the body
//
// $NAME stands for the server's slug, $NAME.id for its id, $id in an answer for the id of the request, $1, $2, … for what
// the client saw in a place of an earlier body that says "<1>", "<2>", …. In an expected body "<any>" matches everything, and a
// member "...": true allows further members. A checked header "Name:" without a value must be absent. An
// event stream is written as the data of its events, one to a line.
type fixture struct {
	t        *testing.T
	servers  map[string]*scripted
	captured map[string]string
}

// scripted is an MCP server that follows a fixture.
type scripted struct {
	name, mode string
	slug, id   string
	listener   *httptest.Server

	mu       sync.Mutex
	script   []step
	problems []string
	sessions int
}

type step struct{ gets, answers string }

// nobody is where nobody listens: a port that the system gives to no listener.
const nobody = "http://127.0.0.1:1"

func TestFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/mcp/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			(&fixture{t: t, servers: map[string]*scripted{}, captured: map[string]string{}}).run(theGateway(t), string(text))
		})
	}
}

var sectionLine = regexp.MustCompile(`(?m)^-- (.+) --$`)

func (f *fixture) run(g *gateway, text string) {
	heads := sectionLine.FindAllStringSubmatchIndex(text, -1)
	type section struct{ name, body string }
	var sections []section
	for i, h := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		sections = append(sections, section{text[h[2]:h[3]], strings.TrimRight(strings.TrimPrefix(text[h[1]:end], "\n"), "\n")})
	}
	var request string
	for _, s := range sections {
		name, what, _ := strings.Cut(s.name, " ")
		switch {
		case s.name == "servers":
			for line := range strings.SplitSeq(s.body, "\n") {
				f.start(g, line)
			}
		case s.name == "client":
			request = s.body
		case s.name == "client sees":
			require.NotEmpty(f.t, request, "client sees without client")
			f.exchange(g, request, s.body)
			request = ""
		case what == "gets":
			f.servers[name].add(step{gets: s.body})
		case what == "answers":
			f.servers[name].answer(s.body)
		default:
			require.FailNow(f.t, "unknown section", s.name)
		}
	}
}

func (s *scripted) add(st step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, st)
}

func (s *scripted) answer(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script[len(s.script)-1].answers = text
}

// start makes a server and its record.
func (f *fixture) start(g *gateway, line string) {
	name, rest, _ := strings.Cut(line, " ")
	mode, extra, _ := strings.Cut(rest, " ")
	s := &scripted{name: name, mode: mode, slug: name + "-" + strings.ToLower(rand.Text()[:6])}
	f.servers[name] = s
	s.listener = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.serve(s, w, r) }))
	f.t.Cleanup(s.listener.Close)
	url := s.listener.URL
	if mode == "dead" {
		url = nobody
	}
	record := map[string]any{"server_name": s.slug, "slug": s.slug, "url": url + "/mcp", "transport": "http", "auth_type": "none"}
	if extra != "" {
		require.NoError(f.t, json.Unmarshal([]byte(extra), &record))
	}
	a := g.admin(f.t, "POST", "/v1/mcp/server", record)
	require.Equal(f.t, 201, a.StatusCode, "%s", a.text)
	s.id, _ = a.object(f.t)["server_id"].(string)
}

func (f *fixture) expand(text string) string {
	names := make([]string, 0, len(f.servers))
	for name := range f.servers {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool { return len(names[i]) > len(names[j]) })
	for _, name := range names {
		text = strings.ReplaceAll(text, "$"+name+".id", f.servers[name].id)
		text = strings.ReplaceAll(text, "$"+name, f.servers[name].slug)
	}
	for key, value := range f.captured {
		text = strings.ReplaceAll(text, "$"+key, value)
	}
	return text
}

// takeApart splits a section into its first line, headers and body.
func takeApart(text string, firstLine bool) (first string, headers [][2]string, body string) {
	head, body, _ := strings.Cut(text, "\n\n")
	if strings.HasPrefix(text, "\n") {
		head, body = "", text[1:]
	}
	lines := strings.Split(head, "\n")
	if firstLine {
		first, lines = lines[0], lines[1:]
	}
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, ":"); ok {
			headers = append(headers, [2]string{name, strings.TrimSpace(value)})
		}
	}
	return first, headers, strings.TrimSpace(body)
}

func (f *fixture) exchange(g *gateway, request, expected string) {
	first, headers, body := takeApart(f.expand(request), true)
	method, path, _ := strings.Cut(first, " ")
	r, err := http.NewRequestWithContext(f.t.Context(), method, g.url+path, strings.NewReader(body))
	require.NoError(f.t, err)
	r.Header.Set("Authorization", "Bearer "+g.adminKey)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if strings.Contains(path, "mcp") {
		r.Header.Set("Accept", "application/json, text/event-stream")
	}
	for _, h := range headers {
		if h[1] == "" {
			r.Header.Del(h[0])
		} else {
			r.Header.Set(h[0], h[1])
		}
	}
	resp, err := observed(r)
	require.NoError(f.t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)
	status, checks, want := takeApart(f.expand(expected), true)
	assert.Equal(f.t, status, fmt.Sprint(resp.StatusCode), "%s: %s", first, got)
	for _, problem := range f.check(resp.Header, checks) {
		assert.Fail(f.t, "client sees", problem)
	}
	if problem := f.compare(want, bodyOf(resp.Header, got)); problem != "" {
		assert.Fail(f.t, "client sees: "+problem, "want %s\ngot  %s", want, got)
	}
	for _, s := range f.servers {
		s.mu.Lock()
		for _, problem := range s.problems {
			assert.Fail(f.t, s.name+" gets", problem)
		}
		s.problems = nil
		for _, left := range s.script {
			assert.Fail(f.t, s.name+" was not asked", left.gets)
		}
		s.script = nil
		s.mu.Unlock()
	}
}

// bodyOf turns an event stream into the data of its events, one to a line.
func bodyOf(h http.Header, b []byte) string {
	if !strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") {
		return string(bytes.TrimSpace(b))
	}
	var out []string
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			out = append(out, data)
		}
	}
	return strings.Join(out, "\n")
}

func (f *fixture) check(h http.Header, checks [][2]string) (problems []string) {
	for _, c := range checks {
		got := h.Get(c[0])
		switch {
		case c[1] == "<any>":
			if got == "" {
				problems = append(problems, c[0]+" is missing")
			}
		case len(c[1]) == 3 && c[1][0] == '<' && c[1][2] == '>':
			f.captured[c[1][1:2]] = got
		case got != c[1]:
			problems = append(problems, fmt.Sprintf("%s is %q, not %q", c[0], got, c[1]))
		}
	}
	return problems
}

// serve follows the script.
func (f *fixture) serve(s *scripted, w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var in struct {
		ID     json.RawMessage
		Method string
	}
	_ = json.Unmarshal(body, &in)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.automatic(w, r, in.Method, in.ID) {
		return
	}
	if len(s.script) == 0 {
		s.problems = append(s.problems, "unexpected: "+r.Method+" "+string(body))
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	next := s.script[0]
	s.script = s.script[1:]
	_, checks, want := takeApart(f.expand(next.gets), false)
	s.problems = append(s.problems, f.check(r.Header, checks)...)
	for _, secret := range []string{"Cookie", "X-Grantway-Key"} {
		if r.Header.Get(secret) != "" {
			s.problems = append(s.problems, secret+" was forwarded")
		}
	}
	if problem := f.compare(want, string(body)); problem != "" {
		s.problems = append(s.problems, problem+"\nwant "+want+"\ngot  "+string(body))
	}
	status, headers, answer := takeApart(strings.ReplaceAll(f.expand(next.answers), "$id", string(in.ID)), true)
	code := http.StatusOK
	_, _ = fmt.Sscan(status, &code)
	for _, h := range headers {
		w.Header().Set(h[0], h[1])
	}
	stream := strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream")
	if !stream && answer != "" && w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(code)
	if !stream {
		_, _ = io.WriteString(w, answer)
		return
	}
	for line := range strings.SplitSeq(answer, "\n") {
		_, _ = fmt.Fprintf(w, "data: %s\n\n", line)
		_ = http.NewResponseController(w).Flush()
	}
}

// automatic answers what every server of an era is asked before a call.
func (s *scripted) automatic(w http.ResponseWriter, r *http.Request, method string, id json.RawMessage) bool {
	answer := func(status int, body string) bool {
		if body != "" {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
	switch {
	case s.mode == "modern" && method == "server/discover":
		return answer(200, `{"jsonrpc":"2.0","id":`+string(id)+`,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"prompts":{},"resources":{},"completions":{}},"ttlMs":0,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"`+s.name+`","version":"1"}}}}`)
	case s.mode == "legacy" && method == "server/discover":
		return answer(400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}`)
	case s.mode == "legacy" && method == "initialize":
		s.sessions++
		w.Header().Set("Mcp-Session-Id", fmt.Sprintf("session-%d", s.sessions))
		return answer(200, `{"jsonrpc":"2.0","id":`+string(id)+`,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"prompts":{},"resources":{}},"serverInfo":{"name":"`+s.name+`","version":"1"}}}`)
	case s.mode == "legacy" && method == "notifications/initialized":
		return answer(202, "")
	case s.mode == "legacy" && r.Method == http.MethodDelete:
		return answer(204, "")
	}
	return false
}

// compare answers how got differs from want, "" if it does not.
func (f *fixture) compare(want, got string) string {
	if want == "<any>" {
		return ""
	}
	wantLines, gotLines := strings.Split(want, "\n"), strings.Split(got, "\n")
	if want == "" || got == "" || len(gotLines) == 1 {
		wantLines, gotLines = []string{want}, []string{got}
	}
	if len(wantLines) != len(gotLines) {
		return fmt.Sprintf("%d messages instead of %d", len(gotLines), len(wantLines))
	}
	for i := range wantLines {
		if wantLines[i] == gotLines[i] {
			continue
		}
		var w, g any
		if json.Unmarshal([]byte(wantLines[i]), &w) != nil || json.Unmarshal([]byte(gotLines[i]), &g) != nil {
			return "different text"
		}
		if problem := f.match("", w, g); problem != "" {
			return problem
		}
	}
	return ""
}

func (f *fixture) match(path string, want, got any) string {
	switch w := want.(type) {
	case string:
		if w == "<any>" {
			return ""
		}
		if len(w) == 3 && w[0] == '<' && w[2] == '>' {
			text, ok := got.(string)
			if !ok {
				return path + " is not a string"
			}
			f.captured[w[1:2]] = text
			return ""
		}
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return path + " is not an object"
		}
		for name, v := range w {
			if name == "..." {
				continue
			}
			have, ok := g[name]
			if !ok {
				return path + "." + name + " is missing"
			}
			if problem := f.match(path+"."+name, v, have); problem != "" {
				return problem
			}
		}
		if w["..."] == true {
			return ""
		}
		for name := range g {
			if _, ok := w[name]; !ok {
				return path + "." + name + " is too much"
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s does not have %d elements", path, len(w))
		}
		for i := range w {
			if problem := f.match(fmt.Sprintf("%s[%d]", path, i), w[i], g[i]); problem != "" {
				return problem
			}
		}
		return ""
	}
	if !assert.ObjectsAreEqual(want, got) {
		return fmt.Sprintf("%s is %v, not %v", path, got, want)
	}
	return ""
}
