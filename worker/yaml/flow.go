package yaml

import "strings"

// flow reads [ … ] or { … }, of which JSON is a part, over as many lines as it takes.
// Lines after the first are indented further than parent, or begin with a closing
// bracket.
func (p *parser) flow(text string, parent int) any {
	f := &flow{p: p, s: text, parent: parent}
	v := f.value()
	p.onlyComment(f.s[f.i:])
	p.at++
	return v
}

type flow struct {
	p *parser
	s string // the rest of the current line
	i int

	parent int
}

// next goes to the next line.
func (f *flow) next(what string) *line {
	f.p.at++
	if f.p.at >= len(f.p.lines) {
		f.p.fail("%s is not closed", what)
	}
	l := &f.p.lines[f.p.at]
	if l.text != "" && l.indent <= f.parent && l.text[0] != ']' && l.text[0] != '}' && l.text[0] != '#' {
		f.p.fail("a line in brackets must be indented further")
	}
	return l
}

// space skips white space, comments and line breaks to the next character.
func (f *flow) space() byte {
	for {
		for f.i < len(f.s) && (f.s[f.i] == ' ' || f.s[f.i] == '\t') {
			f.i++
		}
		if f.i < len(f.s) && (f.s[f.i] != '#' || f.i > 0 && f.s[f.i-1] != ' ' && f.s[f.i-1] != '\t') {
			return f.s[f.i]
		}
		f.s, f.i = f.next("a bracket").text, 0
	}
}

func (f *flow) value() any {
	switch f.space() {
	case '[':
		return f.sequence()
	case '{':
		return f.mapping()
	case '"', '\'':
		return f.quoted()
	}
	s := f.plain()
	return resolve(f.p, s)
}

func (f *flow) sequence() []any {
	f.p.enter()
	defer func() { f.p.depth-- }()
	f.i++
	out := []any{}
	for {
		if f.space() == ']' {
			f.i++
			return out
		}
		f.p.count()
		out = append(out, f.value())
		switch f.space() {
		case ',':
			f.i++
		case ']':
		default:
			f.p.fail("expected ',' or ']'")
		}
	}
}

func (f *flow) mapping() map[string]any {
	f.p.enter()
	defer func() { f.p.depth-- }()
	f.i++
	out := map[string]any{}
	for {
		c := f.space()
		if c == '}' {
			f.i++
			return out
		}
		f.p.count()
		var key string
		line, from := f.p.at, f.i
		wasQuoted := c == '"' || c == '\''
		switch {
		case wasQuoted:
			key = f.quoted()
		case c == '[' || c == '{':
			f.p.fail("complex keys are not supported")
		default:
			key = f.plain()
		}
		f.p.checkKey(out, key, max(len(key), f.i-from))
		if line != f.p.at {
			f.p.fail("a key must be on one line")
		}
		if f.space() != ':' {
			f.p.fail("expected ':' after the key %q", key)
		}
		f.i++
		if !wasQuoted && f.i < len(f.s) && f.s[f.i] != ' ' && f.s[f.i] != '\t' {
			f.p.fail("a space must follow ':'")
		}
		switch f.space() {
		case ',', '}':
			out[key] = nil
		default:
			out[key] = f.value()
		}
		switch f.space() {
		case ',':
			f.i++
		case '}':
		default:
			f.p.fail("expected ',' or '}'")
		}
	}
}

func (f *flow) quoted() string {
	text, first := f.s[f.i:], f.p.at
	for {
		s, end, closed := quoted(text)
		if closed {
			last := text[:end]
			if n := strings.LastIndexByte(last, '\n'); n >= 0 {
				f.s, f.i = strings.TrimRight(text[n+1:], " \t"), end-n-1
			} else {
				f.i += end
			}
			return s.text(f.p)
		}
		text = f.p.more(text, f.next("a quote").raw, first)
	}
}

// plain reads a plain scalar on one line.
func (f *flow) plain() string {
	rest := f.s[f.i:]
	f.p.plainStart(rest)
	switch rest[0] {
	case ':':
		f.p.fail("a value that begins with ':' must be in quotes")
	case '-', '?':
		if strings.ContainsRune(",[]{}", rune(rest[min(1, len(rest)-1)])) {
			f.p.fail("a value that begins with %q must be in quotes", rest[:1])
		}
	}
	n := 0
	for ; n < len(rest); n++ {
		c := rest[n]
		if c == ',' || c == '[' || c == ']' || c == '{' || c == '}' || c == '#' && n > 0 && (rest[n-1] == ' ' || rest[n-1] == '\t') {
			break
		}
		if c == ':' && (n+1 == len(rest) || strings.IndexByte(" \t,[]{}", rest[n+1]) >= 0) {
			break
		}
	}
	if n < len(rest) && (rest[n] == '[' || rest[n] == '{') {
		f.p.fail("a value that holds a bracket must be in quotes")
	}
	f.i += n
	s := strings.TrimRight(rest[:n], " \t")
	if n == len(rest) {
		// YAML would go on in the next line; a configuration file has no need for it.
		switch f.space() {
		case ',', ']', '}', ':':
		default:
			f.p.fail("a value in brackets must be on one line or in quotes")
		}
	}
	return s
}
