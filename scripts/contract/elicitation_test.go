package contract

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
)

// TestOfficialClientIsAskedToConnect: the official client, of either era, that can open a
// URL begins without a connection, is asked to connect, and goes on.
func TestOfficialClientIsAskedToConnect(t *testing.T) {
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		for path, prefix := range map[string]string{"/mcp/files": "", "/mcp": "files__"} {
			t.Run(version+" "+path, func(t *testing.T) {
				w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
				alice := w.key("alice")
				var asked []string
				connect := func(at string) {
					asked = append(asked, at)
					b := newBrowser(t)
					resp, page := b.get(b.authorize(w.begin(b, alice, "files", "")))
					assert.Equal(t, http.StatusOK, resp.StatusCode, page)
				}
				options := &sdk.ClientOptions{
					Capabilities: &sdk.ClientCapabilities{Elicitation: &sdk.ElicitationCapabilities{URL: &sdk.URLElicitationCapabilities{}}},
					ElicitationHandler: func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
						connect(r.Params.URL)
						return &sdk.ElicitResult{Action: "accept"}, nil
					},
				}
				c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, options)
				s, err := c.Connect(t.Context(), &sdk.StreamableClientTransport{
					Endpoint: w.url + path, HTTPClient: &http.Client{Transport: bearer(alice)}, DisableStandaloneSSE: true,
				}, &sdk.ClientSessionOptions{ProtocolVersion: version})
				require.NoError(t, err)
				defer func() { _ = s.Close() }()
				call := &sdk.CallToolParams{Name: prefix + "echo", Arguments: map[string]any{"message": "hi"}}
				_, err = s.CallTool(t.Context(), call)
				if version == "2025-11-25" { // the application opens the URL and repeats the call
					var required *jsonrpc.Error
					require.ErrorAs(t, err, &required)
					require.EqualValues(t, sdk.CodeURLElicitationRequired, required.Code)
					var data struct{ Elicitations []sdk.ElicitParams }
					require.NoError(t, json.Unmarshal(required.Data, &data))
					require.Len(t, data.Elicitations, 1)
					connect(data.Elicitations[0].URL)
					_, err = s.CallTool(t.Context(), call)
				}
				require.NoError(t, err)
				assert.Equal(t, []string{w.url + "/connect/files"}, asked)
				tools, err := s.ListTools(t.Context(), nil)
				require.NoError(t, err)
				assert.NotEmpty(t, tools.Tools)
			})
		}
	}
}

type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return observed(r)
}

