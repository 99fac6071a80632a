package mcpserver_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// pair is an authorization server with a client per set of scopes, and an MCP server that trusts it.
type pair struct {
	t       *testing.T
	idp     *authserver.Listening
	mcp     *mcpserver.Listening
	elapsed time.Duration
}

func newPair(t *testing.T) *pair {
	p := &pair{t: t}
	now := func() time.Time { return time.Now().Add(p.elapsed) }
	var err error
	p.idp, err = authserver.Listen("127.0.0.1:0", authserver.Options{Now: now, Clients: []authserver.Client{
		{ID: "agent", Secrets: []string{"s"}},
		{ID: "reader", Secrets: []string{"s"}, Scopes: []string{mcpserver.ScopeRead}},
	}})
	require.NoError(t, err)
	t.Cleanup(func() { p.idp.Close() })
	p.mcp, err = mcpserver.Listen("127.0.0.1:0", mcpserver.Options{
		Issuer: p.idp.Issuer(), KeysURL: p.idp.KeysURL(), Revoked: p.idp.Revoked, Now: now, Credentials: map[string]string{"Authorization": "Basic Zm9vOmJheg=="},
	})
	require.NoError(t, err)
	t.Cleanup(func() { p.mcp.Close() })
	return p
}

func (p *pair) token(client, resource string) string {
	request, err := http.NewRequest("POST", p.idp.TokenEndpoint(), strings.NewReader(url.Values{"grant_type": {"client_credentials"}, "resource": {resource}}.Encode()))
	require.NoError(p.t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(client, "s")
	response, err := http.DefaultClient.Do(request)
	require.NoError(p.t, err)
	defer response.Body.Close()
	require.Equal(p.t, 200, response.StatusCode)
	var reply struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(p.t, json.NewDecoder(response.Body).Decode(&reply))
	return reply.AccessToken
}

type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// assertMedia checks that what is not text can be used for what it is said to be.
func assertMedia(t *testing.T, session *mcp.ClientSession) {
	t.Helper()
	contents := func(tool string) []mcp.Content {
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool})
		require.NoError(t, err)
		assert.Equal(t, tool == "fail", result.IsError)
		return result.Content
	}
	image := contents("picture")[1].(*mcp.ImageContent)
	assert.Equal(t, "image/png", image.MIMEType)
	picture, err := png.Decode(bytes.NewReader(image.Data))
	require.NoError(t, err)
	assert.Equal(t, 96, picture.Bounds().Dx())

	audio := contents("sound")[0].(*mcp.AudioContent)
	assert.Equal(t, "audio/wave", http.DetectContentType(audio.Data))
	assert.EqualValues(t, len(audio.Data)-8, binary.LittleEndian.Uint32(audio.Data[4:]), "the size in the RIFF header")

	documents := contents("documents")
	assert.NotEmpty(t, documents[0].(*mcp.EmbeddedResource).Resource.Text)
	assert.NotEmpty(t, documents[1].(*mcp.EmbeddedResource).Resource.Blob)
	_, err = session.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: documents[2].(*mcp.ResourceLink).URI})
	require.NoError(t, err, "the link leads somewhere")

	assert.Contains(t, contents("fail")[0].(*mcp.TextContent).Text, "out of paper")
}

func TestTools(t *testing.T) {
	p := newPair(t)
	for name, endpoint := range map[string]string{"stateless": p.mcp.URL(), "session": p.mcp.SessionURL()} {
		t.Run(name, func(t *testing.T) {
			progress := make(chan float64, 3)
			client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
				ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) { progress <- r.Params.Progress },
			})
			session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
				Endpoint: endpoint, HTTPClient: &http.Client{Transport: bearer(p.token("agent", endpoint))},
			}, nil)
			require.NoError(t, err)
			defer session.Close()

			tools, err := session.ListTools(t.Context(), nil)
			require.NoError(t, err)
			assert.Len(t, tools.Tools, 8)
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "add", Arguments: map[string]any{"a": 2, "b": 3}})
			require.NoError(t, err)
			assert.Equal(t, map[string]any{"sum": 5.0}, result.StructuredContent)
			result, err = session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
			require.NoError(t, err)
			identity := result.StructuredContent.(map[string]any)
			assert.Equal(t, "agent", identity["client_id"])
			assert.Equal(t, []any{endpoint}, identity["audience"])

			params := &mcp.CallToolParams{Name: "slow", Arguments: map[string]any{"steps": 2, "milliseconds": 1}}
			params.SetProgressToken("p")
			_, err = session.CallTool(t.Context(), params)
			require.NoError(t, err)
			assert.Equal(t, []float64{1, 2}, []float64{<-progress, <-progress})
			assertMedia(t, session)

			resource, err := session.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "demo://greeting"})
			require.NoError(t, err)
			assert.NotEmpty(t, resource.Contents[0].Text)
			prompt, err := session.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "greet", Arguments: map[string]string{"name": "Ada"}})
			require.NoError(t, err)
			assert.Contains(t, prompt.Messages[0].Content.(*mcp.TextContent).Text, "Ada")
		})
	}
	assert.NotEmpty(t, p.mcp.Requests())
	p.mcp.ForgetRequests()
	assert.Empty(t, p.mcp.Requests())
}

