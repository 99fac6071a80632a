package abi

import (
	"net/http"
	"strings"
)

// NextLine cuts the first line off a meta.
func NextLine(meta string) (line, rest string) {
	if i := strings.IndexByte(meta, '\n'); i >= 0 {
		return meta[:i], meta[i+1:]
	}
	return meta, ""
}

// AppendHeader appends a line "\nname:value" per value to b. Values must have no
// line break; one that has is left out, since it would forge another header.
func AppendHeader(b []byte, h http.Header) []byte {
	for name, values := range h {
		if name == "" || strings.ContainsAny(name, "\r\n:") {
			continue
		}
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n") {
				continue
			}
			b = append(b, '\n')
			b = append(b, name...)
			b = append(b, ':')
			b = append(b, v...)
		}
	}
	return b
}

// ParseHeader reads lines "name:value" into a header with canonical names. A line
// without a name is skipped. The strings alias lines.
func ParseHeader(lines string) http.Header {
	h := make(http.Header, 12)
	values := make([]string, 0, 16) // one allocation for the usual number of headers
	for lines != "" {
		var line string
		line, lines = NextLine(lines)
		i := strings.IndexByte(line, ':')
		if i <= 0 {
			continue
		}
		name := http.CanonicalHeaderKey(line[:i])
		if have := h[name]; have != nil {
			h[name] = append(have, line[i+1:])
			continue
		}
		values = append(values, line[i+1:])
		n := len(values)
		h[name] = values[n-1 : n : n]
	}
	return h
}
