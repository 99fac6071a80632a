package policy

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

func TestAllows(t *testing.T) {
	who := &access.Principal{ID: "key:1"}
	limited := &access.Principal{ID: "key:2", Tools: map[string][]string{"id": {"a", "b"}, "other": {}}}
	for name, c := range map[string]struct {
		rec  registry.Record
		who  *access.Principal
		tool string
		want bool
	}{
		"no lists":                       {registry.Record{}, who, "a", true},
		"allowed":                        {registry.Record{AllowedTools: []string{"a"}}, who, "a", true},
		"not allowed":                    {registry.Record{AllowedTools: []string{"a"}}, who, "b", false},
		"an empty allow-list means none": {registry.Record{AllowedTools: []string{}}, who, "a", false},
		"denied":                         {registry.Record{DisallowedTools: []string{"a"}}, who, "a", false},
		"denied wins":                    {registry.Record{AllowedTools: []string{"a"}, DisallowedTools: []string{"a"}}, who, "a", false},
		"case matters":                   {registry.Record{DisallowedTools: []string{"a"}}, who, "A", true},
		"of the key":                     {registry.Record{ServerID: "id"}, limited, "a", true},
		"not of the key":                 {registry.Record{ServerID: "id"}, limited, "c", false},
		"both must allow":                {registry.Record{ServerID: "id", AllowedTools: []string{"c"}}, limited, "a", false},
		"an empty list of the key":       {registry.Record{ServerID: "other"}, limited, "a", false},
		"another server":                 {registry.Record{ServerID: "third"}, limited, "c", true},
	} {
		assert.Equal(t, c.want, Allows(&c.rec, c.who, c.tool), name)
	}
}

func TestCheckParameters(t *testing.T) {
	rec := &registry.Record{AllowedParams: map[string][]string{"t": {"a"}, "none": {}}}
	who := &access.Principal{}
	for _, c := range []struct {
		tool, arguments, code string
	}{
		{"t", `{"a":1}`, ""},
		{"t", ``, ""},
		{"t", `{"a":1,"b":2}`, "parameter_denied"},
		{"t", `{"\u0062":2}`, "parameter_denied"},
		{"none", `{}`, ""},
		{"none", `{"a":1}`, "parameter_denied"},
		{"free", `{"x":1}`, ""},
	} {
		err := Check(rec, who, c.tool, []byte(c.arguments))
		if c.code == "" {
			assert.NoError(t, err, c.arguments)
			continue
		}
		p := problem.From(err)
		assert.Equal(t, c.code, p.Code, c.arguments)
		assert.Equal(t, http.StatusForbidden, p.Status)
	}
}

func TestToolsAreFilteredAndRenamed(t *testing.T) {
	rec := &registry.Record{DisallowedTools: []string{"bad"}, ToolNames: map[string]string{"a": "Tool A"}, ToolDescriptions: map[string]string{"a": "Better"}}
	all := []json.RawMessage{[]byte(`{"name":"a","title":"old","x":{"y":1}}`), []byte(`{"name":"bad"}`), []byte(`{"name":"b"}`), []byte(`{}`)}
	got := Tools(rec, &access.Principal{}, all)
	assert.Len(t, got, 2)
	assert.Equal(t, `{"name":"a","title":"Tool A","x":{"y":1},"description":"Better"}`, string(got[0]))
	assert.Equal(t, `{"name":"b"}`, string(got[1]))
	assert.Equal(t, all, Tools(&registry.Record{}, &access.Principal{}, all), "nothing to do")
}
