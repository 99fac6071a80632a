package probe

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
)

// fetched is what came of a request to the network.
type fetched struct {
	Error   string      `json:"error"`
	Timeout bool        `json:"timeout"`
	Status  int         `json:"status"`
	Header  http.Header `json:"header"`
	Length  int64       `json:"length"`
	Body    string      `json:"body"`
}

func (p *probe) fetch(t *testing.T, content string, parameters ...string) (f fetched) {
	t.Helper()
	p.send(t, "POST", query("/fetch", parameters...), body(content)).into(t, &f)
	return f
}

func TestFetch(t *testing.T) {
	p := theProbe(t)
	network := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/echo":
			w.Header().Set("X-Method", r.Method)
			w.Header().Set("X-Query", r.URL.RawQuery)
			w.Header()["X-Got"] = r.Header["X-Sent"]
			w.Header().Set("X-Type", r.Header.Get("Content-Type"))
			w.Header().Set("X-Transfer", strings.Join(r.TransferEncoding, ","))
			_, _ = w.Write(content)
		case "/redirect":
			http.Redirect(w, r, "/echo", http.StatusFound)
		case "/cookies":
			w.Header().Add("Set-Cookie", "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT")
			w.Header().Add("Set-Cookie", "b=2")
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/problem":
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write([]byte("short and stout"))
		}
	})
	f := p.fetch(t, "the body", "method", "POST", "url", network.URL+"/echo?q=%20x", "h", "X-Sent:one, and more", "h", "Content-Type:text/x")
	assert.Equal(t, 200, f.Status, f.Error)
	assert.Equal(t, "the body", f.Body)
	assert.Equal(t, "POST", f.Header.Get("X-Method"))
	assert.Equal(t, "q=%20x", f.Header.Get("X-Query"))
	assert.Equal(t, "one, and more", f.Header.Get("X-Got"))
	assert.Equal(t, "text/x", f.Header.Get("X-Type"))
	assert.Empty(t, f.Header.Get("X-Transfer"), "a body of known length is not sent in chunks")

	assert.Equal(t, "DELETE", p.fetch(t, "", "method", "DELETE", "url", network.URL+"/echo").Header.Get("X-Method"))

	f = p.fetch(t, "", "url", network.URL+"/redirect")
	assert.Equal(t, 302, f.Status, "redirects are not followed")
	assert.Equal(t, "/echo", f.Header.Get("Location"))

	assert.Equal(t, []string{"a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2"}, p.fetch(t, "", "url", network.URL+"/cookies").Header["Set-Cookie"])
	f = p.fetch(t, "", "url", network.URL+"/empty")
	assert.Equal(t, 204, f.Status)
	assert.Empty(t, f.Body)
	f = p.fetch(t, "", "url", network.URL+"/problem")
	assert.Equal(t, 418, f.Status)
	assert.Equal(t, "short and stout", f.Body)
	f = p.fetch(t, "", "method", "HEAD", "url", network.URL+"/problem")
	assert.Equal(t, 418, f.Status)
	assert.Empty(t, f.Body)
}

func TestFetchFails(t *testing.T) {
	p := theProbe(t)
	const closed = "http://127.0.0.1:1" // a port that the system gives to no listener
	broken := upstream(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	// A host that cannot tell network failures apart answers "net".
	for _, test := range []struct{ url, codes string }{
		{closed, "refused net"},
		{broken.URL, "reset net"},
		{"https" + strings.TrimPrefix(broken.URL, "http"), "tls net"},
		{"ftp://example.invalid/", "invalid"},
		{"no URL", "invalid"},
	} {
		got := p.operation(t, opFetch, "", "GET", "net", test.url)
		assert.Contains(t, strings.Fields(test.codes), got.Error, test.url)
	}
	assert.Equal(t, "invalid", p.operation(t, opFetch, "", "GET /", "net", broken.URL).Error)
}

// The guest gives up: the upstream's request is aborted.
func TestFetchTimeout(t *testing.T) {
	p := ownProbe(t, host.Options{})
	begun, aborted := make(chan struct{}), make(chan struct{})
	network := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		close(aborted)
	})
	given := make(chan fetched, 1)
	go func() { given <- p.fetch(t, "", "url", network.URL, "timeout", "3600000") }()
	<-begun
	f := passing(t, p, given)
	assert.NotEmpty(t, f.Error)
	assert.True(t, f.Timeout)
	select {
	case <-aborted:
	case <-time.After(patience):
		assert.Fail(t, "the upstream still waits")
	}
	p.idle(t)
}

// Of a compressed body the guest sees either the bytes as they came and the header that says so, or neither.
func TestFetchCompressed(t *testing.T) {
	p := theProbe(t)
	const plain = "the plain text, the plain text, the plain text"
	network := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write([]byte(plain))
		_ = z.Close()
	})
	f := p.fetch(t, "", "url", network.URL)
	require.Equal(t, 200, f.Status, f.Error)
	assert.Equal(t, f.Body != plain, f.Header.Get("Content-Encoding") == "gzip")
	a := p.get(t, query("/pass", "url", network.URL))
	if a.header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body(a.text))
		require.NoError(t, err)
		undone, err := io.ReadAll(z)
		require.NoError(t, err)
		a.text = string(undone)
	}
	assert.Equal(t, plain, a.text)
}
