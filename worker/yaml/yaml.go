// Package yaml reads the part of YAML 1.2 that configuration files use: block and
// flow mappings and sequences, plain, quoted and block scalars, comments, one
// document. Everything else is refused by name: anchors and aliases (with which a
// small file can stand for a huge one), tags, merge keys, complex keys, further
// documents. A differential test compares what it reads with a full YAML processor
// over a corpus of documents.
//
// It exists because a general YAML library would take a tenth of the module's size.
package yaml

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of a document.
const (
	// MaxDepth is the deepest nesting.
	MaxDepth = 64
	// MaxKey is the longest key, in bytes (YAML's own limit is 1,024 characters).
	MaxKey = 1000
	// MaxNodes is the most scalars, sequences and mappings together.
	MaxNodes = 200_000
)

// Error is what is wrong with a document, and where.
type Error struct {
	Line    int // from 1
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// Parse answers the document as JSON values: map[string]any, []any, string,
// json.Number, bool, nil. Its errors are *Error.
func Parse(doc []byte) (v any, err error) {
	if !utf8.Valid(doc) {
		return nil, &Error{1, "the document is not UTF-8"}
	}
	p := &parser{}
	defer func() {
		if e := recover(); e != nil {
			failure, ok := e.(*Error)
			if !ok {
				panic(e)
			}
			v, err = nil, failure
		}
	}()
	p.split(strings.TrimPrefix(string(doc), "\ufeff"))
	v = p.node(0, -1)
	if l := p.peek(); l != nil {
		p.fail("unexpected content: is it indented as it should be?")
	}
	return v, nil
}

type line struct {
	raw    string // without its line break
	indent int    // spaces before text
	text   string // without spaces on either side
	no     int
}

type parser struct {
	lines []line
	at    int
	depth int
	nodes int
}

func (p *parser) fail(format string, args ...any) {
	no := 1
	if n := len(p.lines); n > 0 {
		no = p.lines[min(p.at, n-1)].no
	}
	panic(&Error{no, fmt.Sprintf(format, args...)})
}

func (p *parser) split(doc string) {
	doc = strings.ReplaceAll(doc, "\r\n", "\n")
	doc = strings.ReplaceAll(doc, "\r", "\n")
	started := false
	for i, raw := range strings.Split(doc, "\n") {
		if strings.ContainsFunc(raw, func(c rune) bool {
			return c < ' ' && c != '\t' || c >= 0x7f && c <= 0x9f || c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff
		}) {
			panic(&Error{i + 1, "a control character must be written as an escape in double quotes"})
		}
		marker := raw == "---" || strings.HasPrefix(raw, "--- ") || strings.HasPrefix(raw, "---\t")
		switch {
		case marker && started:
			panic(&Error{i + 1, "only one document"})
		case marker:
			started = true
			if rest := strings.TrimSpace(raw[3:]); rest != "" && rest[0] != '#' {
				panic(&Error{i + 1, "content must begin on the line after ---"})
			}
			raw = ""
		case raw == "..." || strings.HasPrefix(raw, "... "):
			panic(&Error{i + 1, "only one document"})
		case strings.HasPrefix(raw, "%") && !started:
			panic(&Error{i + 1, "directives are not supported"})
		}
		text := strings.TrimLeft(raw, " ")
		l := line{raw: raw, indent: len(raw) - len(text), text: strings.TrimRight(text, " \t"), no: i + 1}
		if l.text != "" && l.text[0] != '#' {
			started = true
		}
		p.lines = append(p.lines, l)
	}
}

// peek answers the next line that is neither blank nor a comment.
func (p *parser) peek() *line {
	for ; p.at < len(p.lines); p.at++ {
		l := &p.lines[p.at]
		switch {
		case l.text == "" && strings.ContainsRune(l.raw, '\t'):
			p.fail("a tab is not indentation")
		case l.text == "" || l.text[0] == '#':
		case l.text[0] == '\t':
			p.fail("a tab is not indentation")
		default:
			return l
		}
	}
	return nil
}

func (p *parser) enter() {
	p.depth++
	if p.depth > MaxDepth {
		p.fail("nested deeper than %d", MaxDepth)
	}
}

func (p *parser) count() {
	p.nodes++
	if p.nodes > MaxNodes {
		p.fail("more than %d values", MaxNodes)
	}
}

// node reads the node that begins on the next line, if that is indented by at
// least least; else the node is null. parent is the indentation of what holds it.
func (p *parser) node(least, parent int) any {
	l := p.peek()
	if l == nil || l.indent < least {
		p.count()
		return nil
	}
	if isEntry(l.text) {
		return p.sequence(l.indent)
	}
	if _, _, ok := p.key(l.text); ok {
		return p.mapping(l.indent)
	}
	return p.value(l.text, parent)
}

func isEntry(text string) bool {
	return text == "-" || strings.HasPrefix(text, "- ") || strings.HasPrefix(text, "-\t")
}

func (p *parser) sequence(indent int) []any {
	p.enter()
	defer func() { p.depth-- }()
	p.count()
	out := []any{}
	for {
		l := p.peek()
		if l == nil || l.indent < indent || l.indent == indent && !isEntry(l.text) {
			return out
		}
		if l.indent > indent {
			p.fail("indented further than the entry before")
		}
		rest := l.text[1:]
		content := strings.TrimLeft(rest, " ")
		switch {
		case content == "" || content[0] == '#':
			p.at++
			out = append(out, p.node(indent+1, indent))
		case strings.HasPrefix(strings.TrimLeft(rest, " \t"), "#"):
			p.fail("a tab before a comment: use a space")
		case content[0] == '\t':
			p.fail("a tab after '-': use a space")
		default:
			// The entry's content is a line of its own, indented to where it stands.
			l.indent += 1 + len(rest) - len(content)
			l.text = content
			out = append(out, p.node(indent+1, indent))
		}
	}
}

func (p *parser) mapping(indent int) map[string]any {
	p.enter()
	defer func() { p.depth-- }()
	p.count()
	out := map[string]any{}
	for {
		l := p.peek()
		if l == nil || l.indent < indent {
			return out
		}
		if l.indent > indent {
			p.fail("indented further than the key before")
		}
		if isEntry(l.text) {
			p.fail("a list entry among the keys of a mapping")
		}
		key, rest, ok := p.key(l.text)
		if !ok {
			p.fail("expected `key: value`")
		}
		p.checkKey(out, key, len(l.text)-len(rest))
		if rest == "" || rest[0] == '#' {
			p.at++
			if next := p.peek(); next != nil && next.indent == indent && isEntry(next.text) {
				out[key] = p.sequence(indent)
			} else {
				out[key] = p.node(indent+1, indent)
			}
			continue
		}
		out[key] = p.value(rest, indent)
	}
}

// checkKey refuses keys that a mapping cannot have; written is how long the key
// is in the document, in bytes.
func (p *parser) checkKey(m map[string]any, key string, written int) {
	if written > MaxKey {
		p.fail("a key is longer than %d bytes", MaxKey)
	}
	if _, twice := m[key]; twice {
		p.fail("the key %q is there twice", key)
	}
	if key == "<<" {
		p.fail("merge keys are not supported")
	}
}

// key takes `key: rest` apart.
func (p *parser) key(text string) (key, rest string, ok bool) {
	switch text[0] {
	case '"', '\'':
		s, end, closed := quoted(text)
		if !closed {
			return "", "", false // it may go on in the next line: then it is no key
		}
		after := strings.TrimLeft(text[end:], " ")
		if after == ":" || strings.HasPrefix(after, ": ") {
			return s.text(p), strings.TrimLeft(after[1:], " "), true
		}
		return "", "", false
	case '?':
		if len(text) == 1 || text[1] == ' ' || text[1] == '\t' {
			p.fail("complex keys are not supported")
		}
	case '[', '{', '|', '>':
		return "", "", false
	case '&', '*':
		p.fail("anchors and aliases are not supported")
	case '!':
		p.fail("tags are not supported")
	case ':':
		if len(text) == 1 || text[1] == ' ' || text[1] == '\t' {
			p.fail("a key is missing before ':'")
		}
	}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '#' && i > 0 && (text[i-1] == ' ' || text[i-1] == '\t'):
			return "", "", false
		case text[i] == ':' && (i+1 == len(text) || text[i+1] == ' '):
			key = strings.TrimRight(text[:i], " \t")
			p.plainStart(key)
			return key, strings.TrimLeft(text[i+1:], " "), true
		case text[i] == ':' && text[i+1] == '\t':
			p.fail("a tab after ':': use a space")
		}
	}
	return "", "", false
}

