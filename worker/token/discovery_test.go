package token_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

// site serves documents by URL in front of the world's network; "" means 404.
func (w *world) site(documents map[string]string) (fetched func() int) {
	inner := w.platform.Transport
	n := 0
	w.platform.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Authorization") != "" && strings.Contains(r.URL.Path, "/.well-known/") {
			w.t.Error("metadata was asked for with a credential")
		}
		w.mu.Lock()
		body, known := documents[r.URL.String()]
		if strings.Contains(r.URL.Path, "/.well-known/") {
			n++
		}
		w.mu.Unlock()
		switch {
		case known && strings.HasPrefix(body, "Bearer"):
			if r.Header.Get("Authorization") != "" {
				return inner.RoundTrip(r)
			}
			resp := reply(401, "", "")
			resp.Header.Set("WWW-Authenticate", body)
			return resp, nil
		case known && strings.HasPrefix(body, "->"):
			resp := reply(302, "", "")
			resp.Header.Set("Location", body[2:])
			return resp, nil
		case known && body == "down":
			return reply(503, "", ""), nil
		case known && body != "":
			return reply(200, "application/json", body), nil
		case strings.Contains(r.URL.Path, "/.well-known/"):
			return reply(404, "", ""), nil
		}
		return inner.RoundTrip(r)
	})
	return func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return n
	}
}

const (
	resourceDocument = `{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://idp.example.com/tenant"],"scopes_supported":["a"]}`
	serverDocument   = `{"issuer":"https://idp.example.com/tenant","token_endpoint":"https://idp.example.com/token","token_endpoint_auth_methods_supported":["client_secret_basic"]}`

	challengeAt = "https://mcp.example.com/mcp"
	resourceAt  = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
	rootAt      = "https://mcp.example.com/.well-known/oauth-protected-resource"
	serverAt    = "https://idp.example.com/.well-known/oauth-authorization-server/tenant"
	oidcAt      = "https://idp.example.com/.well-known/openid-configuration/tenant"
	oidcBelowAt = "https://idp.example.com/tenant/.well-known/openid-configuration"
)

func undiscovered(r *registry.Record) { r.TokenURL, r.UpstreamResource = "", "auto" }

