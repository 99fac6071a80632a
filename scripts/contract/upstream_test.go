package contract

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// upstream is an authorization server and an MCP server that trusts it.
type upstream struct {
	idp    *authserver.Listening
	mcp    *mcpserver.Listening
	client authserver.Client
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	return upstreamAt(t, authserver.Options{})
}

// upstreamAt is one whose authorization server has these options.
func upstreamAt(t *testing.T, o authserver.Options) *upstream {
	t.Helper()
	u := &upstream{client: authserver.Client{ID: "client-" + rand.Text(), Secrets: []string{"secret:" + rand.Text()}}}
	var err error
	u.idp, err = authserver.Listen("127.0.0.1:0", o)
	require.NoError(t, err)
	t.Cleanup(func() { u.idp.Close() })
	u.mcp, err = mcpserver.Listen("127.0.0.1:0", mcpserver.Options{Issuer: u.idp.Issuer(), KeysURL: u.idp.KeysURL(), Revoked: u.idp.Revoked})
	require.NoError(t, err)
	t.Cleanup(func() { u.mcp.Close() })
	u.client.DefaultAudience = u.mcp.URL()
	u.idp.Register(u.client)
	return u
}

// record is the server record that makes the gateway use the upstream, under a name of its own.
func (u *upstream) record() map[string]any {
	return map[string]any{
		"server_name": "contract-" + rand.Text()[:12],
		"url":         u.mcp.URL(),
		"transport":   "http",
		"auth_type":   "oauth2",
		"oauth2_flow": "client_credentials",
		"token_url":   u.idp.TokenEndpoint(),
		"credentials": map[string]any{
			"client_id":     u.client.ID,
			"client_secret": u.client.Secrets[0],
			"scopes":        []string{mcpserver.ScopeRead, mcpserver.ScopeCall},
		},
	}
}

// mints at the authorization server for the upstream's client.
func (u *upstream) mints() int { return u.idp.Stats().Mints[u.client.ID] }

// created is what a caller needs of a created record.
type created struct {
	id, slug string
}

// create registers the upstream with the gateway.
func (u *upstream) create(t *testing.T, g *gateway) created {
	t.Helper()
	a := g.admin(t, "POST", "/v1/mcp/server", u.record())
	require.Equal(t, 201, a.StatusCode, "%s", a.text)
	o := a.object(t)
	c := created{}
	c.id, _ = o["server_id"].(string)
	c.slug, _ = o["slug"].(string)
	require.NotEmpty(t, c.id)
	require.NotEmpty(t, c.slug)
	return c
}
