package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// forwardPath is a path of the probe whose requests are forwarded to url.
func forwardPath(url string, more ...string) string {
	return query("/forward", append([]string{"url", url, "method", "POST", "timeout", "20000"}, more...)...)
}

func TestForwardPasses(t *testing.T) {
	p := theProbe(t)
	network := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/x; "+r.Header.Get("X-Sent"))
		w.Header().Set("X-Passed", r.Method)
		w.Header().Set("X-Not-Passed", "secret")
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(content)
	})
	before := p.counters(t)
	together(20, func(i int) {
		content := fmt.Sprint("the body ", i)
		a := p.send(t, "POST", forwardPath(network.URL, "h", "X-Sent:1"), body(content), "Authorization", "the client's")
		assert.Equal(t, 202, a.status)
		assert.Equal(t, content, a.text)
		assert.Equal(t, "text/x; 1", a.header.Get("Content-Type"))
		assert.Equal(t, "POST", a.header.Get("X-Passed"))
		assert.Equal(t, "by the guest", a.header.Get("X-Added"))
		assert.Empty(t, a.header.Get("X-Not-Passed"))
	})
	comes(t, "the guest is told", func() bool { return p.counters(t).Passed == before.Passed+20 })
	after := p.counters(t)
	assert.Equal(t, int64(202), after.Status)
	assert.Equal(t, before.Kept, after.Kept)
	p.idle(t)
}

// What is not 2xx goes to the guest, and the upstream is not asked a second time.
func TestForwardKeeps(t *testing.T) {
	p := theProbe(t)
	var asked atomic.Int64
	network := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("X-Not-Passed", "1")
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte("who are you"))
	})
	var f fetched
	p.send(t, "POST", forwardPath(network.URL), body("x")).into(t, &f)
	assert.Equal(t, 401, f.Status, f.Error)
	assert.Equal(t, "who are you", f.Body)
	assert.Equal(t, "1", f.Header.Get("X-Not-Passed"))
	p.send(t, "POST", forwardPath(network.URL+"/redirect"), body("x")).into(t, &f)
	assert.Equal(t, 302, f.Status, "redirects are not followed")
	assert.Equal(t, int64(2), asked.Load())
	p.idle(t)
}

func TestForwardFails(t *testing.T) {
	p := theProbe(t)
	const closed = "http://127.0.0.1:1" // a port that the system gives to no listener
	slow := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does net/http notice that the client leaves
		<-r.Context().Done()
	})
	for _, c := range []struct{ url, timeout, codes string }{
		{closed, "20000", "refused net"},
		{slow.URL, "150", "timeout"},
		{"ftp://example.invalid/", "20000", "invalid"},
		{closed, "0", "invalid"},
	} {
		var f fetched
		p.send(t, "POST", query("/forward", "url", c.url, "method", "POST", "timeout", c.timeout), body("x")).into(t, &f)
		code, _, _ := strings.Cut(strings.TrimPrefix(f.Error, "fetch: "), ":")
		assert.Contains(t, strings.Fields(c.codes), code, "%s: %s", c.url, f.Error)
	}
	p.idle(t)
}

// A client that leaves, before the head or in the middle of the body, costs the upstream's connection and nothing else.
func TestClientLeavesForward(t *testing.T) {
	p := theProbe(t)
	for name, early := range map[string]bool{"before the head": true, "in the body": false} {
		t.Run(name, func(t *testing.T) {
			before := p.counters(t).Passed
			begun, closed := make(chan struct{}), make(chan struct{})
			network := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				defer close(closed)
				_, _ = io.Copy(io.Discard, r.Body)
				close(begun)
				for i := 0; !early; i++ {
					if _, err := fmt.Fprintf(w, "data: %d\n\n", i); err != nil {
						return
					}
					w.(http.Flusher).Flush()
					select {
					case <-r.Context().Done():
						return
					case <-time.After(20 * time.Millisecond):
					}
				}
				<-r.Context().Done()
			})
			ctx, leave := context.WithCancel(t.Context())
			// workerd says that a client has left only once a response has begun; before, the limit of the head's time ends the wait.
			path := query("/forward", "url", network.URL, "method", "POST", "timeout", "10000")
			request, err := http.NewRequestWithContext(ctx, "POST", p.URL()+path, body("x"))
			require.NoError(t, err)
			stay, left := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(left)
				response, err := p.client.Do(request)
				if err != nil {
					return
				}
				_, _ = bufio.NewReader(response.Body).ReadString('\n')
				<-stay
				leave()
				_ = response.Body.Close()
			}()
			<-begun
			if early {
				leave()
			} else {
				assert.Equal(t, before, p.counters(t).Passed, "the guest hears of a stream at its end")
			}
			close(stay)
			<-left
			select {
			case <-closed:
			case <-time.After(patience):
				assert.Fail(t, "the upstream's connection stays open")
			}
			if !early {
				comes(t, "the guest is told", func() bool { return p.counters(t).Passed == before+1 })
			}
			p.idle(t)
			leave()
		})
	}
}

// A field that the client knows by another value is exchanged; an answer that has it with a third one is the guest's.
func TestForwardSwaps(t *testing.T) {
	p := theProbe(t)
	var given atomic.Value
	network := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["X-Session"] = given.Load().([]string)
		_, _ = w.Write([]byte("hello"))
	})
	for _, c := range []struct {
		given  []string
		swap   string
		client []string // nil: the answer is not passed on
	}{
		{[]string{"theirs:1,2"}, "x-session theirs:1,2 ours", []string{"ours"}},
		{[]string{}, "x-session theirs:1,2 ours", []string{}},
		{[]string{"theirs"}, "x-session theirs:1,2 ours", nil},
		{[]string{"theirs", "theirs"}, "x-session theirs ours", nil},
		{[]string{""}, "x-session theirs ours", nil},
		{[]string{}, "x-session  ", []string{}},
		{[]string{""}, "x-session  ", nil},
		{[]string{"theirs"}, "x-session  ", nil},
		{[]string{"theirs"}, "", []string{}},
	} {
		given.Store(c.given)
		a := p.send(t, "POST", forwardPath(network.URL, "swap", c.swap), body("x"))
		if c.client == nil {
			var f fetched
			a.into(t, &f)
			assert.Equal(t, "hello", f.Body, "%+v", c)
			assert.Equal(t, c.given[0], strings.Split(f.Header.Get("X-Session"), ",")[0])
			continue
		}
		assert.Equal(t, "hello", a.text, "%+v", c)
		assert.Equal(t, c.client, append([]string{}, a.header["X-Session"]...))
	}
	p.idle(t)
}
