package jsonrpc

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const modernCall = `{"jsonrpc":"2.0","id":"r-1","method":"tools/call","params":{"name":"echo","arguments":{"text":"hello, world","n":[1,2.5e3,true,null]},` +
	`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"sampling":{}},"progressToken":7}}}`

func TestScanReadsTheEnvelope(t *testing.T) {
	var m Message
	require.Nil(t, Scan([]byte(modernCall), &m))
	assert.Equal(t, Request, m.Kind)
	assert.Equal(t, `"r-1"`, string(m.ID))
	assert.Equal(t, "tools/call", m.Method)
	assert.Equal(t, "echo", m.Name)
	assert.Equal(t, `{"text":"hello, world","n":[1,2.5e3,true,null]}`, string(m.Arguments))
	assert.Equal(t, "2026-07-28", m.ProtocolVersion)
	assert.Equal(t, `{"sampling":{}}`, string(m.ClientCapabilities))
	assert.Equal(t, "7", string(m.ProgressToken))
	target, has := m.Target()
	assert.True(t, has)
	assert.Equal(t, "echo", target)
}

func TestScanKinds(t *testing.T) {
	for body, want := range map[string]Kind{
		`{"jsonrpc":"2.0","method":"x"}`:                                    Notification,
		` {"id":1,"method":"x","jsonrpc":"2.0"} `:                           Request,
		`{"jsonrpc":"2.0","id":"a","result":{}}`:                            Response,
		`{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}`:      Response,
		`[{"jsonrpc":"2.0","method":"x"}]`:                                  Batch,
		`{"jsonrpc":"2.0","method":"\u0074ools/call","params":{}}`:          Notification,
		`{"jsonrpc":"2.0","id":-1.5e2,"method":"x","params":{"cursor":""}}`: Request,
	} {
		var m Message
		require.Nil(t, Scan([]byte(body), &m), body)
		assert.Equal(t, want, m.Kind, body)
	}
}

