package contract

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listed answers the titles of the tools of a list by their names.
func listed(t *testing.T, a answer) map[string]string {
	t.Helper()
	require.Equal(t, 200, a.StatusCode, "%s", a.text)
	var list struct {
		Tools []struct{ Name, Title string }
	}
	require.NoError(t, json.Unmarshal(a.text, &list))
	titles := make(map[string]string, len(list.Tools))
	for _, tool := range list.Tools {
		titles[tool.Name] = tool.Title
	}
	return titles
}

// Which tools of a server callers may use, and with which parameters; an administrator is told of every tool that the
// server has.
func TestToolPolicy(t *testing.T) {
	g, u := theGateway(t), newUpstream(t)
	for title, test := range map[string]struct {
		policy       map[string]any
		offered      []string // of echo, add and slow
		call, reason string   // reason: "" where the call succeeds
	}{
		"every tool":                       {nil, []string{"echo", "add", "slow"}, `echo {"message":"x"}`, ""},
		"an empty list is none":            {map[string]any{"allowed_tools": []string{}}, nil, `echo {"message":"x"}`, "tool_denied"},
		"only ticked ones":                 {map[string]any{"allowed_tools": []string{"add"}}, []string{"add"}, `echo {"message":"x"}`, "tool_denied"},
		"every tool but one":               {map[string]any{"disallowed_tools": []string{"echo"}}, []string{"add", "slow"}, `echo {"message":"x"}`, "tool_denied"},
		"refused although it is in a list": {map[string]any{"allowed_tools": []string{"echo", "add"}, "disallowed_tools": []string{"echo"}}, []string{"add"}, `echo {"message":"x"}`, "tool_denied"},
		"a parameter that is permitted":    {map[string]any{"allowed_params": map[string]any{"echo": []string{"message"}}}, []string{"echo", "add", "slow"}, `echo {"message":"x"}`, ""},
		"one that is not":                  {map[string]any{"allowed_params": map[string]any{"slow": []string{"steps"}}}, []string{"echo", "add", "slow"}, `slow {"steps":1,"milliseconds":1}`, "parameter_denied"},
		"no parameter at all":              {map[string]any{"allowed_params": map[string]any{"echo": []string{}}}, []string{"echo", "add", "slow"}, `echo {"message":"x"}`, "parameter_denied"},
	} {
		record := u.record()
		for field, value := range test.policy {
			record[field] = value
		}
		record["tool_name_to_display_name"] = map[string]any{"add": "Sum up"}
		server := g.want(t, 201, "POST", "/v1/mcp/server", record).object(t)["server_id"].(string)
		path := "/mcp-rest/tools/list?server_id=" + server

		titles := listed(t, g.admin(t, "GET", path, nil))
		for _, tool := range []string{"echo", "add", "slow"} {
			_, is := titles[tool]
			assert.Equal(t, slices.Contains(test.offered, tool), is, "%s: %s", title, tool)
		}
		if slices.Contains(test.offered, "add") {
			assert.Equal(t, "Sum up", titles["add"], title)
		}
		every := listed(t, g.admin(t, "GET", path+"&include_disabled=true", nil))
		assert.Len(t, every, 8, title)
		assert.Empty(t, every["add"], "%s: as the server describes it", title)

		tool, arguments, _ := strings.Cut(test.call, " ")
		a := g.admin(t, "POST", "/mcp-rest/tools/call", map[string]any{"server_id": server, "name": tool, "arguments": json.RawMessage(arguments)})
		if test.reason != "" {
			refused(t, a, 403, test.reason)
		} else {
			assert.Equal(t, 200, a.StatusCode, "%s: %s", title, a.text)
		}
		g.want(t, 204, "DELETE", "/v1/mcp/server/"+server, nil)
	}

	server := u.create(t, g)
	key := g.want(t, 201, "POST", "/v1/keys", map[string]any{"name": name("caller"), "servers": []string{server.id}}).object(t)["key"].(string)
	a := g.anonymous(t, "GET", "/mcp-rest/tools/list?include_disabled=true&server_id="+server.id, nil, "Authorization", "Bearer "+key)
	refused(t, a, 403, "forbidden")
}
