package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// serverName is the demo server's name in Grantway, and its slug.
const serverName = "demo"

// tour is the way from an empty Grantway to a tool call.
type tour struct {
	gateway  string
	adminKey string
	client   authserver.Client
	servers  *servers
}

func (t *tour) run(ctx context.Context) error {
	record := map[string]any{
		"server_name": serverName,
		"url":         t.servers.mcp.URL(),
		"transport":   "http",
		"auth_type":   "oauth2",
		"oauth2_flow": "client_credentials",
		"token_url":   t.servers.idp.TokenEndpoint(),
		"credentials": map[string]any{
			"client_id":     t.client.ID,
			"client_secret": t.client.Secrets[0],
			"scopes":        []string{mcpserver.ScopeRead, mcpserver.ScopeCall},
		},
	}
	var created struct {
		ServerID string `json:"server_id"`
		Slug     string `json:"slug"`
	}
	if err := t.request(ctx, http.MethodPost, "/v1/mcp/server", record, http.StatusCreated, &created); err != nil {
		return fmt.Errorf("register the MCP server: %w", err)
	}
	fmt.Printf("1. Registered the MCP server as %q (POST /v1/mcp/server).\n", created.Slug)

	var result struct {
		StructuredContent mcpserver.Identity `json:"structuredContent"`
		IsError           bool               `json:"isError"`
	}
	call := map[string]any{"server_id": created.ServerID, "name": "whoami", "arguments": map[string]any{}}
	if err := t.request(ctx, http.MethodPost, "/mcp-rest/tools/call", call, http.StatusOK, &result); err != nil {
		return fmt.Errorf("call whoami: %w", err)
	}
	first := result.StructuredContent
	if result.IsError || first.ClientID != t.client.ID {
		return fmt.Errorf("whoami answered %+v", result)
	}
	fmt.Printf("2. Called whoami (POST /mcp-rest/tools/call). The MCP server saw client %q with scopes %v,\n   by an access token that Grantway obtained and the caller never saw.\n", first.ClientID, first.Scopes)

	if err := t.callOverMCP(ctx, created.Slug, first.TokenID); err != nil {
		return fmt.Errorf("call over MCP: %w", err)
	}
	if mints := t.servers.idp.Stats().Mints[t.client.ID]; mints != 1 {
		return fmt.Errorf("the authorization server issued %d tokens instead of 1", mints)
	}
	fmt.Println("4. The authorization server issued 1 token for all of it: the later calls used the cached one.")
	return nil
}

// callOverMCP calls tools as an MCP client does, with a Grantway key and nothing else.
func (t *tour) callOverMCP(ctx context.Context, slug, tokenID string) error {
	client := mcp.NewClient(&mcp.Implementation{Name: "grantway-demo", Version: "1.0.0"}, nil)
	endpoint := t.gateway + "/mcp/" + slug
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: endpoint, HTTPClient: &http.Client{Transport: keyTransport(t.adminKey)}, DisableStandaloneSSE: true,
	}, nil)
	if err != nil {
		return err
	}
	defer session.Close()
	tools, err := session.ListTools(ctx, nil)
	if err != nil {
		return err
	}
	sum, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "add", Arguments: map[string]any{"a": 20, "b": 22}})
	if err != nil {
		return err
	}
	if sum.IsError || len(sum.Content) == 0 {
		return errors.New("add failed")
	}
	text, ok := sum.Content[0].(*mcp.TextContent)
	if !ok || text.Text != "42" {
		return fmt.Errorf("add answered %v", sum.Content[0])
	}
	who, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "whoami", Arguments: map[string]any{}})
	if err != nil {
		return err
	}
	identity, _ := who.StructuredContent.(map[string]any)
	if identity["token_id"] != tokenID {
		return errors.New("the second call used another token")
	}
	fmt.Printf("3. Called add over MCP (%s, %d tools): 20 + 22 = %s, with the same token.\n", endpoint, len(tools.Tools), text.Text)
	return nil
}

// keyTransport adds the caller's Grantway key.
type keyTransport string

func (k keyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(k))
	return http.DefaultTransport.RoundTrip(r)
}

// request sends JSON and decodes the answer, which must have the wanted status.
func (t *tour) request(ctx context.Context, method, path string, body any, want int, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, t.gateway+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Transport: keyTransport(t.adminKey)}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != want {
		return fmt.Errorf("status %d: %s", response.StatusCode, answer)
	}
	return json.Unmarshal(answer, into)
}
