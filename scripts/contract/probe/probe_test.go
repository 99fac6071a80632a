package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
)

// patience is how long a test waits for something that must come.
const patience = 2 * time.Minute

// hostName is the host under test.
var hostName = func() string {
	if name := os.Getenv("CONTRACT_HOST"); name == "workerd" {
		return name
	}
	return "hostsim"
}()

var shared struct {
	sync.Mutex
	host host.Host
}

func TestMain(m *testing.M) {
	build := exec.Command("go", "build", "-tags", "nethttpomithttp2", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", "build/probe.wasm", "./wasm/probe")
	build.Dir = "../../.."
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build of the probe: %v\n%s", err, out)
		os.Exit(1)
	}
	status := m.Run()
	if shared.host != nil {
		if err := shared.host.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the host:", err)
			status = 1
		}
	}
	os.Exit(status)
}

// probe is a running host with the probe in it.
type probe struct {
	host.Host
	client *http.Client
}

// newClient makes a client whose connections are its own and that takes responses as they come.
func newClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// theProbe is one host for all tests that leave it as they found it.
func theProbe(t *testing.T) *probe {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.host == nil {
		h, err := host.Start(hostName, host.Options{Guest: host.Probe, Env: map[string]string{"GRANTWAY_TEST": "value", "OTHER_TEST": "hidden"}})
		require.NoError(t, err)
		shared.host = h
	}
	return attach(t, shared.host)
}

// ownProbe is a host for this test alone.
func ownProbe(t *testing.T, o host.Options) *probe {
	t.Helper()
	o.Guest = host.Probe
	h, err := host.Start(hostName, o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, h.Stop()) })
	return attach(t, h)
}

func attach(t *testing.T, h host.Host) *probe {
	t.Helper()
	p := &probe{Host: h, client: newClient()}
	t.Cleanup(func() {
		p.client.CloseIdleConnections()
		if t.Failed() {
			t.Logf("the host's log:\n%s", last(h.Log(), 4000))
		}
	})
	return p
}

func last(text string, n int) string { return text[max(0, len(text)-n):] }

// answer to a request.
type answer struct {
	status int
	header http.Header
	text   string
}

func (a answer) into(t *testing.T, v any) {
	t.Helper()
	require.Equal(t, 200, a.status, a.text)
	require.NoError(t, json.Unmarshal([]byte(a.text), v), a.text)
}

// query makes a path with parameters, given as names and values in turn.
func query(path string, parameters ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(parameters); i += 2 {
		q.Add(parameters[i], parameters[i+1])
	}
	return path + "?" + q.Encode()
}

// try sends a request and waits for all of the answer, but not for ever.
func (p *probe) try(ctx context.Context, method, path string, body io.Reader, headers ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, p.URL()+path, body)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := p.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text)}, err
}

func (p *probe) get(t *testing.T, path string) answer {
	t.Helper()
	return p.send(t, "GET", path, nil)
}

func (p *probe) send(t *testing.T, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	a, err := p.try(t.Context(), method, path, body, headers...)
	require.NoError(t, err, "%s %s", method, path)
	return a
}

// counters of the guest.
type counters struct {
	Served       int64 `json:"served"`
	StreamsEnded int64 `json:"streams_ended"`
	Canceled     int64 `json:"canceled"`
	Timers       int64 `json:"timers"`
	Orphans      int64 `json:"orphans"`
	Passed       int64 `json:"passed"`
	Kept         int64 `json:"kept"`
	Status       int64 `json:"status"`
	Goroutines   int   `json:"goroutines"`
	Heap         int64 `json:"heap"`
}

func (p *probe) counters(t *testing.T) (c counters) {
	t.Helper()
	p.get(t, "/counters").into(t, &c)
	return c
}

func (p *probe) state(t *testing.T) host.State {
	t.Helper()
	s, err := p.State()
	require.NoError(t, err)
	return s
}

// comes waits until something holds.
func comes(t *testing.T, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, patience, 20*time.Millisecond, what)
}

// passing moves the clock hour by hour until something that waits for time in the guest has come about: it may not have begun to
// wait before the first.
func passing[T any](t *testing.T, p *probe, done <-chan T) T {
	t.Helper()
	for {
		require.NoError(t, p.Advance(time.Hour))
		select {
		case v := <-done:
			return v
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// idle waits until no request is alive.
func (p *probe) idle(t *testing.T) {
	t.Helper()
	comes(t, "no request is alive", func() bool { return p.state(t).Owners == 0 })
}

// together runs f n times at once and waits for all.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// upstream serves f as the network.
func upstream(t *testing.T, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func body(text string) io.Reader { return strings.NewReader(text) }
