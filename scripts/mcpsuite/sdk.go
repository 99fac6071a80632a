package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// sdkLeg connects the official TypeScript client to the gateway as an M2M caller of a configured issuer, by a secret
// and by a private key, and as a person's client. (The Go client does the same in scripts/contract.)
func sdkLeg(host, suite string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	issuer, server, stop, err := demonstration(authserver.Options{Clients: []authserver.Client{
		{ID: "gateway", Secrets: []string{"gateway-secret"}},
		{ID: "agent", Secrets: []string{"agent-secret"}},
		{ID: "key-agent", Method: authserver.MethodKey, Keys: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256"}}}},
	}})
	if err != nil {
		return err
	}
	defer stop()
	g, err := startGateway(host)
	if err != nil {
		return err
	}
	defer g.close()
	err = g.register(map[string]any{
		"server_name": "demo", "slug": "demo", "url": server.URL(), "transport": "http", "auth_type": "oauth2", "oauth2_flow": "client_credentials", "client_id": "gateway",
		"token_endpoint_auth_method": "client_secret_basic", "upstream_resource": "auto", "credentials": map[string]any{"client_secret": "gateway-secret"},
	})
	if err != nil {
		return err
	}
	var answer map[string]any
	err = g.rest("PUT", "/v1/settings/issuers", map[string]any{"jwt_issuers": []any{map[string]any{
		"issuer": issuer.Issuer(), "scopes_supported": []string{"mcp:call"}, "grants": []any{map[string]any{"claim": "scope", "value": "mcp:call", "servers": []string{"demo"}}},
	}}}, &answer)
	if err != nil {
		return err
	}
	script := filepath.Join(filepath.Dir(filepath.Dir(suite)), "m2m.mjs")
	for _, c := range [][2]string{
		{"secret", "agent-secret"},
		{"key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))},
	} {
		out, err := exec.Command(filepath.Join(suite, "node"), script, c[0], g.url+"/mcp/demo", issuer.Issuer(), c[1]).CombinedOutput()
		if err != nil {
			return fmt.Errorf("TypeScript client with a %s: %w\n%s", c[0], err, out)
		}
		fmt.Printf("%-8s TypeScript client, M2M by %-24s passed\n", host, c[0])
	}
	if err := relayLeg(g, suite); err != nil {
		return fmt.Errorf("TypeScript client by the relay: %w", err)
	}
	fmt.Printf("%-8s TypeScript client, authorization code at the relay passed\n", host)
	return nil
}

// relayLeg connects the official TypeScript client, which knows the URL of an interactive server and nothing else, by the
// gateway's own authorization server.
func relayLeg(g *gateway, suite string) error {
	_, server, stop, err := demonstration(authserver.Options{Registration: true})
	if err != nil {
		return err
	}
	defer stop()
	err = g.register(map[string]any{
		"server_name": "files", "slug": "files", "url": server.URL(), "transport": "http", "auth_type": "oauth2", "oauth2_flow": "authorization_code",
	})
	if err != nil {
		return err
	}
	const redirect = "http://127.0.0.1:33333/cb" // nothing listens there
	c := exec.Command(filepath.Join(suite, "node"), filepath.Join(filepath.Dir(filepath.Dir(suite)), "code.mjs"), g.url+"/mcp/files", redirect)
	var failure bytes.Buffer
	c.Stderr = &failure
	in, err := c.StdinPipe()
	if err != nil {
		return err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		line, err = g.consent(strings.TrimSpace(line))
	}
	if err == nil {
		_, err = fmt.Fprintln(in, line)
	}
	_ = in.Close()
	if werr := c.Wait(); err == nil && werr != nil {
		err = werr
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, failure.String())
	}
	return nil
}

// demonstration starts an authorization server, and an MCP server that trusts it.
func demonstration(o authserver.Options) (issuer *authserver.Listening, server *mcpserver.Listening, stop func(), err error) {
	if issuer, err = authserver.Listen("127.0.0.1:0", o); err != nil {
		return nil, nil, nil, err
	}
	if server, err = mcpserver.Listen("127.0.0.1:0", mcpserver.Options{Issuer: issuer.Issuer(), KeysURL: issuer.KeysURL()}); err != nil {
		_ = issuer.Close()
		return nil, nil, nil, err
	}
	return issuer, server, func() { _, _ = issuer.Close(), server.Close() }, nil
}
