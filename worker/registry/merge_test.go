package registry_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/platform/gocrypto"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// problemsOf answers what is wrong with a new record, path → code.
func problemsOf(body string) map[string]string {
	in, problems := registry.ParseInput([]byte(body))
	out := map[string]string{}
	if in != nil {
		_, more := registry.Merge(nil, in)
		problems = append(problems, more...)
	}
	for _, p := range problems {
		if _, have := out[p.Path]; !have {
			out[p.Path] = p.Code
		}
	}
	return out
}

func TestAllProblemsAtOnce(t *testing.T) {
	const base = `"server_name":"A","url":"https://a.test/mcp",`
	const m2m = base + `"auth_type":"oauth2","oauth2_flow":"client_credentials",`
	for name, tc := range map[string]struct {
		body string
		want map[string]string
	}{
		"nothing":            {`{}`, map[string]string{"server_name": "required", "url": "required", "auth_type": "required"}},
		"not an object":      {`[1]`, map[string]string{"": "invalid_type"}},
		"unknown fields":     {`{` + base + `"auth_type":"none","colour":1,"mcp_info":{"x":1},"credentials":{"y":1}}`, map[string]string{"colour": "unknown_field", "mcp_info.x": "unknown_field", "credentials.y": "unknown_field"}},
		"wrong types":        {`{"server_name":1,"url":true,"auth_type":"none","scopes":"read","disabled":"no"}`, map[string]string{"server_name": "invalid_type", "url": "invalid_type", "scopes": "invalid_type", "disabled": "invalid_type"}},
		"bad values":         {`{"server_name":"A\u0007","url":"ftp://x","auth_type":"magic","slug":"No Good","timeout":601,"forward_headers":["a b"],"scopes":["a b"]}`, map[string]string{"server_name": "invalid_characters", "url": "invalid_url", "auth_type": "invalid_value", "slug": "invalid_slug", "timeout": "out_of_range", "forward_headers[0]": "invalid_header_name", "scopes[0]": "invalid_scope"}},
		"reserved slugs":     {`{` + base + `"auth_type":"none","slug":"mcp-rest"}`, map[string]string{"slug": "invalid_slug"}},
		"no slug possible":   {`{"server_name":"日本","url":"https://a.test/mcp","auth_type":"none"}`, map[string]string{"slug": "invalid_slug"}},
		"password in URL":    {`{"server_name":"A","url":"https://u:p@a.test/mcp","auth_type":"none"}`, map[string]string{"url": "invalid_url"}},
		"no flow":            {`{` + base + `"auth_type":"oauth2","client_id":"c","credentials":{"client_secret":"s"},"token_url":"https://i.test/t"}`, map[string]string{"oauth2_flow": "required"}},
		"incomplete M2M":     {`{` + m2m + `"scopes":[]}`, map[string]string{"client_id": "required", "credentials.client_secret": "required"}},
		"M2M without key":    {`{` + m2m + `"client_id":"c","token_endpoint_auth_method":"private_key_jwt"}`, map[string]string{"credentials.client_private_key": "required"}},
		"key and no use":     {`{` + m2m + `"client_id":"c","credentials":{"client_secret":"s","client_private_key":"k"}}`, map[string]string{"credentials.client_private_key": "not_applicable"}},
		"static without":     {`{` + base + `"auth_type":"api_key"}`, map[string]string{"credentials.auth_value": "required"}},
		"secret at the top":  {`{` + base + `"auth_type":"api_key","auth_value":"v"}`, map[string]string{"auth_value": "misplaced_secret", "credentials.auth_value": "required"}},
		"not applicable":     {`{` + base + `"auth_type":"none","client_id":"c","credentials":{"token_url":"https://i.test/t"},"keep_warm":true}`, map[string]string{"client_id": "not_applicable", "credentials.token_url": "not_applicable", "keep_warm": "not_applicable"}},
		"given twice":        {`{` + m2m + `"client_id":"a","credentials":{"client_id":"b","client_secret":"s"}}`, map[string]string{"credentials.client_id": "duplicate_field"}},
		"reserved parameter": {`{` + m2m + `"client_id":"a","credentials":{"client_secret":"s"},"extra_token_params":{"grant_type":"x","tenant":"y"}}`, map[string]string{"extra_token_params.grant_type": "reserved_parameter"}},
		"headers":            {`{` + base + `"auth_type":"bearer_token","credentials":{"auth_value":"v"},"static_headers":{"Host":"x","authorization":"y"},"extra_headers":["Cookie","X-Grantway-Key","X-Ok"]}`, map[string]string{"static_headers.Host": "reserved_header", "static_headers.authorization": "conflicts_with_credential", "extra_headers[0]": "reserved_header", "extra_headers[1]": "reserved_header"}},
		"all is well":        {`{` + m2m + `"credentials":{"client_id":"a","client_secret":"s","scopes":["x"]},"version":7,"has_secret":true}`, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tc.want, problemsOf(tc.body)) })
	}
}

