package sse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type told struct {
	kind, id, data string
	retry          time.Duration
}

func readAll(r io.Reader, limit int) (out []told, err error) {
	reader := NewReader(r, limit)
	for {
		e, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, told{e.Type, e.ID, string(e.Data), e.Retry})
	}
}

// TestReader has the cases of the standard (HTML Living Standard §9.2.6).
func TestReader(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []told
	}{
		"data":             {"data: a\n\n", []told{{data: "a"}}},
		"no space":         {"data:a\n\n", []told{{data: "a"}}},
		"one space goes":   {"data:  a\n\n", []told{{data: " a"}}},
		"lines are joined": {"data: a\ndata\ndata: b\n\n", []told{{data: "a\n\nb"}}},
		"carriage returns": {"data: a\r\rdata: b\r\n\r\n", []told{{data: "a"}, {data: "b"}}},
		"comments":         {": hi\n\n:\n\ndata: a\n\n", []told{{data: "a"}}},
		"id stays":         {"id: 1\ndata: a\n\ndata: b\n\n", []told{{id: "1", data: "a"}, {id: "1", data: "b"}}},
		"priming event":    {"id: 7\ndata:\n\n", []told{{id: "7"}}},
		"retry":            {"retry: 500\n\n", []told{{retry: 500 * time.Millisecond}}},
		"bad retry":        {"retry: 5x\ndata: a\n\n", []told{{data: "a"}}},
		"type":             {"event: message\ndata: a\n\n", []told{{kind: "message", data: "a"}}},
		"unfinished":       {"data: a\n\ndata: b\n", []told{{data: "a"}}},
		"byte order mark":  {"\ufeffdata: a\n\n", []told{{data: "a"}}},
		"null in id":       {"id: a\x00b\ndata: x\n\n", []told{{data: "x"}}},
		"unknown field":    {"foo: bar\ndata: x\n\n", []told{{data: "x"}}},
		"empty":            {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAll(strings.NewReader(c.text), 1<<20)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			got, err = readAll(iotest.OneByteReader(strings.NewReader(c.text)), 1<<20)
			require.NoError(t, err)
			assert.Equal(t, c.want, got, "in single bytes")
		})
	}
}

func TestReaderLimits(t *testing.T) {
	_, err := readAll(strings.NewReader("data: "+strings.Repeat("x", 5000)+"\n\n"), 1000)
	assert.ErrorIs(t, err, ErrTooLarge)
	_, err = readAll(strings.NewReader(strings.Repeat("data: xxxxxxxxxxxxxxxxxxxx\n", 100)+"\n"), 1000)
	assert.ErrorIs(t, err, ErrTooLarge)
	_, err = readAll(iotest.ErrReader(io.ErrClosedPipe), 1000)
	assert.ErrorIs(t, err, io.ErrClosedPipe)
}

// FuzzReader holds the reader to its own writer: what is read can be written and is read again
// as the same, however the bytes arrive.
func FuzzReader(f *testing.F) {
	f.Add([]byte("id: 1\nevent: x\ndata: a\r\ndata: b\n\n:c\n\nretry: 5\n\n"))
	f.Add([]byte("\ufeff\r\rdata"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readAll(bytes.NewReader(b), 1<<16)
		slow, slowErr := readAll(iotest.OneByteReader(bytes.NewReader(b)), 1<<16)
		if err != nil || slowErr != nil {
			return
		}
		require.Equal(t, got, slow)
		var out []byte
		reader := NewReader(bytes.NewReader(b), 1<<16)
		for {
			e, err := reader.Next()
			if err != nil {
				break
			}
			out = e.Append(out, e.Data)
		}
		again, err := readAll(bytes.NewReader(out), 1<<17)
		require.NoError(t, err)
		require.Equal(t, got, again, "%q", out)
	})
}

// TestAppend: every line end of the data ends a line of the event (as JSON, it may stand between tokens).
func TestAppend(t *testing.T) {
	for data, want := range map[string]string{
		"a": "a", "": "", "a\nb": "a\nb", "a\r\nb": "a\nb", "a\rb": "a\nb", "{\r\r\n}\r": "{\n\n}\n",
	} {
		got, err := readAll(bytes.NewReader(Append(nil, []byte(data))), 100)
		require.NoError(t, err, "%q", data)
		assert.Equal(t, []told{{data: want}}, got, "%q", data)
	}
}
