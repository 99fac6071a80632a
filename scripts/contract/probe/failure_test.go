package probe

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
)

// failed checks that a response is a problem with this status and code.
func failed(t *testing.T, a answer, status int, code string) {
	t.Helper()
	assert.Equal(t, status, a.status, a.text)
	assert.Equal(t, "application/json", a.header.Get("Content-Type"))
	var document struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if assert.NoError(t, json.Unmarshal([]byte(a.text), &document), a.text) {
		assert.Equal(t, code, document.Error.Code)
		assert.NotEmpty(t, document.Error.Message)
	}
	if status == 503 {
		assert.Equal(t, "1", a.header.Get("Retry-After"))
	}
}

// A panic in a handler is a 500 for that request alone.
func TestHandlerPanic(t *testing.T) {
	p := theProbe(t)
	p.get(t, "/hello")
	before := p.state(t)
	release := make(chan struct{})
	network := upstream(t, func(http.ResponseWriter, *http.Request) { <-release })
	var others sync.WaitGroup
	for range 5 {
		others.Go(func() {
			a, err := p.try(t.Context(), "GET", query("/fetch", "url", network.URL), nil)
			if assert.NoError(t, err) {
				assert.Equal(t, 200, a.status)
			}
		})
	}
	comes(t, "others are under way", func() bool { return p.state(t).Owners >= 5 })
	failed(t, p.get(t, "/panic"), 500, "internal_error")
	close(release)
	others.Wait()
	assert.Equal(t, before.Started, p.state(t).Started)
	assert.Contains(t, p.Log(), "told to panic")
}

// A panic after the response has begun ends that response.
func TestLatePanic(t *testing.T) {
	p := theProbe(t)
	before := p.state(t).Started
	a, _ := p.try(t.Context(), "GET", "/late-panic", nil)
	assert.Equal(t, 200, a.status)
	assert.Equal(t, "begun", a.text)
	assert.Equal(t, "hello", p.get(t, "/hello").text)
	assert.Equal(t, before, p.state(t).Started)
}

// When the program ends, all that wait are answered 503, streams break off, and the next request gets a new instance.
func TestCrash(t *testing.T) {
	for _, how := range []string{"panic", "exit"} {
		t.Run(how, func(t *testing.T) {
			p := ownProbe(t, host.Options{})
			require.Equal(t, "hello", p.get(t, "/hello").text)
			require.Equal(t, 1, p.state(t).Started)

			request, err := http.NewRequestWithContext(t.Context(), "GET", p.URL()+"/stream?count=1000&ms=600000", nil)
			require.NoError(t, err)
			stream, err := p.client.Do(request)
			require.NoError(t, err)
			defer func() { _ = stream.Body.Close() }()
			first := make([]byte, len("data: 0\n\n"))
			_, err = io.ReadFull(stream.Body, first)
			require.NoError(t, err)

			const pending = 10
			var all sync.WaitGroup
			for range pending {
				all.Go(func() {
					a, err := p.try(t.Context(), "GET", "/sleep?ms=600000", nil)
					if assert.NoError(t, err) {
						failed(t, a, 503, "instance_failed")
					}
				})
			}
			comes(t, "all are under way", func() bool { return p.state(t).Owners == pending+1 })
			failed(t, p.get(t, "/crash?how="+how), 503, "instance_failed")
			all.Wait()
			rest, _ := io.ReadAll(stream.Body)
			assert.NotContains(t, string(rest), "data: 999")

			assert.Equal(t, "hello", p.get(t, "/hello").text)
			assert.Equal(t, 2, p.state(t).Started)
			p.idle(t)
		})
	}
}

// A request that is being forwarded needs no program: its answer is passed on, or it is answered 503.
func TestCrashWhileForwarding(t *testing.T) {
	p := ownProbe(t, host.Options{})
	require.Equal(t, "hello", p.get(t, "/hello").text)
	var all, there sync.WaitGroup
	release := make(chan struct{})
	network := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		there.Done()
		<-release
		if r.URL.Path == "/refuses" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, "the answer")
	})
	for path, status := range map[string]int{"/": 200, "/refuses": 503} {
		there.Add(1)
		all.Go(func() {
			a, err := p.try(t.Context(), "POST", forwardPath(network.URL+path), body("x"))
			if assert.NoError(t, err, path) && status != 503 {
				assert.Equal(t, "the answer", a.text, path)
			} else {
				failed(t, a, status, "instance_failed")
			}
		})
	}
	there.Wait()
	failed(t, p.get(t, "/crash?how=exit"), 503, "instance_failed")
	close(release)
	all.Wait()
	assert.Equal(t, "hello", p.get(t, "/hello").text)
	p.idle(t)
}

// A program that ends at its start is answered for at once, and the host can still be stopped.
func TestExitAtStart(t *testing.T) {
	p := ownProbe(t, host.Options{Env: map[string]string{"GRANTWAY_PROBE": "exit"}})
	for range 3 {
		failed(t, p.get(t, "/hello"), 503, "instance_failed")
	}
}

// A large instance is replaced.
func TestMemoryIsGivenBack(t *testing.T) {
	p := ownProbe(t, host.Options{})
	require.Equal(t, 200, p.get(t, "/allocate?mib=80").status)
	comes(t, "a new instance serves", func() bool {
		return strings.TrimSpace(p.get(t, "/hello").text) == "hello" && p.state(t).Started > 1 && p.state(t).Memory < 64<<20
	})
}