func TestSlugOf(t *testing.T) {
	for name, want := range map[string]string{
		"Weather": "weather", "My  Server!": "my_server", "a.b-c_d": "a.b-c_d", "--x--": "x", "Ünï": "n", "": "", "mcp": "",
		"a very long name that goes on and on and on": "a_very_long_name_that_goes_on_an",
	} {
		assert.Equal(t, want, registry.SlugOf(name), name)
	}
}

func TestClientKeys(t *testing.T) {
	for _, alg := range []string{"ES256", "EdDSA", "RS256", "PS256"} {
		der, key, err := registry.GenerateClientKey(t.Context(), &gocrypto.Crypto{}, alg, "")
		require.NoError(t, err)
		assert.Equal(t, alg, key.Algorithm)
		assert.True(t, key.Generated)
		assert.Len(t, key.ID, 43, "an RFC 7638 thumbprint")
		assert.NotContains(t, key.PublicJWK, `"d"`)
		assert.NotEmpty(t, der)
	}
	_, _, err := registry.GenerateClientKey(t.Context(), memory.New(nil).Crypto(), "ES256", "")
	assert.Equal(t, "key_generation_unsupported", problem.From(err).Code, "an older host")

	// RFC 8037 appendix A.1 and A.3: a key and its thumbprint.
	const ed = `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	_, key, err := registry.ParseClientKey(ed, "", "")
	require.NoError(t, err)
	assert.Equal(t, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", key.ID)
	_, key, err = registry.ParseClientKey(ed, "EdDSA", "mine")
	require.NoError(t, err)
	assert.Equal(t, "mine", key.ID)

	for name, bad := range map[string][2]string{
		"wrong algorithm": {ed, "ES256"}, "empty": {"", ""}, "no key": {"hello", ""}, "not readable": {"{", ""}, "unknown kind": {`{"kty":"oct","k":"AA"}`, ""},
		"certificate": {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", ""}, "encrypted": {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----", ""},
		"short RSA": {`{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB","p":"AQ","q":"AQ"}`, ""},
	} {
		_, _, err := registry.ParseClientKey(bad[0], bad[1], "")
		assert.ErrorIs(t, err, registry.ErrClientKey, name)
	}
}

func FuzzParseInput(f *testing.F) {
	f.Add([]byte(`{"server_name":"A","url":"https://a.test/mcp","auth_type":"oauth2","oauth2_flow":"client_credentials","credentials":{"client_id":"a","client_secret":"s"}}`))
	f.Add([]byte(`{"static_headers":{"A":"***"},"allowed_tools":null,"mcp_info":{"mcp_server_cost_info":{"default_cost_per_query":1}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		in, problems := registry.ParseInput(body)
		if in == nil {
			require.NotEmpty(t, problems)
			return
		}
		rec, _ := registry.Merge(nil, in)
		rec.ServerID = "x"
		b, err := registry.Encode(rec)
		require.NoError(t, err)
		_, err = registry.Decode(b)
		require.NoError(t, err)
	})
}

func FuzzParseClientKey(f *testing.F) {
	f.Add("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "ES256")
	f.Add(`{"kty":"EC","crv":"P-256","d":"AAAA"}`, "")
	f.Fuzz(func(t *testing.T, text, alg string) {
		_, key, err := registry.ParseClientKey(text, alg, "")
		if err != nil {
			assert.ErrorIs(t, err, registry.ErrClientKey)
			assert.Nil(t, key)
		}
	})
}
