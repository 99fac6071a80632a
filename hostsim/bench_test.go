//go:build unix

package hostsim_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/hostsim"
)

const (
	benchConnections = 8
	benchReply       = 1024 // bytes of the upstream's answer
)

// bench sends GET requests over kept connections, each as soon as the last was answered.
func bench(b *testing.B, h http.Handler, path string) {
	server := httptest.NewServer(h)
	defer server.Close()
	request := "GET " + path + " HTTP/1.1\r\nHost: bench\r\n\r\n"
	b.ReportAllocs()
	b.SetParallelism(benchConnections / 2)
	b.ResetTimer()
	before := cpuTime()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		r := bufio.NewReader(conn)
		for pb.Next() {
			if _, err := io.WriteString(conn, request); err != nil {
				b.Error(err)
				return
			}
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err = io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
				b.Error(res.Status, err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/req") // of client, host and upstream together
}

// cpuTime is what this process has used. On a busy machine it tells more than the
// time that passed.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkHost compares a reply from the guest and a passed-on upstream with
// net/http's own reverse proxy, and with the host without fuel checks.
func BenchmarkHost(b *testing.B) {
	body := strings.Repeat("x", benchReply)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, body)
	}))
	defer upstream.Close()
	u, err := url.Parse(upstream.URL)
	require.NoError(b, err)
	native := httputil.NewSingleHostReverseProxy(u)
	native.Transport = &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	open := func(b *testing.B, options ...hostsim.Option) *hostsim.Host {
		host, err := hostsim.Open(context.Background(), guest, append(options, hostsim.WithCompileCache(cacheDir))...)
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, host.Close(context.Background())) })
		return host
	}
	proxy := "/proxy?to=" + url.QueryEscape(upstream.URL)
	b.Run("native-proxy", func(b *testing.B) { bench(b, native, "/") })
	b.Run("proxy", func(b *testing.B) { bench(b, open(b), proxy) })
	b.Run("proxy-without-fuel", func(b *testing.B) { bench(b, open(b, hostsim.WithWatchdog(0)), proxy) })
	b.Run("compute", func(b *testing.B) { bench(b, open(b), "/compute") })
	b.Run("compute-without-fuel", func(b *testing.B) { bench(b, open(b, hostsim.WithWatchdog(0)), "/compute") })
	b.Run("hello", func(b *testing.B) { bench(b, open(b), "/hello") })
	b.Run("hello-without-fuel", func(b *testing.B) { bench(b, open(b, hostsim.WithWatchdog(0)), "/hello") })
}
