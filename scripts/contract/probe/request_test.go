package probe

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// request is what the guest has seen of one.
type request struct {
	Method   string      `json:"method"`
	URL      string      `json:"url"`
	Host     string      `json:"host"`
	Header   http.Header `json:"header"`
	Declared int64       `json:"declared"`
	Length   int64       `json:"length"`
	SHA256   string      `json:"sha256"`
	Error    string      `json:"error"`
}

// Bodies arrive whole: those up to 64 KiB with the request, larger and undeclared ones as a stream.
func TestRequestBody(t *testing.T) {
	p := theProbe(t)
	for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, 5 << 20} {
		for _, declared := range []bool{true, false} {
			content := strings.Repeat("grantway", size/8+1)[:size]
			var reader io.Reader = strings.NewReader(content)
			if !declared {
				reader = struct{ io.Reader }{reader} // of unknown length: sent in chunks
			}
			var got request
			p.send(t, "POST", "/request", reader).into(t, &got)
			sum := sha256.Sum256([]byte(content))
			assert.EqualValues(t, size, got.Length)
			assert.Equal(t, hex.EncodeToString(sum[:]), got.SHA256)
			assert.Empty(t, got.Error)
			switch {
			case declared:
				assert.EqualValues(t, size, got.Declared, "%d bytes", size)
			case size > 0:
				assert.EqualValues(t, -1, got.Declared, "%d bytes, undeclared", size)
			}
		}
	}
}

func TestRequestHead(t *testing.T) {
	p := theProbe(t)
	var got request
	p.send(t, "PUT", "/request?a=1&b=%20x", body("x"),
		"X-Date", "Wed, 21 Oct 2026 07:28:00 GMT", "X-Many", "one", "X-Many", "two", "Grantway-Internal-Test", "from outside",
		"GRANTWAY-INTERNAL-ACTOR", "from outside", "Cookie", "a=1; b=2").into(t, &got)
	assert.Equal(t, "PUT", got.Method)
	assert.Equal(t, p.URL()+"/request?a=1&b=%20x", got.URL)
	assert.Equal(t, strings.TrimPrefix(p.URL(), "http://"), got.Host)
	assert.Equal(t, "Wed, 21 Oct 2026 07:28:00 GMT", got.Header.Get("X-Date"))
	assert.Equal(t, "one, two", strings.Join(got.Header["X-Many"], ", "))
	assert.Equal(t, "a=1; b=2", got.Header.Get("Cookie"))
	for name := range got.Header {
		assert.False(t, strings.HasPrefix(name, "Grantway-Internal-"), name)
	}
}

func TestResponses(t *testing.T) {
	p := theProbe(t)
	for _, test := range []struct{ status, size int }{
		{200, 0}, {200, 1}, {200, 64 << 10}, {200, 1 << 20}, {201, 10}, {204, 0}, {304, 0}, {404, 3}, {500, 3}, {503, 3},
	} {
		a := p.get(t, query("/respond", "status", strconv.Itoa(test.status), "size", strconv.Itoa(test.size),
			"h", "X-Date:Wed, 21 Oct 2026 07:28:00 GMT", "h", "Set-Cookie:a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "h", "Set-Cookie:b=2"))
		assert.Equal(t, test.status, a.status)
		assert.Len(t, a.text, test.size)
		assert.Equal(t, "Wed, 21 Oct 2026 07:28:00 GMT", a.header.Get("X-Date"))
		assert.Equal(t, []string{"a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2"}, a.header["Set-Cookie"])
		if test.size > 0 && test.size <= 64<<10 {
			assert.Equal(t, strconv.Itoa(test.size), a.header.Get("Content-Length"))
		}
	}
}

// Only variables of the gateway reach the guest, and the host's own.
func TestEnvironment(t *testing.T) {
	p := theProbe(t)
	var got map[string]string
	p.get(t, "/env?name=GRANTWAY_TEST&name=OTHER_TEST&name=GRANTWAY_HOST&name=CONFIG").into(t, &got)
	assert.Equal(t, map[string]string{"GRANTWAY_TEST": "value", "OTHER_TEST": "", "GRANTWAY_HOST": hostName, "CONFIG": ""}, got)
}

// A second response, an unknown operation, an unknown handle: each is refused by its number.
func TestSynchronousOperations(t *testing.T) {
	p := theProbe(t)
	for _, test := range []struct {
		name, code, arg, meta string
		want                  int
	}{
		{"unknown", "999", "0", "", -1},
		{"cancel of no handle", "4", "12345", "", -2},
		{"abort of no call", "3", "12345", "", -2},
		{"response without a status", "1", "-1", "no number", -3},
		{"response with a status of 100", "1", "-1", "100", -3},
		{"response from no handle", "1", "12345", "200", -2},
		{"log", "6", "-4", `{"level":"DEBUG","msg":"from the probe"}`, 0},
	} {
		var got int
		p.get(t, query("/sync", "code", test.code, "arg", test.arg, "meta", test.meta)).into(t, &got)
		assert.Equal(t, test.want, got, test.name)
	}
	require.Equal(t, "hello", p.get(t, "/hello").text)
}
