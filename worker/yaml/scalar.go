package yaml

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// resolve answers the value of a plain scalar by YAML's core schema. Infinite and
// undefined numbers have no place in JSON and are refused.
func resolve(p *parser, s string) any {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return nil
	case "true", "True", "TRUE":
		return true
	case "false", "False", "FALSE":
		return false
	}
	switch strings.ToLower(strings.TrimLeft(s, "+-")) {
	case ".inf", ".nan":
		p.fail("%s is not a number that JSON knows", s)
	}
	if n, ok := number(s); ok {
		return n
	}
	return s
}

func number(s string) (json.Number, bool) {
	unsigned := strings.TrimLeft(s, "+-")
	if len(s)-len(unsigned) > 1 || unsigned == "" {
		return "", false
	}
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0o") {
		n, err := strconv.ParseUint(s[2:], map[byte]int{'x': 16, 'o': 8}[s[1]], 63)
		if err != nil || strings.ContainsAny(s[2:], "_+-") {
			return "", false
		}
		return json.Number(strconv.FormatUint(n, 10)), true
	}
	digits, points, exponent := 0, 0, false
	for i := 0; i < len(unsigned); i++ {
		switch c := unsigned[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '.' && points == 0 && !exponent:
			points++
		case (c == 'e' || c == 'E') && digits > 0 && !exponent:
			exponent = true
			if i+1 < len(unsigned) && (unsigned[i+1] == '+' || unsigned[i+1] == '-') {
				i++
			}
			if i+1 == len(unsigned) {
				return "", false
			}
		default:
			return "", false
		}
	}
	if digits == 0 {
		return "", false
	}
	if points == 0 && !exponent {
		if len(unsigned) > 1 && unsigned[0] == '0' {
			return "", false // 007 is text: YAML 1.1 and 1.2 read it as different numbers
		}
		n, err := strconv.ParseInt(s, 10, 64)
		return json.Number(strconv.FormatInt(n, 10)), err == nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return "", false
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64)), true
}

// scalar is a quoted scalar before its line breaks are folded and its escapes
// resolved.
type scalar struct {
	quote byte
	raw   string // between the quotes
}

// quoted answers the quoted scalar with which text begins and where it ends.
func quoted(text string) (s scalar, end int, closed bool) {
	q := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case q == '"' && text[i] == '\\':
			i++
		case text[i] != q:
		case q == '\'' && i+1 < len(text) && text[i+1] == '\'':
			i++
		default:
			return scalar{q, text[1:i]}, i + 1, true
		}
	}
	return scalar{}, 0, false
}

func (p *parser) quotedValue(text string, parent int) any {
	first := p.at
	for {
		s, end, closed := quoted(text)
		if closed {
			p.onlyComment(text[end:])
			p.at++
			return s.text(p)
		}
		p.at++
		if p.at >= len(p.lines) {
			p.at = first
			p.fail("a quote is not closed")
		}
		l := &p.lines[p.at]
		if l.text != "" && l.indent <= parent {
			p.fail("the text in quotes must be indented further")
		}
		text = p.more(text, l.raw, first)
	}
}

// Limits of a text in quotes: it is scanned again with each line.
const (
	maxQuotedLines = 500
	maxQuoted      = 128 << 10 // bytes, of a text over several lines
)

// more adds a line to a text in quotes that began on line first.
func (p *parser) more(text, raw string, first int) string {
	if p.at-first > maxQuotedLines || len(text)+len(raw) > maxQuoted {
		p.fail("a text in quotes goes over more than %d lines or %d bytes", maxQuotedLines, maxQuoted)
	}
	return text + "\n" + raw
}

// onlyComment refuses anything but a comment after a value.
func (p *parser) onlyComment(rest string) {
	t := strings.TrimLeft(rest, " \t")
	if t == "" || t[0] == '#' && t != rest {
		return
	}
	p.fail("unexpected text after the value")
}