func TestDiscovery(t *testing.T) {
	for name, test := range map[string]struct {
		documents map[string]string
		edit      func(*registry.Record)
		code      string // "" means that a token is found
		resource  string
	}{
		"from the challenge": {map[string]string{
			challengeAt: `Bearer resource_metadata="https://mcp.example.com/meta"`, "https://mcp.example.com/meta": resourceDocument, serverAt: serverDocument,
		}, nil, "", "https://mcp.example.com/mcp"},
		"well-known, with the path":    {map[string]string{challengeAt: "Bearer", resourceAt: resourceDocument, serverAt: serverDocument}, nil, "", "https://mcp.example.com/mcp"},
		"well-known, at the root":      {map[string]string{challengeAt: "Bearer", rootAt: strings.Replace(resourceDocument, "com/mcp", "com/", 1), serverAt: serverDocument}, nil, "", "https://mcp.example.com/"},
		"OpenID Connect, inserted":     {map[string]string{challengeAt: "Bearer", resourceAt: resourceDocument, oidcAt: serverDocument}, nil, "", "https://mcp.example.com/mcp"},
		"OpenID Connect, appended":     {map[string]string{challengeAt: "Bearer", resourceAt: resourceDocument, oidcBelowAt: serverDocument}, nil, "", "https://mcp.example.com/mcp"},
		"from the issuer":              {map[string]string{serverAt: serverDocument}, func(r *registry.Record) { r.Issuer, r.UpstreamResource = "https://idp.example.com/tenant", "" }, "", ""},
		"the resource only":            {map[string]string{challengeAt: "Bearer", resourceAt: resourceDocument}, func(r *registry.Record) { r.TokenURL = tokenURL }, "", "https://mcp.example.com/mcp"},
		"nothing there":                {map[string]string{challengeAt: "Bearer"}, nil, "discovery_failed", ""},
		"about another resource":       {map[string]string{challengeAt: "Bearer", resourceAt: strings.Replace(resourceDocument, "mcp.example.com", "evil.example.com", 1), serverAt: serverDocument}, nil, "discovery_failed", ""},
		"about a sibling path":         {map[string]string{challengeAt: "Bearer", resourceAt: strings.Replace(resourceDocument, "com/mcp", "com/mc", 1), serverAt: serverDocument}, nil, "discovery_failed", ""},
		"another issuer's document":    {map[string]string{challengeAt: "Bearer", resourceAt: resourceDocument, serverAt: strings.Replace(serverDocument, "/tenant", "/other", 1)}, nil, "discovery_failed", ""},
		"no authorization server":      {map[string]string{challengeAt: "Bearer", resourceAt: `{"resource":"https://mcp.example.com/mcp"}`}, nil, "discovery_failed", ""},
		"no token endpoint":            {map[string]string{challengeAt: "Bearer", resourceAt: resourceDocument, serverAt: `{"issuer":"https://idp.example.com/tenant"}`}, nil, "discovery_failed", ""},
		"a token endpoint inside":      {map[string]string{challengeAt: "Bearer", resourceAt: resourceDocument, serverAt: strings.Replace(serverDocument, "https://idp.example.com/token", "https://169.254.169.254/token", 1)}, nil, "discovery_failed", ""},
		"metadata inside":              {map[string]string{challengeAt: `Bearer resource_metadata="http://127.0.0.1/meta"`}, nil, "discovery_failed", ""},
		"a redirect":                   {map[string]string{challengeAt: "Bearer", resourceAt: "->https://mcp.example.com/meta", "https://mcp.example.com/meta": resourceDocument}, nil, "discovery_failed", ""},
		"HTML":                         {map[string]string{challengeAt: "Bearer", resourceAt: "<html>"}, nil, "discovery_failed", ""},
		"a megabyte":                   {map[string]string{challengeAt: "Bearer", resourceAt: `{"x":"` + strings.Repeat("x", 1<<20) + `"}`}, nil, "discovery_failed", ""},
		"metadata out of reach":        {map[string]string{challengeAt: "Bearer", resourceAt: "down", rootAt: "down"}, nil, "discovery_unavailable", ""},
		"issuer metadata out of reach": {map[string]string{challengeAt: "Bearer", resourceAt: resourceDocument, serverAt: "down"}, nil, "discovery_unavailable", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.site(test.documents)
				rec := w.record(undiscovered, func(r *registry.Record) {
					if test.edit != nil {
						test.edit(r)
					}
				})
				e := w.instance()
				status, _, err := call(e, rec)
				if test.code != "" {
					assert.Equal(t, test.code, problemOf(t, err).Code)
					assert.Zero(t, w.mintCount(), "nothing was sent")
					return
				}
				require.NoError(t, err)
				assert.Equal(t, 200, status)
				assert.Equal(t, test.resource, w.forms[0].Get("resource"), "byte for byte")
				assert.Equal(t, token.StateValid, e.Status(t.Context(), rec, "", nil).State)
			})
		})
	}
}

func TestDiscoveryIsRememberedAndShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		documents := map[string]string{challengeAt: "Bearer", resourceAt: resourceDocument, serverAt: serverDocument}
		fetched := w.site(documents)
		e, rec := w.instance(), w.record(undiscovered)
		assert.Equal(t, 50, burst(50, []*token.Engine{e}, rec))
		assert.Equal(t, 2, fetched(), "two documents for all callers")
		d := e.Status(t.Context(), rec, "", nil).Discovered
		require.NotNil(t, d)
		assert.Equal(t, tokenURL, d.TokenURL)
		assert.Equal(t, "https://idp.example.com/tenant", d.Issuer)
		assert.Equal(t, serverAt, d.ServerMetadataURL)
		assert.Equal(t, resourceAt, d.ResourceMetadataURL)

		time.Sleep(2 * time.Hour)
		w.mu.Lock()
		documents[resourceAt], documents[serverAt] = "down", "down"
		w.mu.Unlock()
		assert.Equal(t, 5, burst(5, []*token.Engine{e}, rec), "what was found before serves while the metadata is down")
	})
}

func TestACredentialStaysWithItsIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		documents := map[string]string{challengeAt: "Bearer", resourceAt: resourceDocument, serverAt: serverDocument}
		w.site(documents)
		rec := w.record(undiscovered)
		burst(1, w.instances(1), rec)
		mints := w.mintCount()

		w.mu.Lock()
		documents[resourceAt] = strings.Replace(resourceDocument, "idp.example.com/tenant", "evil.example.com", 1)
		documents["https://evil.example.com/.well-known/oauth-authorization-server"] = `{"issuer":"https://evil.example.com","token_endpoint":"https://evil.example.com/token"}`
		w.mu.Unlock()
		_, _, err := call(w.instance(), rec)
		p := problemOf(t, err)
		assert.Equal(t, "issuer_changed", p.Code)
		assert.Contains(t, p.Message, "Nothing was sent")
		assert.Equal(t, mints, w.mintCount())

		again := w.record(undiscovered, func(r *registry.Record) {
			r.Version = 2
			r.Secrets = w.secrets(r, map[string]string{registry.SecretClientSecret: "s3cret-anew"})
		})
		_, _, err = call(w.instance(), again)
		assert.Equal(t, "idp_unreachable", problemOf(t, err).Code, "a secret that was entered again is bound anew (that host does not exist here)")
	})
}

