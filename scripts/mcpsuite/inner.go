package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

// inner starts a gateway whose upstream is the suite's mock, and uses it as a naive client does: the REST facade
// knows neither eras nor headers nor OAuth, so whatever the suite sees is the gateway's work.
func inner(host, upstream string) error {
	var scenario struct {
		ClientID      string `json:"client_id"`
		ClientSecret  string `json:"client_secret"`
		PrivateKeyPEM string `json:"private_key_pem"`
		Algorithm     string `json:"signing_algorithm"`
		ToolCalls     []struct {
			Name      string          `json:"name"`
			Arguments json.RawMessage `json:"arguments"`
		} `json:"toolCalls"`
	}
	if text := os.Getenv("MCP_CONFORMANCE_CONTEXT"); text != "" {
		if err := json.Unmarshal([]byte(text), &scenario); err != nil {
			return err
		}
	}
	g, err := startGateway(host)
	if err != nil {
		return err
	}
	defer g.close()
	record := map[string]any{"server_name": "mock", "slug": "mock", "url": upstream, "transport": "http", "auth_type": "none"}
	interactive := interactiveScenario(os.Getenv("MCP_CONFORMANCE_SCENARIO"))
	switch {
	case interactive:
		record["auth_type"], record["oauth2_flow"] = "oauth2", "authorization_code"
		credentials := map[string]any{}
		if scenario.ClientID != "" {
			credentials["client_id"] = scenario.ClientID
		}
		if scenario.ClientSecret != "" {
			credentials["client_secret"] = scenario.ClientSecret
		}
		if os.Getenv("MCP_CONFORMANCE_SCENARIO") == "auth/basic-cimd" {
			credentials["client_id"] = metadataDocument
		}
		record["credentials"] = credentials
	case scenario.PrivateKeyPEM != "":
		record["auth_type"], record["oauth2_flow"], record["token_endpoint_auth_method"] = "oauth2", "client_credentials", "private_key_jwt"
		record["credentials"] = map[string]any{"client_id": scenario.ClientID, "client_private_key": scenario.PrivateKeyPEM, "client_private_key_alg": scenario.Algorithm}
	case scenario.ClientSecret != "":
		record["auth_type"], record["oauth2_flow"], record["token_endpoint_auth_method"] = "oauth2", "client_credentials", "client_secret_basic"
		record["credentials"] = map[string]any{"client_id": scenario.ClientID, "client_secret": scenario.ClientSecret}
	}
	if record["auth_type"] == "oauth2" && !interactive {
		record["upstream_resource"] = "auto"
	}
	if err := g.register(record); err != nil {
		return err
	}
	var list struct {
		Tools []struct {
			Name        string `json:"name"`
			InputSchema struct {
				Properties map[string]struct {
					Type string `json:"type"`
				} `json:"properties"`
			} `json:"inputSchema"`
		} `json:"tools"`
	}
	if err := g.authorized(func() error { return g.rest(http.MethodGet, "/mcp-rest/tools/list?server_id=mock", nil, &list) }); err != nil {
		return err
	}
	calls := scenario.ToolCalls
	onlyLists := os.Getenv("MCP_CONFORMANCE_SCENARIO") == "json-schema-ref-no-deref" // its mock cannot be called
	if len(calls) == 0 && !onlyLists {
		for _, tool := range list.Tools {
			arguments := map[string]any{}
			for name, p := range tool.InputSchema.Properties {
				arguments[name] = sample(p.Type)
			}
			b, err := json.Marshal(arguments)
			if err != nil {
				return err
			}
			calls = append(calls, struct {
				Name      string          `json:"name"`
				Arguments json.RawMessage `json:"arguments"`
			}{tool.Name, b})
		}
	}
	for _, c := range calls {
		var result json.RawMessage
		call := func() error {
			return g.rest(http.MethodPost, "/mcp-rest/tools/call", map[string]any{"server_id": "mock", "name": c.Name, "arguments": c.Arguments}, &result)
		}
		if err := g.authorized(call); err != nil {
			return err
		}
	}
	return nil
}

func sample(kind string) any {
	switch kind {
	case "number", "integer":
		return 1
	case "boolean":
		return true
	case "array":
		return []any{}
	case "object":
		return map[string]any{}
	}
	return "text"
}

func (g *gateway) rest(method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequest(method, g.url+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Grantway-Key", g.key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, text)
	}
	return json.Unmarshal(text, out)
}
