package mcp

import (
	"context"
	"encoding/json"

	"github.com/grantway/grantway/worker/mcp/rawjson"
)

// clientCredentials is the extension by which a caller may obtain its access token by
// client credentials at an issuer that the resource's metadata names (SEP-1046).
const clientCredentials = "io.modelcontextprotocol/oauth-client-credentials"

// advertised adds the gateway's own extensions to the capabilities of the aggregate
// endpoint. Those of a server behind it are that server's to name.
func (x *exchange) advertised(ctx context.Context, capabilities json.RawMessage) json.RawMessage {
	if x.space.Plain || x.h.AcceptsTokens == nil || !x.h.AcceptsTokens(ctx) {
		return capabilities
	}
	o, err := rawjson.ParseObject(capabilities)
	if err != nil {
		return capabilities
	}
	extensions, _ := rawjson.ParseObject(o.Get("extensions"))
	extensions.Set(clientCredentials, []byte("{}"))
	o.Set("extensions", extensions.Encode())
	return o.Encode()
}
