package hostsim_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/hostsim"
	"github.com/grantway/grantway/wasm/abi"
)

// sse is an upstream that sends events when it is told to.
type sse struct {
	*httptest.Server
	send   chan string
	closed chan struct{} // receives when the upstream notices that its client has left
}

func newSSE(t *testing.T) *sse {
	s := &sse{send: make(chan string), closed: make(chan struct{}, 1000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case data, ok := <-s.send:
				if !ok {
					return
				}
				_, _ = fmt.Fprintf(w, "data: %s\n\n", data)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				s.closed <- struct{}{}
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestEventsArriveOneByOne: a passed stream is flushed piece by piece, and when
// the client leaves, the upstream is closed although it is silent.
func TestEventsArriveOneByOne(t *testing.T) {
	upstream := newSSE(t)
	host, c := open(t)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, "GET", c.base+"/proxy?to="+escape(upstream.URL), nil)
	require.NoError(t, err)
	res, err := c.http.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	events := bufio.NewReader(res.Body)
	for i := range 3 {
		upstream.send <- fmt.Sprint(i)
		line, err := events.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("data: %d\n", i), line)
		_, err = events.ReadString('\n')
		require.NoError(t, err)
	}
	waitFor(t, func() bool { return host.Stats().Alive == 0 }) // the guest has no part in a passed stream
	leave()
	select {
	case <-upstream.closed:
	case <-time.After(patience):
		t.Fatal("the upstream was not closed")
	}
}

func TestIdleStreamsAreCheap(t *testing.T) {
	const streams = 500
	upstream := newSSE(t)
	host, c := open(t)
	c.http.Transport = &http.Transport{MaxIdleConnsPerHost: streams}
	require.Equal(t, 200, c.get("/hello").status)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var all sync.WaitGroup
	for range streams {
		all.Go(func() {
			req, err := http.NewRequestWithContext(ctx, "GET", c.base+"/proxy?to="+escape(upstream.URL), nil)
			if !assert.NoError(t, err) {
				return
			}
			res, err := c.http.Do(req)
			if !assert.NoError(t, err) {
				return
			}
			t.Cleanup(func() { _ = res.Body.Close() })
		})
	}
	all.Wait()
	waitFor(t, func() bool { s := host.Stats(); return s.InFlight == streams && s.Alive == 0 })
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := int64(after.HeapAlloc-before.HeapAlloc+after.StackInuse-before.StackInuse) / streams
	t.Logf("%d bytes per idle stream, client and upstream in the same process included", per)
	require.Less(t, per, int64(150<<10))
	leave()
	for range streams {
		<-upstream.closed
	}
}

// TestStreamFromGo: pieces written by the guest arrive one by one; a client that
// leaves makes the next write fail with "gone".
func TestStreamFromGo(t *testing.T) {
	_, c := open(t)
	require.Equal(t, "data: 0\n\ndata: 1\n\n", c.get("/stream?count=2").body)

	res, err := c.http.Get(c.base + "/stream?count=100000&ms=1")
	require.NoError(t, err)
	_, err = io.ReadFull(res.Body, make([]byte, 20))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	waitFor(t, func() bool { return string(c.op(abi.OpKVGet, nil, "CONFIG", "stream-ended").Body) == "gone" })
}

// TestBackPressure: an upstream that is faster than the client is slowed down.
func TestBackPressure(t *testing.T) {
	const size = 64 << 20
	var sent int
	var mu sync.Mutex
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 64<<10)
		for range size / len(piece) {
			if _, err := w.Write(piece); err != nil {
				return
			}
			mu.Lock()
			sent += len(piece)
			mu.Unlock()
		}
	}))
	defer upstream.Close()
	_, c := open(t)
	res, err := c.http.Get(c.base + "/proxy?to=" + escape(upstream.URL))
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	_, err = io.ReadFull(res.Body, make([]byte, 1<<20))
	require.NoError(t, err)
	last := -1
	waitFor(t, func() bool { // until the upstream stands still
		time.Sleep(50 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		still := sent == last
		last = sent
		return still
	})
	require.Less(t, last, size/2)
	n, err := io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.EqualValues(t, size-1<<20, n)
}

func TestClientThatLeavesCancelsTheRequest(t *testing.T) {
	host, c := open(t)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", c.base+"/wait", nil)
	require.NoError(t, err)
	failed := make(chan error, 1)
	go func() {
		res, err := c.http.Do(req)
		if err == nil {
			err = res.Body.Close()
		}
		failed <- err
	}()
	waitFor(t, func() bool { return host.Stats().Alive == 1 })
	leave()
	require.Error(t, <-failed)
	waitFor(t, func() bool { return string(c.op(abi.OpKVGet, nil, "CONFIG", "canceled").Body) == "yes" })
	waitFor(t, func() bool { return host.Stats().Alive == 0 })
}