// TestScanRefuses lists what two parsers could read differently, and what is no message.
func TestScanRefuses(t *testing.T) {
	deep := strings.Repeat(`[`, MaxDepth+1) + strings.Repeat(`]`, MaxDepth+1)
	for body, code := range map[string]int{
		``:                      CodeParse,
		`{`:                     CodeParse,
		`{"jsonrpc":"2.0",}`:    CodeParse,
		`{} {}`:                 CodeParse,
		`[1,]`:                  CodeParse,
		`{"a":01}`:              CodeParse,
		`{"a":1.}`:              CodeParse,
		`{"a":+1}`:              CodeParse,
		`{"a":"\x"}`:            CodeParse,
		"{\"a\":\"\n\"}":        CodeParse,
		"{\"a\":\"\xff\"}":      CodeParse,
		"{\"a\":\"\xc0\x80\"}":  CodeParse,
		"{\"a\xed\xa0\x80\":1}": CodeParse,
		`{"\ud800":1}`:          CodeParse,
		`{"a":tru}`:             CodeParse,
		`{'a':1}`:               CodeParse,
		"\ufeff{}":              CodeParse,
		`{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}`:                            CodeParse,
		`{"jsonrpc":"2.0","id":1,"method":"a","m\u0065thod":"b"}`:                       CodeParse,
		`{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":{"k":1,"k":2}}}`:            CodeParse,
		`{"jsonrpc":"2.0","id":1,"method":"a","params":` + deep + `}`:                   CodeParse,
		`{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}`:                            CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","NAME":1}}`: CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","param\u017f":{}}`:               CodeInvalidRequest,
		`{"jsonrpc":"1.0","id":1,"method":"a"}`:                                         CodeInvalidRequest,
		`{"id":1,"method":"a"}`:                                                         CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":null,"method":"a"}`:                                      CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":{},"method":"a"}`:                                        CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":1}`:                                           CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":"a","result":{}}`:                             CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"result":{},"error":{}}`:                               CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1}`:                                                      CodeInvalidRequest,
		`"text"`:                                                                        CodeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}`:                            CodeInvalidParams,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}}`:            CodeInvalidParams,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":[]}}`:      CodeInvalidParams,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":1}}`:           CodeInvalidParams,
	} {
		var m Message
		err := Scan([]byte(body), &m)
		if assert.NotNil(t, err, body) {
			assert.Equal(t, code, err.Code, body)
		}
	}
}

func TestScanKeepsTheIDOfABrokenRequest(t *testing.T) {
	var m Message
	require.NotNil(t, Scan([]byte(`{"jsonrpc":"2.0","id":17,"method":`), &m))
	assert.Equal(t, "17", string(m.ID))
}

func TestManyMembers(t *testing.T) {
	o := map[string]int{}
	for i := range 5000 {
		o[strings.Repeat("k", i%7)+string(rune('a'+i%26))+strings.Repeat("x", i/100)] = i
	}
	b, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": "x", "params": o})
	require.NoError(t, err)
	var m Message
	require.Nil(t, Scan(b, &m))
	b = bytes.Replace(b, []byte(`"params":{`), []byte(`"params":{"a":0,`), 1)
	assert.NotNil(t, Scan(b, &m), "a name that occurs twice among many")
}

func TestEach(t *testing.T) {
	var methods []string
	err := Each([]byte(` [ {"jsonrpc":"2.0","method":"a"} , {"jsonrpc":"2.0","id":1,"method":"b"}, 5 ] `), func(_ []byte, m *Message, err *Error) bool {
		if err != nil {
			methods = append(methods, "error")
		} else {
			methods = append(methods, m.Method)
		}
		return true
	})
	require.Nil(t, err)
	assert.Equal(t, []string{"a", "b", "error"}, methods)
	assert.Equal(t, errEmptyBatch, Each([]byte(`[]`), nil))
}

func TestAppend(t *testing.T) {
	assert.Equal(t, `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"a \"b\" ü"}}`, string(AppendError(nil, []byte("1"), &Error{Code: CodeInternal, Message: `a "b" ü`})))
	assert.Equal(t, `{"jsonrpc":"2.0","error":{"code":-32700,"message":"m","data":{}}}`, string(AppendError(nil, nil, &Error{Code: CodeParse, Message: "m", Data: []byte("{}")})))
	assert.Equal(t, `{"jsonrpc":"2.0","method":"m"}`, string(AppendRequest(nil, nil, "m", nil)))
	assert.Equal(t, `{"jsonrpc":"2.0","id":"x","result":{}}`, string(AppendResult(nil, []byte(`"x"`), []byte(`{}`))))
}

// FuzzScan holds Scan to encoding/json: it accepts nothing that is not JSON, and what it
// reads is what encoding/json reads.
func FuzzScan(f *testing.F) {
	for _, s := range []string{modernCall, `{}`, `[]`, `{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"\ud83d\ude00"}}`, "{\"a\":\"\x80\"}", `{"a":1e5,"a":2}`, `"\u12`, `[[[[{"a":[]}]]]]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message
		before := bytes.Clone(b)
		err := Scan(b, &m)
		require.Equal(t, before, b, "the body is not changed")
		if err != nil {
			return
		}
		require.True(t, json.Valid(b), "%q", b)
		if m.Kind == Batch {
			return
		}
		var o struct {
			Method string `json:"method"`
			Params struct {
				Name string `json:"name"`
				URI  string `json:"uri"`
			} `json:"params"`
		}
		if json.Unmarshal(b, &o) == nil && m.Method != "" {
			require.Equal(t, o.Method, m.Method)
			require.Equal(t, o.Params.Name, m.Name)
			require.Equal(t, o.Params.URI, m.URI)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	body := []byte(modernCall)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var m Message
		if err := Scan(body, &m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScanLarge(b *testing.B) {
	body := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"text":"` + strings.Repeat("some text without anything special in it ", 25_000) + `"}}}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var m Message
		if err := Scan(body, &m); err != nil {
			b.Fatal(err)
		}
	}
}