func TestDiscover(t *testing.T) {
	issuer := "https://idp.example.com/tenant"
	full := `{"issuer":"` + issuer + `","token_endpoint":"https://idp.example.com/token","authorization_endpoint":"https://idp.example.com/authorize",` +
		`"registration_endpoint":"https://idp.example.com/register","grant_types_supported":["client_credentials"],"token_endpoint_auth_methods_supported":["private_key_jwt"],"scopes_supported":["b"]}`
	for name, test := range map[string]struct {
		url       string
		documents map[string]string
		want      *token.Metadata
		status    int
		code      string
	}{
		"from the challenge to the endpoints": {
			url:       serverURL,
			documents: map[string]string{challengeAt: `Bearer resource_metadata="` + resourceAt + `"`, resourceAt: resourceDocument, serverAt: full},
			want: &token.Metadata{
				Discovery: token.Discovery{
					TokenURL: "https://idp.example.com/token", Issuer: issuer, Resource: "https://mcp.example.com/mcp", ResourceMetadataURL: resourceAt,
					ServerMetadataURL: serverAt, ScopesSupported: []string{"a"}, AuthMethods: []string{"private_key_jwt"},
				},
				AuthorizationURL: "https://idp.example.com/authorize", RegistrationURL: "https://idp.example.com/register", GrantTypes: []string{"client_credentials"},
			},
		},
		"the authorization server's scopes where the server names none": {
			url:       serverURL,
			documents: map[string]string{resourceAt: `{"resource":"https://mcp.example.com/mcp","authorization_servers":["` + issuer + `"]}`, serverAt: full},
			want: &token.Metadata{
				Discovery: token.Discovery{
					TokenURL: "https://idp.example.com/token", Issuer: issuer, Resource: "https://mcp.example.com/mcp", ResourceMetadataURL: resourceAt,
					ServerMetadataURL: serverAt, ScopesSupported: []string{"b"}, AuthMethods: []string{"private_key_jwt"},
				},
				AuthorizationURL: "https://idp.example.com/authorize", RegistrationURL: "https://idp.example.com/register", GrantTypes: []string{"client_credentials"},
			},
		},
		"a server without an authorization server": {
			url:       serverURL,
			documents: map[string]string{resourceAt: `{"resource":"https://mcp.example.com/mcp"}`},
			want:      &token.Metadata{Discovery: token.Discovery{Resource: "https://mcp.example.com/mcp", ResourceMetadataURL: resourceAt}},
		},
		"metadata of another resource":   {url: serverURL, documents: map[string]string{resourceAt: `{"resource":"https://evil.example/mcp"}`}, status: 502, code: "discovery_failed"},
		"metadata of another issuer":     {url: serverURL, documents: map[string]string{resourceAt: resourceDocument, serverAt: strings.ReplaceAll(full, issuer, "https://evil.example")}, status: 502, code: "discovery_failed"},
		"an authorization server inside": {url: serverURL, documents: map[string]string{resourceAt: strings.ReplaceAll(resourceDocument, issuer, "https://10.0.0.1")}, status: 502, code: "discovery_failed"},
		"an address inside":              {url: "https://169.254.169.254/mcp", status: 422, code: "invalid_url"},
		"plain http":                     {url: "http://mcp.example.com/mcp", status: 422, code: "invalid_url"},
		"no address":                     {url: "mcp", status: 422, code: "invalid_url"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			fetched := w.site(test.documents)
			got, err := w.instance().Discover(t.Context(), test.url)
			if test.want == nil {
				p := problem.From(err)
				assert.Equal(t, test.code, p.Code, p.Message)
				assert.Equal(t, test.status, p.Status)
				if test.status == 422 {
					assert.Zero(t, fetched(), "nothing is asked for")
				}
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
			assert.Zero(t, w.mintCount(), "no token is asked for")
		})
	}
}
