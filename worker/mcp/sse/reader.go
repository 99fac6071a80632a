// Package sse reads and writes text/event-stream (HTML Living Standard §9.2) as
// far as MCP uses it.
package sse

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"
)

// ErrTooLarge means that one event is larger than the reader's limit.
var ErrTooLarge = errors.New("sse: an event is too large")

// Event is one dispatched event. Data is valid until the next call of Next.
type Event struct {
	Type  string // event field; "" means message
	ID    string // last event id so far
	HasID bool   // this event carried an id field
	Data  []byte // data lines joined by \n; empty for an event without data
	Retry time.Duration
}

// Reader takes a stream apart.
type Reader struct {
	r     io.Reader
	limit int
	buf   []byte
	start int // unread part of buf
	end   int
	data  []byte
	id    string
	bom   bool
	skip  bool // a \r ended the last line: a \n that follows belongs to it
	err   error
}

// NewReader reads events of at most limit bytes.
func NewReader(r io.Reader, limit int) *Reader {
	return &Reader{r: r, limit: limit, buf: make([]byte, 2<<10)} // small: many streams wait for long
}

// Next answers the next event that has data or an id; io.EOF at the end of the stream,
// where an unfinished event is dropped.
func (r *Reader) Next() (Event, error) {
	var e Event
	r.data = r.data[:0]
	hasData := false
	for {
		line, err := r.line()
		if err != nil {
			return Event{}, err
		}
		if len(line) == 0 {
			if hasData || e.HasID || e.Retry > 0 {
				e.ID = r.id
				if hasData {
					e.Data = r.data[:len(r.data)-1]
				}
				return e, nil
			}
			e = Event{}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(field) {
		case "data":
			if len(r.data)+len(value) > r.limit {
				return Event{}, ErrTooLarge
			}
			r.data = append(append(r.data, value...), '\n')
			hasData = true
		case "event":
			e.Type = string(value)
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				r.id, e.HasID = string(value), true
			}
		case "retry":
			if n, err := strconv.ParseUint(string(value), 10, 31); err == nil {
				e.Retry = time.Duration(n) * time.Millisecond
			}
		}
	}
}

// line answers the next line without its end.
func (r *Reader) line() ([]byte, error) {
	seen := 0 // bytes of the window without a line end
	for {
		if r.skip && r.start < r.end {
			if r.buf[r.start] == '\n' {
				r.start++
			}
			r.skip = false
		}
		window := r.buf[r.start:r.end]
		if !r.bom {
			if len(window) < len(byteOrderMark) && r.err == nil && bytes.HasPrefix(byteOrderMark, window) {
				r.fill()
				continue
			}
			r.bom = true
			if bytes.HasPrefix(window, byteOrderMark) {
				r.start += len(byteOrderMark)
				continue
			}
		}
		if i := lineEnd(window[seen:]); i >= 0 {
			i += seen
			r.skip = window[i] == '\r'
			r.start += i + 1
			return window[:i], nil
		}
		seen = len(window)
		if seen > r.limit+len("data: ") {
			return nil, ErrTooLarge
		}
		if r.err != nil {
			return nil, r.err
		}
		r.fill()
	}
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// lineEnd answers the index of the first line end, or -1.
func lineEnd(b []byte) int {
	n := bytes.IndexByte(b, '\n')
	if n >= 0 {
		b = b[:n]
	}
	if r := bytes.IndexByte(b, '\r'); r >= 0 {
		return r
	}
	return n
}

func (r *Reader) fill() {
	if r.start > 0 {
		copy(r.buf, r.buf[r.start:r.end])
		r.end -= r.start
		r.start = 0
	}
	if r.end == len(r.buf) {
		bigger := make([]byte, 2*len(r.buf))
		copy(bigger, r.buf[:r.end])
		r.buf = bigger
	}
	n, err := r.r.Read(r.buf[r.end:])
	r.end += n
	if err != nil {
		r.err = err
	}
}
