package contract

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// TestOfficialClientSubscribes: the official client, of either era, is told of changes of a resource of the official server,
// of either era, through the endpoint of several servers.
func TestOfficialClientSubscribes(t *testing.T) {
	g, _ := streamGateway(t)
	for server, stateless := range map[string]bool{"sessions": false, "stateless": true} {
		behind := sdk.NewServer(&sdk.Implementation{Name: "resources", Version: "1"}, &sdk.ServerOptions{
			SubscribeHandler:   func(context.Context, *sdk.SubscribeRequest) error { return nil },
			UnsubscribeHandler: func(context.Context, *sdk.UnsubscribeRequest) error { return nil },
		})
		behind.AddResource(&sdk.Resource{URI: "file:///a", Name: "a"}, func(context.Context, *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
			return &sdk.ReadResourceResult{}, nil
		})
		listening := httptest.NewServer(sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return behind }, &sdk.StreamableHTTPOptions{Stateless: stateless}))
		t.Cleanup(listening.CloseClientConnections)
		slug := "sub-" + strings.ToLower(rand.Text()[:8])
		a := g.admin(t, "POST", "/v1/mcp/server", map[string]any{"server_name": slug, "slug": slug, "url": listening.URL, "transport": "http", "auth_type": "none"})
		require.Equal(t, 201, a.StatusCode, "%s", a.text)
		for _, version := range []string{"2025-11-25", "2026-07-28"} {
			t.Run(version+" client, server with "+server, func(t *testing.T) {
				updated := make(chan string, 100)
				c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, &sdk.ClientOptions{
					ResourceUpdatedHandler: func(_ context.Context, r *sdk.ResourceUpdatedNotificationRequest) { updated <- r.Params.URI },
				})
				s, err := c.Connect(t.Context(), &sdk.StreamableClientTransport{
					Endpoint: g.url + "/mcp/" + slug + ",", HTTPClient: &http.Client{Transport: bearer(g.adminKey)},
				}, &sdk.ClientSessionOptions{ProtocolVersion: version})
				require.NoError(t, err)
				defer func() { _ = s.Close() }()
				uri := "grantway:" + slug + "/file:///a"
				require.NoError(t, s.Subscribe(t.Context(), &sdk.SubscribeParams{URI: uri}))
				require.Eventually(t, func() bool {
					_ = behind.ResourceUpdated(t.Context(), &sdk.ResourceUpdatedNotificationParams{URI: "file:///a"})
					select {
					case got := <-updated:
						return got == uri
					default:
						return false
					}
				}, patience, 20*time.Millisecond)
				require.NoError(t, s.Unsubscribe(t.Context(), &sdk.UnsubscribeParams{URI: uri}))
			})
		}
	}
}
