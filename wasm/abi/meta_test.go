package abi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHeaderRoundTrip(t *testing.T) {
	in := http.Header{"Content-Type": {"text/plain"}, "Set-Cookie": {"a=1; Expires=Wed, 01 Jan 2031 00:00:00 GMT", "b=2"}, "X-Empty": {""}}
	out := ParseHeader(strings.TrimPrefix(string(AppendHeader(nil, in)), "\n"))
	assert.Equal(t, in, out)
}

func TestHeaderWithLineBreakIsLeftOut(t *testing.T) {
	b := string(AppendHeader(nil, http.Header{"A": {"x\r\nAuthorization: stolen", "ok"}, "B\nC": {"y"}}))
	assert.Equal(t, "\nA:ok", b)
}

func TestParseHeaderAppendsRepeatedNames(t *testing.T) {
	h := ParseHeader("a:1\nb:2\nA:3\n:no name\nno colon\nurl:http://x:1/")
	assert.Equal(t, http.Header{"A": {"1", "3"}, "B": {"2"}, "Url": {"http://x:1/"}}, h)
}

func FuzzFrames(f *testing.F) {
	f.Add(AppendFrame(AppendFrame(nil, []byte("a")), nil))
	f.Add([]byte{255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		frames, err := Frames(b)
		if err != nil {
			require.ErrorIs(t, err, ErrFrames)
			return
		}
		var again []byte
		for _, v := range frames {
			again = AppendFrame(again, v)
		}
		assert.Equal(t, string(b), string(again))
	})
}

func FuzzParseHeader(f *testing.F) {
	f.Add("content-type:a\nx:b")
	f.Fuzz(func(t *testing.T, lines string) {
		h := ParseHeader(lines)
		if strings.ContainsRune(lines, '\r') {
			return // never sent by a host
		}
		again := ParseHeader(strings.TrimPrefix(string(AppendHeader(nil, h)), "\n"))
		assert.Equal(t, h, again)
	})
}