// TestLegacyClientIsAskedToConnect: the error of MCP 2025-11-25 for whom it is meant, and an
// error that holds the URL for everybody else.
func TestLegacyClientIsAskedToConnect(t *testing.T) {
	const call = `{"jsonrpc":"2.0","id":"a1","method":"tools/call","params":{"name":"%secho","arguments":{"message":"hi"}}}`
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	alice := w.key("alice")
	at := w.url + "/connect/files"
	open := func(path, version, capabilities string) (status int, session string) {
		resp, body := w.request("POST", path, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"`+version+`","capabilities":`+capabilities+`,"clientInfo":{"name":"t","version":"1"}}}`, "Authorization", "Bearer "+alice)
		if resp.StatusCode != http.StatusOK {
			assert.Contains(t, body, `"url":"`+at+`"`, "an error that says where to connect")
		}
		return resp.StatusCode, resp.Header.Get("Mcp-Session-Id")
	}
	for name, c := range map[string]struct{ version, capabilities string }{
		"no elicitation":               {"2025-11-25", `{}`},
		"forms only":                   {"2025-11-25", `{"elicitation":{"form":{}}}`},
		"a revision without URL mode":  {"2025-06-18", `{"elicitation":{"url":{}}}`},
		"elicitation that says no URL": {"2025-11-25", `{"elicitation":{"url":null}}`},
	} {
		status, _ := open("/mcp/files", c.version, c.capabilities)
		assert.Equal(t, http.StatusForbidden, status, name)
		status, session := open("/mcp", c.version, c.capabilities)
		assert.Equal(t, http.StatusOK, status, name)
		assert.NotEmpty(t, session, name)
	}
	for path, body := range map[string]string{"/mcp/files": call, "/mcp": call} {
		prefix := ""
		if path == "/mcp" {
			prefix = "files__"
		}
		body = strings.Replace(body, "%s", prefix, 1)
		status, session := open(path, "2025-11-25", `{"elicitation":{"url":{}}}`)
		require.Equal(t, http.StatusOK, status, path)
		require.NotEmpty(t, session)
		headers := []string{"Authorization", "Bearer " + alice, "Mcp-Protocol-Version", "2025-11-25"}
		resp, text := w.request("POST", path, body, append(headers, "Mcp-Session-Id", session)...)
		require.Equal(t, http.StatusOK, resp.StatusCode, text)
		var answer struct {
			ID    string
			Error struct {
				Code int
				Data struct {
					Elicitations []struct{ Mode, URL, Message, ElicitationID string }
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(text), &answer))
		assert.Equal(t, "a1", answer.ID)
		assert.Equal(t, -32042, answer.Error.Code)
		require.Len(t, answer.Error.Data.Elicitations, 1, text)
		e := answer.Error.Data.Elicitations[0]
		assert.Equal(t, []string{"url", at}, []string{e.Mode, e.URL})
		assert.NotEmpty(t, e.ElicitationID)
		assert.Contains(t, e.Message, at)
		assert.NotContains(t, text, alice)
		if path == "/mcp" { // no session: nobody knows what the client can do
			resp, text = w.request("POST", path, body, headers...)
			assert.Equal(t, http.StatusForbidden, resp.StatusCode)
			assert.Contains(t, text, `"url":"`+at+`"`)
		}
		other := []string{"Authorization", "Bearer " + w.key("other"), "Mcp-Protocol-Version", "2025-11-25", "Mcp-Session-Id", session}
		resp, text = w.request("POST", path, body, other...)
		assert.NotContains(t, text, "-32042", "a session is its caller's")
		assert.GreaterOrEqual(t, resp.StatusCode, 400)
	}
}

func TestCallerWithoutConnectionIsTold(t *testing.T) {
	w := newInteractiveRealm(t, authserver.Options{Registration: true}, "")
	alice := w.key("alice")
	url := w.url + "/connect/files"
	call := func(capabilities, more string) (*http.Response, string) {
		return w.request("POST", "/mcp/files", `{"jsonrpc":"2.0","id":"a1","method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":`+capabilities+`}`+more+`}}`,
			"Authorization", "Bearer "+alice, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "echo")
	}
	resp, body := call(`{}`, "")
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	assert.Contains(t, body, `"url":"`+url+`"`)
	assert.Contains(t, body, `connect your account at `+url)

	resp, body = call(`{"elicitation":{"url":{}}}`, "")
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	assert.JSONEq(t, `{"jsonrpc":"2.0","id":"a1","result":{"resultType":"input_required","inputRequests":{"grantway_connect":{"method":"elicitation/create","params":{
		"mode":"url","url":"`+url+`","message":"Server files needs your authorization: connect your account at `+url+`."}}}}}`, body)
	assert.NotContains(t, body, alice)

	b := newBrowser(t)
	resp, page := b.get(b.authorize(w.begin(b, alice, "files", "")))
	require.Equal(t, http.StatusOK, resp.StatusCode, page)
	resp, body = call(`{"elicitation":{"url":{}}}`, `,"inputResponses":{"grantway_connect":{"action":"accept"}}`)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	assert.NotContains(t, body, "input_required")
	for _, r := range w.server.Requests() {
		assert.NotContains(t, string(r.Body), "grantway_connect", "the answer was for the gateway")
	}
}
