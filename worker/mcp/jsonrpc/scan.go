package jsonrpc

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is the deepest nesting of arrays and objects in a message.
const MaxDepth = 128

// Reasons why a body is not a message. They are *Error with the code of the
// specification and no more.
var (
	errSyntax     = &Error{Code: CodeParse, Message: "Parse error: the body is not valid JSON."}
	errUTF8       = &Error{Code: CodeParse, Message: "Parse error: the body is not valid UTF-8."}
	errDepth      = &Error{Code: CodeParse, Message: "Parse error: the body is nested too deeply."}
	errDuplicate  = &Error{Code: CodeParse, Message: "Parse error: a member name occurs twice in an object."}
	errAmbiguous  = &Error{Code: CodeInvalidRequest, Message: "Invalid Request: a member name differs from a reserved one only in case."}
	errEnvelope   = &Error{Code: CodeInvalidRequest, Message: "Invalid Request: not a JSON-RPC 2.0 request, notification or response."}
	errID         = &Error{Code: CodeInvalidRequest, Message: "Invalid Request: the id must be a string or a number."}
	errParams     = &Error{Code: CodeInvalidParams, Message: "Invalid params: params must be an object."}
	errMeta       = &Error{Code: CodeInvalidParams, Message: "Invalid params: _meta must be an object."}
	errParamType  = &Error{Code: CodeInvalidParams, Message: "Invalid params: name, uri and taskId must be strings."}
	errArguments  = &Error{Code: CodeInvalidParams, Message: "Invalid params: arguments must be an object."}
	errEmptyBatch = &Error{Code: CodeInvalidRequest, Message: "Invalid Request: an empty batch."}
)

// Scan reads body into m. On an error m holds what was read before it, in
// particular the id for the answer if it came first. A batch is validated as
// JSON only; its messages are scanned by Each.
func Scan(body []byte, m *Message) *Error {
	*m = Message{}
	s := scanner{b: body, m: m}
	s.space()
	if s.i == len(s.b) {
		return errSyntax
	}
	switch s.b[s.i] {
	case '{':
		if err := s.object(levelTop); err != nil {
			return err
		}
	case '[':
		if err := s.array(); err != nil {
			return err
		}
		m.Kind = Batch
	default:
		if err := s.value(); err != nil {
			return err
		}
	}
	s.space()
	if s.i != len(s.b) {
		return errSyntax
	}
	if m.Kind == Batch {
		return nil
	}
	return s.classify()
}

func (s *scanner) classify() *Error {
	m := s.m
	if !s.version {
		return errEnvelope
	}
	hasMethod := s.seen&seenMethod != 0
	switch {
	case s.badID && (hasMethod || m.Error == nil): // an error may answer nobody: id null
		return errID
	case hasMethod && (m.Result != nil || m.Error != nil):
		return errEnvelope
	case hasMethod && s.bad != nil:
		m.Kind = kindOf(m)
		return s.bad
	case hasMethod:
		m.Kind = kindOf(m)
		return nil
	case (m.Result != nil) != (m.Error != nil):
		m.Kind = Response
		return nil
	}
	return errEnvelope
}

func kindOf(m *Message) Kind {
	if m.ID == nil {
		return Notification
	}
	return Request
}

// Each scans every message of a batch.
func Each(body []byte, f func(raw []byte, m *Message, err *Error) bool) *Error {
	s := scanner{b: body}
	s.space()
	if s.i == len(s.b) || s.b[s.i] != '[' {
		return errSyntax
	}
	more, err := s.enter(']')
	if err == nil && !more {
		return errEmptyBatch
	}
	var m Message
	for more && err == nil {
		var raw []byte
		if raw, err = s.raw(); err != nil || !f(raw, &m, Scan(raw, &m)) {
			break
		}
		more, err = s.next(']')
	}
	return err
}

// level is where in a message an object is.
type level uint8

const (
	levelInner level = iota
	levelTop
	levelParams
	levelMeta
)

const seenMethod = 1

// linearKeys is the number of members up to which names are compared one by one.
const linearKeys = 16

type scanner struct {
	b       []byte
	i       int
	depth   int
	m       *Message
	version bool // "jsonrpc":"2.0" was there
	seen    uint8
	badID   bool
	bad     *Error // of params; reported after the envelope
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// value skips one value and validates it.
func (s *scanner) value() *Error {
	if s.i == len(s.b) {
		return errSyntax
	}
	switch c := s.b[s.i]; c {
	case '{':
		return s.object(levelInner)
	case '[':
		return s.array()
	case '"':
		_, _, err := s.text()
		return err
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return s.number()
		}
		return errSyntax
	}
}

func (s *scanner) literal(word string) *Error {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return errSyntax
	}
	s.i += len(word)
	return nil
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