// plainStart refuses a plain scalar that begins with an indicator.
func (p *parser) plainStart(s string) {
	switch s[0] {
	case ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`':
		p.fail("a value that begins with %q must be in quotes", s[:1])
	case '-', '?', ':':
		if len(s) == 1 || s[1] == ' ' || s[1] == '\t' {
			p.fail("a value that begins with %q must be in quotes", s[:1])
		}
	}
}

// value reads a scalar or a flow collection that begins with text on the current
// line and may go on in the lines that are indented further than parent.
func (p *parser) value(text string, parent int) any {
	p.count()
	switch text[0] {
	case '|', '>':
		return p.block(text, parent)
	case '"', '\'':
		return p.quotedValue(text, parent)
	case '[', '{':
		return p.flow(text, parent)
	case '&', '*':
		p.fail("anchors and aliases are not supported")
	case '!':
		p.fail("tags are not supported")
	case '\t':
		p.fail("a tab before a value: use a space")
	}
	p.plainStart(text)
	s, commented := p.plainLine(text)
	p.at++
	for blanks := 0; !commented && p.at < len(p.lines); {
		l := &p.lines[p.at]
		if l.text == "" {
			if strings.ContainsRune(l.raw, '\t') {
				p.fail("a tab is not indentation")
			}
			blanks++
			p.at++
			continue
		}
		if l.indent <= parent || l.text[0] == '#' {
			break
		}
		if l.text[0] == '\t' {
			p.fail("a tab is not indentation")
		}
		var more string
		more, commented = p.plainLine(l.text)
		if blanks == 0 {
			s += " " + more
		} else {
			s += strings.Repeat("\n", blanks) + more
		}
		blanks = 0
		p.at++
	}
	return resolve(p, s)
}

// plainLine answers one line of a plain scalar without its comment.
func (p *parser) plainLine(text string) (s string, commented bool) {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '#' && i > 0 && (text[i-1] == ' ' || text[i-1] == '\t'):
			return strings.TrimRight(text[:i], " \t"), true
		case text[i] == ':' && (i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '\t'):
			p.fail("a value that holds ': ' must be in quotes")
		}
	}
	return text, false
}