// TestClientThatEndsItsSide: net/http takes such a client for one that has left. It must not take the end of the connection for an
// empty answer, nor a stream that is cut off for a whole one; only a body that has broken off is told.
func TestClientThatEndsItsSide(t *testing.T) {
	_, c := open(t)
	address := strings.TrimPrefix(c.base, "http://")
	send := func(request string) (*http.Response, error) {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, request)
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		return http.ReadResponse(bufio.NewReader(conn), nil)
	}
	_, err := send("GET /wait HTTP/1.1\r\nHost: " + address + "\r\n\r\n")
	require.Error(t, err, "no answer")
	for _, length := range []string{"Content-Length: 50", "Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		res, err := send("POST /read?wait HTTP/1.1\r\nHost: " + address + "\r\n" + length + "\r\n\r\n8\r\n12345678\r\n")
		require.NoError(t, err, length)
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		assert.Equal(t, http.StatusBadRequest, res.StatusCode, length)
		assert.Contains(t, string(b), `"code":"unreadable_body"`)
	}
}

func TestRequestBodies(t *testing.T) {
	_, c := open(t)
	small, large := strings.Repeat("s", abi.MaxInlineBody), strings.Repeat("l", 1<<20)
	var echo struct {
		Body   string
		Handle bool
		Header []string
	}
	require.NoError(t, json.Unmarshal([]byte(c.do("POST", "/echo", small).body), &echo))
	require.Equal(t, small, echo.Body)
	require.Contains(t, echo.Header, "Content-Length:65536")
	require.Equal(t, large, c.do("POST", "/read", large).body, "a large body comes through a handle")
	require.Equal(t, large, c.do("POST", "/object?target=MINTER/a&path=/read", large).body, "and so it does at an object")

	res, err := c.http.Post(c.base+"/read", "text/plain", io.MultiReader(strings.NewReader("a body "), strings.NewReader("of no declared length")))
	require.NoError(t, err)
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, "a body of no declared length", string(b))

	for range 3 { // answered without a look at the body
		require.Equal(t, 200, c.do("POST", "/hello", large).status)
	}
	res, err = c.http.Post(c.base+"/hello", "text/plain", &endless{})
	if err == nil { // the client may see the answer or the closed connection first
		require.Equal(t, 200, res.StatusCode)
		require.NoError(t, res.Body.Close())
	}
}

type endless struct{}

func (*endless) Read(p []byte) (int, error) { return len(p), nil }

func TestObjectStreams(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "from the network")
	}))
	defer upstream.Close()
	_, c := open(t, hostsim.WithInstances(2))
	for _, name := range []string{"a", "b", "c"} { // on the caller's instance and on another
		object := "/object?target=MINTER/" + name + "&path="
		require.Equal(t, "data: 0\n\ndata: 1\n\ndata: 2\n\n", c.get(object+escape("/stream?count=3")).body, "streamed from Go")
		require.Equal(t, "from the network", c.get(object+escape("/proxy?to="+escape(upstream.URL))).body, "passed on twice")
		require.Equal(t, "hello", c.get(object+"/hello").body)
		a := c.get(object + "/nothing")
		require.Equal(t, "gone", a.header.Get("X-Code"))
	}
}

func TestHeaders(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			for _, v := range values {
				w.Header().Add("X-Saw", name+"="+v)
			}
		}
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Set("Location", "/elsewhere")
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(http.StatusFound)
		_, _ = io.WriteString(w, "not really gzip")
	}))
	defer upstream.Close()
	_, c := open(t)
	c.http.Transport = &http.Transport{DisableCompression: true}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	q := "/proxy?to=" + escape(upstream.URL) + "&h=X-Mine:1&h=Connection:close&h=Te:trailers&h=Host:evil&h=X-Mine:2"
	a := c.get(q)
	assert.Equal(t, http.StatusFound, a.status, "redirects are not followed")
	assert.Equal(t, "not really gzip", a.body, "bodies are not decompressed")
	assert.Equal(t, []string{"a=1", "b=2"}, a.header["Set-Cookie"])
	assert.Empty(t, a.header.Get("X-Hop"))
	assert.ElementsMatch(t, []string{"X-Mine=1", "X-Mine=2"}, a.header["X-Saw"], "nothing added, nothing of the connection passed on")
	assert.Empty(t, a.header["Content-Type"], "no guessed type")

	var echo struct {
		URL    string
		IP     string
		Header []string
	}
	a = c.do("GET", "/echo?x=%2F", "", "Grantway-Internal-Actor", "me", "Connection", "X-Drop", "X-Drop", "1", "X-Keep", "1", "X-Keep", "2")
	require.NoError(t, json.Unmarshal([]byte(a.body), &echo))
	assert.Equal(t, c.base+"/echo?x=%2F", echo.URL)
	assert.Equal(t, "127.0.0.1", echo.IP)
	joined := strings.Join(echo.Header, "\n")
	assert.Contains(t, joined, "X-Keep:1\nX-Keep:2")
	assert.NotContains(t, joined, "Internal")
	assert.NotContains(t, joined, "X-Drop")
}