func (s *scanner) number() *Error {
	if s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return errSyntax
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return errSyntax
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if !s.digits() {
			return errSyntax
		}
	}
	return nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the bytes of v that end the fast path of a string: controls, '"', '\\' and
// everything that is not ASCII. A mark above the first true one may be false.
func special(v uint64) uint64 {
	quote := v ^ ones*'"'
	slash := v ^ ones*'\\'
	return (v | (v - ones*0x20) | ((quote - ones) &^ quote) | ((slash - ones) &^ slash)) & highs
}

// text skips a string and answers what is between its quotes, and whether that
// holds escapes.
func (s *scanner) text() (raw []byte, escaped bool, err *Error) {
	b := s.b
	i := s.i + 1
	start := i
	for {
		for i+8 <= len(b) {
			if hit := special(binary.LittleEndian.Uint64(b[i:])); hit != 0 {
				i += bits.TrailingZeros64(hit) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			return nil, false, errSyntax
		}
		switch c := b[i]; {
		case c == '"':
			s.i = i + 1
			return b[start:i], escaped, nil
		case c == '\\':
			escaped = true
			if i+1 >= len(b) {
				return nil, false, errSyntax
			}
			switch b[i+1] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				i += 2
			case 'u':
				if _, ok := hex4(b, i+2); !ok {
					return nil, false, errSyntax
				}
				i += 6
			default:
				return nil, false, errSyntax
			}
		case c < ' ':
			return nil, false, errSyntax
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n <= 1 {
				return nil, false, errUTF8
			}
			i += n
		}
	}
}

// decoded is text without escapes.
func (s *scanner) decoded() ([]byte, *Error) {
	v, escaped, err := s.text()
	if err == nil && escaped {
		return unescape(v)
	}
	return v, err
}

func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape decodes the inside of a valid JSON string. It refuses a lone surrogate, which
// has no one reading.
func unescape(raw []byte) ([]byte, *Error) {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			i++
			continue
		}
		switch c := raw[i+1]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(raw, i+2)
			i += 4
			if utf16.IsSurrogate(r) {
				if i+3 >= len(raw) || raw[i+2] != '\\' || raw[i+3] != 'u' {
					return nil, errUTF8
				}
				low, _ := hex4(raw, i+4)
				if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
					return nil, errUTF8
				}
				i += 6
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
		i += 2
	}
	return out, nil
}

// Unquote decodes a raw JSON string; false if raw is something else, or has no one
// reading.
func Unquote(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	s := scanner{b: raw}
	inside, err := s.decoded()
	return string(inside), err == nil && s.i == len(raw)
}

// enter begins an array or object; more is false if it is empty.
func (s *scanner) enter(end byte) (more bool, err *Error) {
	if s.depth++; s.depth > MaxDepth {
		return false, errDepth
	}
	s.i++
	s.space()
	if s.i < len(s.b) && s.b[s.i] == end {
		s.i++
		s.depth--
		return false, nil
	}
	return true, nil
}

// next goes behind an element of an array or object; more is false after the last.
func (s *scanner) next(end byte) (more bool, err *Error) {
	s.space()
	if s.i == len(s.b) {
		return false, errSyntax
	}
	c := s.b[s.i]
	s.i++
	switch c {
	case end:
		s.depth--
		return false, nil
	case ',':
		s.space()
		return true, nil
	}
	return false, errSyntax
}

func (s *scanner) array() *Error {
	more, err := s.enter(']')
	for more && err == nil {
		if err = s.value(); err == nil {
			more, err = s.next(']')
		}
	}
	return err
}

func (s *scanner) object(at level) *Error {
	more, err := s.enter('}')
	if !more {
		return err
	}
	var names names
	for more {
		if s.i == len(s.b) || s.b[s.i] != '"' {
			return errSyntax
		}
		key, err := s.decoded()
		if err != nil {
			return err
		}
		if !names.add(key) {
			return errDuplicate
		}
		s.space()
		if s.i == len(s.b) || s.b[s.i] != ':' {
			return errSyntax
		}
		s.i++
		s.space()
		switch at {
		case levelInner:
			err = s.value()
		case levelTop:
			err = s.topMember(key)
		case levelParams:
			err = s.paramsMember(key)
		case levelMeta:
			err = s.metaMember(key)
		}
		if err != nil {
			return err
		}
		if more, err = s.next('}'); err != nil {
			return err
		}
	}
	return nil
}

// names finds a member name that occurs twice in one object.
type names struct {
	n    int
	few  [linearKeys][]byte
	many map[string]struct{}
}

