package rawjson

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/mcp/jsonrpc"
)

func TestEditKeepsTheRest(t *testing.T) {
	o, err := ParseObject([]byte(` { "b" : 1e2 , "a":[ 1, {"x":"}"} ],"c" : "q\"" } `))
	require.NoError(t, err)
	o.SetText("b", "new")
	o.Set("d", []byte("null"))
	o.Delete("c")
	assert.Equal(t, `{"b":"new","a":[ 1, {"x":"}"} ],"d":null}`, string(o.Encode()))
	text, ok := o.Text("b")
	assert.True(t, ok)
	assert.Equal(t, "new", text)
	_, ok = o.Text("a")
	assert.False(t, ok)
}

func TestParseArray(t *testing.T) {
	a, err := ParseArray([]byte(`[ 1 , "a,b" , {"c":[2]} , [] ]`))
	require.NoError(t, err)
	assert.Equal(t, `[1,"a,b",{"c":[2]},[]]`, string(EncodeArray(a)))
	for _, s := range []string{``, `{}`, `[1`, `1`} {
		_, err := ParseArray([]byte(s))
		assert.Error(t, err, s)
		_, err = ParseObject([]byte(s[:0] + "[" + s))
		assert.Error(t, err, s)
	}
}

// FuzzObject holds the editor to encoding/json on every valid text, and to no panic on others.
func FuzzObject(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,2,"x\\\""]},"c":null}`))
	f.Add([]byte(`{"a"`))
	f.Add([]byte(`{"a":1,"b":"]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := ParseObject(b)
		if a, err := ParseArray(b); err == nil && jsonrpc.Valid(b) == nil {
			require.JSONEq(t, string(b), string(EncodeArray(a)))
		}
		if err != nil || jsonrpc.Valid(b) != nil {
			return
		}
		var want, got map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(b, &want))
		require.NoError(t, json.Unmarshal(o.Encode(), &got))
		require.Len(t, got, len(want))
		require.Len(t, o, len(want))
	})
}