func (p *pair) call(authorization, method string) *http.Response {
	body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{"name":"add","arguments":{"a":1,"b":1}}}`
	request, err := http.NewRequest("POST", p.mcp.URL(), strings.NewReader(body))
	require.NoError(p.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { response.Body.Close() })
	return response
}

func TestAuthorization(t *testing.T) {
	p := newPair(t)
	good := p.token("agent", p.mcp.URL())
	revoked := p.token("agent", p.mcp.URL())
	require.True(t, p.idp.RevokeAccessToken(revoked))
	for _, test := range []struct {
		name, authorization, method string
		status                      int
		challenge                   string
	}{
		{"no token", "", "tools/list", 401, `resource_metadata="`},
		{"basic", "Basic Zm9vOmJhcg==", "tools/list", 401, `resource_metadata="`},
		{"a fixed credential", "Basic Zm9vOmJheg==", "tools/call", 200, ""},
		{"garbage", "Bearer rubbish", "tools/list", 401, `error="invalid_token"`},
		{"tampered", "Bearer " + good[:len(good)-8] + "AAAAAAAA", "tools/list", 401, `error="invalid_token"`},
		{"other audience", "Bearer " + p.token("agent", "http://elsewhere/mcp"), "tools/list", 401, `error="invalid_token"`},
		{"revoked", "Bearer " + revoked, "tools/list", 401, `error="invalid_token"`},
		{"good", "Bearer " + good, "tools/call", 200, ""},
		{"reader lists", "Bearer " + p.token("reader", p.mcp.URL()), "tools/list", 200, ""},
		{"reader calls", "Bearer " + p.token("reader", p.mcp.URL()), "tools/call", 403, `error="insufficient_scope"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			response := p.call(test.authorization, test.method)
			body, _ := io.ReadAll(response.Body)
			assert.Equal(t, test.status, response.StatusCode, string(body))
			if test.challenge != "" {
				assert.Contains(t, response.Header.Get("WWW-Authenticate"), test.challenge)
				assert.NotContains(t, string(body), "eyJ")
			}
		})
	}
	require.NoError(t, p.idp.RotateKeys(false))
	assert.Equal(t, 200, p.call("Bearer "+p.token("agent", p.mcp.URL()), "tools/list").StatusCode, "a new key is fetched")
	assert.Equal(t, 401, p.call("Bearer "+good, "tools/list").StatusCode, "a withdrawn key is no longer trusted")
	fresh := p.token("agent", p.mcp.URL())
	p.elapsed = authserver.DefaultTokenLifetime + time.Second
	assert.Equal(t, 401, p.call("Bearer "+fresh, "tools/list").StatusCode, "an expired token")
}

func TestResourceMetadata(t *testing.T) {
	p := newPair(t)
	challenge := p.call("", "tools/list").Header.Get("WWW-Authenticate")
	_, rest, _ := strings.Cut(challenge, `resource_metadata="`)
	metadataURL, _, _ := strings.Cut(rest, `"`)
	response, err := http.Get(metadataURL)
	require.NoError(t, err)
	defer response.Body.Close()
	var metadata map[string]any
	require.NoError(t, json.NewDecoder(response.Body).Decode(&metadata))
	assert.Equal(t, p.mcp.URL(), metadata["resource"])
	assert.Equal(t, []any{p.idp.Issuer()}, metadata["authorization_servers"])
}
