package mcpserver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Limits of the tool slow.
const (
	maxSteps    = 100
	maxInterval = 10 * time.Second
)

type echoInput struct {
	Message string `json:"message" jsonschema:"the text to send back"`
}

type echoOutput struct {
	Message string `json:"message"`
}

type addInput struct {
	A float64 `json:"a" jsonschema:"first summand"`
	B float64 `json:"b" jsonschema:"second summand"`
}

type addOutput struct {
	Sum float64 `json:"sum"`
}

type slowInput struct {
	Steps        int `json:"steps,omitempty" jsonschema:"number of steps, 1 to 100; default 5"`
	Milliseconds int `json:"milliseconds,omitempty" jsonschema:"length of a step, up to 10000; default 200"`
}

type slowOutput struct {
	Steps int `json:"steps"`
}

// Identity is what the tool whoami tells: who the access token was issued to, and never the token.
type Identity struct {
	Subject  string   `json:"subject"`
	ClientID string   `json:"client_id"`
	Issuer   string   `json:"issuer"`
	Audience []string `json:"audience"`
	Scopes   []string `json:"scopes"`
	TokenID  string   `json:"token_id" jsonschema:"the token's jti: equal for two calls that used one token"`
	Expires  string   `json:"expires" jsonschema:"RFC 3339"`
}

func newToolServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "grantway-demo", Title: "Grantway demo", Version: "1.0.0"},
		&mcp.ServerOptions{Instructions: "Tools to try a gateway with."})
	readOnly := &mcp.ToolAnnotations{ReadOnlyHint: true}
	mcp.AddTool(server, &mcp.Tool{Name: "echo", Description: "Sends a message back.", Annotations: readOnly}, echo)
	mcp.AddTool(server, &mcp.Tool{Name: "add", Description: "Adds two numbers.", Annotations: readOnly}, add)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami", Description: "Says to whom the access token of this call was issued.", Annotations: readOnly}, whoami)
	mcp.AddTool(server, &mcp.Tool{Name: "slow", Description: "Takes its time, and reports progress and log messages.", Annotations: readOnly}, slow)
	addMediaTools(server)
	server.AddResource(&mcp.Resource{URI: GreetingURI, Name: "greeting", MIMEType: "text/plain", Description: "A greeting."},
		func(_ context.Context, r *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
			return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: r.Params.URI, MIMEType: "text/plain", Text: "Hello from behind the gateway."}}}, nil
		})
	server.AddPrompt(&mcp.Prompt{Name: "greet", Description: "Asks for a greeting.", Arguments: []*mcp.PromptArgument{{Name: "name", Description: "whom to greet", Required: true}}},
		func(_ context.Context, r *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			text := "Greet " + r.Params.Arguments["name"] + " in one sentence."
			return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: &mcp.TextContent{Text: text}}}}, nil
		})
	return server
}

func echo(_ context.Context, _ *mcp.CallToolRequest, in echoInput) (*mcp.CallToolResult, echoOutput, error) {
	return text(in.Message), echoOutput(in), nil
}

func add(_ context.Context, _ *mcp.CallToolRequest, in addInput) (*mcp.CallToolResult, addOutput, error) {
	return text(fmt.Sprint(in.A + in.B)), addOutput{in.A + in.B}, nil
}

func whoami(_ context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, Identity, error) {
	if r.Extra == nil || r.Extra.TokenInfo == nil {
		return nil, Identity{}, errors.New("the call carries no identity")
	}
	claims := r.Extra.TokenInfo.Extra["claims"].(Claims)
	identity := Identity{
		Subject:  claims.Subject,
		ClientID: claims.ClientID,
		Issuer:   claims.Issuer,
		Audience: claims.Audience,
		Scopes:   strings.Fields(claims.Scope),
		TokenID:  claims.ID,
		Expires:  claims.Expiry.Time().UTC().Format(time.RFC3339),
	}
	return text("You are " + identity.ClientID + "."), identity, nil
}

func slow(ctx context.Context, r *mcp.CallToolRequest, in slowInput) (*mcp.CallToolResult, slowOutput, error) {
	if in.Steps == 0 {
		in.Steps = 5
	}
	if in.Milliseconds == 0 {
		in.Milliseconds = 200
	}
	step := time.Duration(in.Milliseconds) * time.Millisecond
	if in.Steps < 1 || in.Steps > maxSteps || step < 0 || step > maxInterval {
		return nil, slowOutput{}, fmt.Errorf("steps must be 1 to %d, a step at most %s", maxSteps, maxInterval)
	}
	for i := range in.Steps {
		timer := time.NewTimer(step)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, slowOutput{}, ctx.Err()
		}
		message := fmt.Sprintf("step %d of %d", i+1, in.Steps)
		// Told only to those who asked for log messages.
		//lint:ignore SA1019 servers go on sending them
		if err := r.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "info", Logger: "slow", Data: message + " took " + step.String()}); err != nil {
			return nil, slowOutput{}, err
		}
		if token := r.Params.GetProgressToken(); token != nil {
			err := r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
				ProgressToken: token, Progress: float64(i + 1), Total: float64(in.Steps), Message: message,
			})
			if err != nil {
				return nil, slowOutput{}, err
			}
		}
	}
	return text(fmt.Sprintf("%d steps done", in.Steps)), slowOutput{in.Steps}, nil
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}