// text folds lines and resolves escapes.
func (s scalar) text(p *parser) string {
	var b strings.Builder
	raw := s.raw
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c == '\n' || c == ' ' || c == '\t':
			// White space around line breaks goes; one break is a space, n+1 are n breaks.
			j, breaks := i, 0
			for j < len(raw) && (raw[j] == ' ' || raw[j] == '\t' || raw[j] == '\n') {
				if raw[j] == '\n' {
					breaks++
				}
				j++
			}
			switch breaks {
			case 0:
				b.WriteString(raw[i:j])
			case 1:
				b.WriteByte(' ')
			default:
				b.WriteString(strings.Repeat("\n", breaks-1))
			}
			i = j
		case s.quote == '\'' && c == '\'':
			b.WriteByte('\'')
			i += 2
		case s.quote == '"' && c == '\\':
			i += 1 + escape(p, raw[i+1:], &b)
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

var escapes = map[byte]string{
	'0': "\x00", 'a': "\a", 'b': "\b", 't': "\t", 'n': "\n", 'v': "\v", 'f': "\f", 'r': "\r", 'e': "\x1b",
	' ': " ", '"': `"`, '/': "/", '\\': `\`, 'N': "\u0085", '_': "\u00a0", 'L': "\u2028", 'P': "\u2029",
}

// escape resolves what follows a backslash and answers how long it is.
func escape(p *parser, s string, b *strings.Builder) int {
	if s == "" {
		p.fail("a backslash at the end")
	}
	if t, ok := escapes[s[0]]; ok {
		b.WriteString(t)
		return 1
	}
	if n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]; n > 0 && len(s) > n {
		r, err := strconv.ParseUint(s[1:1+n], 16, 32)
		if err == nil && utf8.ValidRune(rune(r)) {
			b.WriteRune(rune(r))
			return 1 + n
		}
	}
	p.fail("an escape that is not known; in 'single quotes' a backslash is itself")
	return 0
}

// block reads a literal (|) or folded (>) scalar.
func (p *parser) block(header string, parent int) any {
	if parent < 0 {
		p.fail("a block text must belong to a key or a list entry")
	}
	folded := header[0] == '>'
	chomp, explicit := byte(0), 0
	i := 1
	for ; i < len(header) && header[i] != ' ' && header[i] != '\t'; i++ {
		switch c := header[i]; {
		case (c == '+' || c == '-') && chomp == 0:
			chomp = c
		case c >= '1' && c <= '9' && explicit == 0:
			explicit = int(c - '0')
		default:
			p.fail("not the head of a block text")
		}
	}
	p.onlyComment(header[i:])
	p.at++
	indent := -1
	if explicit > 0 {
		indent = parent + explicit
	}
	var lines []string
	for ; p.at < len(p.lines); p.at++ {
		l := &p.lines[p.at]
		blank := strings.TrimLeft(l.raw, " ") == ""
		if indent < 0 && !blank {
			if l.indent <= parent {
				break
			}
			indent = l.indent
			for _, before := range lines {
				if len(before) > indent {
					p.fail("a blank line is indented further than the text")
				}
			}
			for i := range lines {
				lines[i] = ""
			}
		}
		switch {
		case blank && indent < 0:
			lines = append(lines, l.raw)
			continue
		case blank:
			lines = append(lines, l.raw[min(len(l.raw), indent):])
			continue
		}
		if l.indent < indent {
			if l.indent > parent && l.text[0] != '#' {
				p.fail("a line of the block text is indented less than its first")
			}
			break
		}
		lines = append(lines, l.raw[indent:])
	}
	if indent < 0 {
		for i := range lines {
			lines[i] = ""
		}
	}
	unterminated := false // the document ends within the text
	if p.at == len(p.lines) && len(lines) > 0 {
		last := p.lines[p.at-1].raw
		unterminated = strings.TrimLeft(last, " ") != "" || indent >= 0 && len(last) > indent
		if !unterminated {
			lines = lines[:len(lines)-1] // what follows the last line break is no line
		}
	}
	end := len(lines)
	for end > 0 && lines[end-1] == "" {
		end--
	}
	trailing := len(lines) - end
	var s string
	if folded {
		s = fold(lines[:end])
	} else {
		s = strings.Join(lines[:end], "\n")
	}
	switch {
	case chomp == '+':
		if end > 0 && !unterminated {
			s += "\n"
		}
		s += strings.Repeat("\n", trailing)
	case chomp == 0 && end > 0 && !unterminated:
		s += "\n"
	}
	return s
}

// fold joins lines with spaces; blank lines are line breaks, and lines that begin
// with white space keep theirs.
func fold(lines []string) string {
	var b strings.Builder
	spaced := func(s string) bool { return s != "" && (s[0] == ' ' || s[0] == '\t') }
	breaks := 0
	for i, l := range lines {
		if l == "" {
			breaks++
			continue
		}
		if i > 0 {
			before := i - breaks - 1
			kept := spaced(l) || before >= 0 && spaced(lines[before])
			switch {
			case before < 0:
				b.WriteString(strings.Repeat("\n", breaks))
			case kept:
				b.WriteString(strings.Repeat("\n", breaks+1))
			case breaks == 0:
				b.WriteByte(' ')
			default:
				b.WriteString(strings.Repeat("\n", breaks))
			}
		}
		b.WriteString(l)
		breaks = 0
	}
	return b.String()
}