func TestHeadAboveTheLimit(t *testing.T) {
	host, _ := open(t)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/hello", nil)
	r.Header.Set("X-Large", strings.Repeat("x", abi.MaxMeta))
	host.ServeHTTP(w, r)
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, w.Code)
}

// TestNetworkErrorsAreToldApart has a real failure for each code.
func TestNetworkErrorsAreToldApart(t *testing.T) {
	reset := listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	})
	short := listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1024))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
		_ = conn.Close()
	})
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	unknown := httptest.NewUnstartedServer(http.NotFoundHandler())
	unknown.Config.ErrorLog = discardLog()
	unknown.StartTLS() // a certificate that nobody has signed
	defer unknown.Close()
	_, c := open(t)
	for name, tc := range map[string]struct{ url, code string }{
		"dns":            {"http://name.invalid/", "dns"},
		"refused":        {"http://127.0.0.1:1", "refused"},
		"reset":          {"http://" + reset, "reset"},
		"unknown issuer": {unknown.URL, "tls"},
		"TLS to plain":   {strings.Replace(plain.URL, "http", "https", 1), "tls"},
	} {
		assert.Equal(t, tc.code, c.reply("/fetch?to="+escape(tc.url), nil).Code, name)
	}
	got := c.reply("/fetch?to="+escape("http://"+short), nil)
	assert.Empty(t, got.Code)
	assert.Equal(t, "short!reset", string(got.Body), "a body that breaks off is no complete body")
	a, err := c.http.Get(c.base + "/proxy?to=" + escape("http://"+short))
	if err == nil { // the head may have been sent before the break
		_, err = io.ReadAll(a.Body)
		require.NoError(t, a.Body.Close())
	}
	require.Error(t, err, "nor is it when passed on")
}

func TestTimeoutOfTheTransport(t *testing.T) {
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	_, c := open(t, hostsim.WithTransport(&http.Transport{ResponseHeaderTimeout: 20 * time.Millisecond, TLSClientConfig: &tls.Config{}}))
	require.Equal(t, "timeout", c.reply("/fetch?to="+escape(slow.URL), nil).Code)
}

// TestAbort: a call given up ends the outbound request and does not settle.
func TestAbort(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		close(ended)
	}))
	defer upstream.Close()
	clock := hostsim.NewClock()
	host, c := open(t, hostsim.WithClock(clock))
	aborted := make(chan answer, 1)
	go func() { aborted <- c.get("/abort?ms=3600000&to=" + escape(upstream.URL)) }()
	<-begun
	require.JSONEq(t, `{"aborted":0}`, wake(clock, aborted).body)
	<-ended
	waitFor(t, func() bool { return host.Stats().Alive == 0 })
}

// TestAbortBeforeDelivery: a request to an object that is given up before it reaches the object ends there.
func TestAbortBeforeDelivery(t *testing.T) {
	host, c := open(t, hostsim.WithFaults(func(p hostsim.FaultPoint) hostsim.Fault {
		if p.Op == "object" {
			return hostsim.Fault{Delay: 200 * time.Millisecond}
		}
		return hostsim.Fault{}
	}))
	a := c.get("/abort?ms=1&target=MINTER/a&to=" + escape("https://object.invalid/wait"))
	require.JSONEq(t, `{"aborted":0}`, a.body)
	waitFor(t, func() bool { return string(c.op(abi.OpKVGet, nil, "CONFIG", "canceled").Body) == "yes" })
	waitFor(t, func() bool { return host.Stats().Alive == 0 })
}

func TestResponses(t *testing.T) {
	_, c := open(t)
	a := c.get("/respond-twice")
	require.Equal(t, "first", a.body)
	waitFor(t, func() bool { return string(c.op(abi.OpKVGet, nil, "CONFIG", "twice").Body) == "0 -2" })
	a = c.get("/nothing")
	require.Equal(t, http.StatusInternalServerError, a.status)
	require.Contains(t, a.body, `"no_response"`)
	require.Empty(t, c.do("HEAD", "/hello", "").body)
	require.Equal(t, 404, c.get("/unknown").status)
}

func TestLargeResponse(t *testing.T) {
	payload := bytes.Repeat([]byte{'x'}, 3<<20)
	_, c := open(t)
	require.Equal(t, string(payload), c.do("POST", "/read", string(payload)).body)
}