func (k *names) add(key []byte) bool {
	if k.many != nil {
		if _, dup := k.many[string(key)]; dup {
			return false
		}
		k.many[string(key)] = struct{}{}
		return true
	}
	for _, have := range k.few[:k.n] {
		if bytes.Equal(have, key) {
			return false
		}
	}
	if k.n == linearKeys {
		k.many = make(map[string]struct{}, 4*linearKeys)
		for _, have := range k.few {
			k.many[string(have)] = struct{}{}
		}
		k.many[string(key)] = struct{}{}
		return true
	}
	k.few[k.n] = key
	k.n++
	return true
}

// raw skips a value and answers its bytes.
func (s *scanner) raw() ([]byte, *Error) {
	start := s.i
	err := s.value()
	return s.b[start:s.i], err
}

func (s *scanner) topMember(key []byte) *Error {
	m := s.m
	switch string(key) {
	case "jsonrpc":
		v, err := s.raw()
		s.version = string(v) == `"2.0"`
		return err
	case "id":
		v, err := s.raw()
		if err != nil {
			return err
		}
		if c := v[0]; c == '"' || c == '-' || c >= '0' && c <= '9' {
			m.ID = v
		} else {
			s.badID = true
		}
		return nil
	case "method":
		if s.i < len(s.b) && s.b[s.i] == '"' {
			v, err := s.decoded()
			if err != nil {
				return err
			}
			m.Method = methodName(v)
			s.seen |= seenMethod
			return nil
		}
		return s.value()
	case "params":
		return s.objectMember(&m.Params, levelParams, errParams)
	case "result":
		v, err := s.raw()
		m.Result = v
		return err
	case "error":
		v, err := s.raw()
		m.Error = v
		return err
	}
	if ambiguous(key, "jsonrpc", "id", "method", "params", "result", "error") {
		return errAmbiguous
	}
	return s.value()
}

func (s *scanner) fault(e *Error) {
	if s.bad == nil {
		s.bad = e
	}
}

// objectMember reads a member that must be an object of this level.
func (s *scanner) objectMember(to *[]byte, at level, otherwise *Error) *Error {
	if s.i < len(s.b) && s.b[s.i] == '{' {
		start := s.i
		err := s.object(at)
		*to = s.b[start:s.i]
		return err
	}
	s.fault(otherwise)
	return s.value()
}

func (s *scanner) textMember(to *string) *Error {
	if s.i < len(s.b) && s.b[s.i] == '"' {
		v, err := s.decoded()
		*to = string(v)
		return err
	}
	s.fault(errParamType)
	return s.value()
}

func (s *scanner) paramsMember(key []byte) *Error {
	m := s.m
	var err *Error
	switch string(key) {
	case "name":
		return s.textMember(&m.Name)
	case "uri":
		return s.textMember(&m.URI)
	case "taskId":
		return s.textMember(&m.TaskID)
	case "cursor":
		m.Cursor, err = s.raw()
		return err
	case "arguments":
		if s.i < len(s.b) && s.b[s.i] != '{' && s.b[s.i] != 'n' {
			s.fault(errArguments)
		}
		m.Arguments, err = s.raw()
		return err
	case "inputResponses", "requestState":
		m.Retry = true
		return s.value()
	case "_meta":
		return s.objectMember(&m.Meta, levelMeta, errMeta)
	}
	if ambiguous(key, "name", "uri", "taskId", "cursor", "arguments", "_meta", "inputResponses", "requestState") {
		return errAmbiguous
	}
	return s.value()
}

func (s *scanner) metaMember(key []byte) *Error {
	m := s.m
	v, err := s.raw()
	if err != nil {
		return err
	}
	switch string(key) {
	case MetaProtocolVersion:
		if text, ok := Unquote(v); ok {
			m.ProtocolVersion = versionName([]byte(text))
		}
	case MetaClientCapabilities:
		if v[0] == '{' {
			m.ClientCapabilities = v
		}
	case MetaClientInfo:
		m.ClientInfo = v
	case MetaLogLevel:
		m.LogLevel = v
	case "progressToken":
		m.ProgressToken = v
	default:
		if ambiguous(key, MetaProtocolVersion, MetaClientCapabilities, MetaLogLevel) {
			return errAmbiguous
		}
	}
	return nil
}

// ambiguous reports whether a parser that ignores case would take key for one of
// the names.
func ambiguous(key []byte, names ...string) bool {
	for _, name := range names {
		if strings.EqualFold(string(key), name) {
			return true
		}
	}
	return false
}

// Valid reports why b is not a JSON text by Scan's rules, or nil.
func Valid(b []byte) *Error {
	s := scanner{b: b}
	s.space()
	if err := s.value(); err != nil {
		return err
	}
	s.space()
	if s.i != len(b) {
		return errSyntax
	}
	return nil
}
