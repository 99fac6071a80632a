package oauth_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/grantway/grantway/worker/oauth"
)

func TestCheckURL(t *testing.T) {
	for url, allowed := range map[string]bool{
		"https://idp.example.com/token":      true,
		"https://8.8.8.8/":                   true,
		"https://[2606:4700::1]/":            true,
		"https://example.com:8443/x?y=z":     true,
		"http://idp.example.com/token":       false,
		"ftp://idp.example.com/":             false,
		"https://user:pass@example.com/":     false,
		"https://example.com/#f":             false,
		"https:///x":                         false,
		"https://localhost/":                 false,
		"https://a.localhost/":               false,
		"https://127.0.0.1/":                 false,
		"https://127.1/":                     false,
		"https://2130706433/":                false,
		"https://0x7f.1/":                    false,
		"https://[::1]/":                     false,
		"https://[::ffff:127.0.0.1]/":        false,
		"https://[::ffff:10.0.0.1]/":         false,
		"https://10.1.2.3/":                  false,
		"https://172.16.0.1/":                false,
		"https://192.168.0.1/":               false,
		"https://169.254.169.254/latest":     false,
		"https://100.64.0.1/":                false,
		"https://0.0.0.0/":                   false,
		"https://255.255.255.255/":           false,
		"https://[fc00::1]/":                 false,
		"https://[fe80::1]/":                 false,
		"https://[64:ff9b::7f00:1]/":         false,
		"https://[2002:7f00:1::]/":           false,
		"https://[64:ff9b:1::a00:1]/":        false,
		"https://[::10.0.0.1]/":              false,
		"https://[::ffff:0:10.0.0.1]/":       false,
		"https://[fec0::1]/":                 false,
		"https://[fd00:ec2::254]/":           false,
		"https://[fe80::1%25eth0]/":          false,
		"https://[::]/":                      false,
		"https://167772161/":                 false, // 10.0.0.1 in decimal,
		"https://012.0.0.1/":                 false, // octal,
		"https://0xa.0.0.1/":                 false, // hexadecimal,
		"https://0x0a000001/":                false,
		"https://10.1/":                      false, // and with parts left out
		"https://１０.0.0.1/":                  false, // full-width digits
		"https://10.0.0.1./":                 false,
		"https://metadata.google.internal/":  false,
		"https://printer.local/":             false,
		"https://localhost./":                false,
		"https://metadata.google.internal./": false,
		"not a url at all":                   false,
		"":                                   false,
		"https://example.com\u0000/":         false,
		"https:idp.example.com":              false,
	} {
		err := oauth.CheckURL(url, false)
		assert.Equal(t, allowed, err == nil, "%s: %v", url, err)
	}
	assert.NoError(t, oauth.CheckURL("http://127.0.0.1:8080/token", true), "the development switch")
	assert.NoError(t, oauth.CheckURL("http://localhost:8080/token", true))
	assert.Error(t, oauth.CheckURL("http://example.com/", true))
	assert.Error(t, oauth.CheckURL("https://10.0.0.1/", true))
}

func TestParseChallenge(t *testing.T) {
	for header, want := range map[string]oauth.Challenge{
		"":                             {},
		"Bearer":                       {Bearer: true},
		"Basic realm=\"x\"":            {},
		`Bearer error="invalid_token"`: {Bearer: true, Error: "invalid_token"},
		`bearer error=invalid_token`:   {Bearer: true, Error: "invalid_token"},
		`Bearer realm="a, b=\"c\"", error="insufficient_scope", scope="x y"`:                                       {Bearer: true, Error: "insufficient_scope", Scope: "x y"},
		`Basic realm="x", Bearer error="e", Digest error="other"`:                                                  {Bearer: true, Error: "e"},
		`Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope = "a"`: {Bearer: true, Scope: "a", ResourceMetadata: "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"},
		`Bearer error="never ends`:             {Bearer: true},
		`Bearer error="first", error="second"`: {Bearer: true, Error: "first"},
		`Negotiate abc==, Bearer error="e"`:    {Bearer: true, Error: "e"},
	} {
		assert.Equal(t, want, oauth.ParseChallenge([]string{header}), header)
	}
	assert.Equal(t, oauth.Challenge{Bearer: true, Scope: "s"}, oauth.ParseChallenge([]string{"Basic", `Bearer scope="s"`}), "several headers")
}
