package sse

import (
	"bytes"
	"strconv"
)

// Append appends an event with this data, which may hold line ends.
func Append(dst []byte, data []byte) []byte {
	for {
		end := lineEnd(data)
		if end < 0 {
			break
		}
		dst = appendLine(dst, data[:end])
		if bytes.HasPrefix(data[end:], []byte("\r\n")) {
			end++
		}
		data = data[end+1:]
	}
	return append(appendLine(dst, data), '\n')
}

func appendLine(dst, line []byte) []byte {
	return append(append(append(dst, "data: "...), line...), '\n')
}

// Append appends the event with other data in its place.
func (e *Event) Append(dst, data []byte) []byte {
	if e.Type != "" {
		dst = append(append(append(dst, "event: "...), e.Type...), '\n')
	}
	if e.HasID {
		dst = append(append(append(dst, "id: "...), e.ID...), '\n')
	}
	if e.Retry > 0 {
		dst = append(strconv.AppendInt(append(dst, "retry: "...), e.Retry.Milliseconds(), 10), '\n')
	}
	if e.Data == nil {
		return append(dst, '\n')
	}
	return Append(dst, data)
}
