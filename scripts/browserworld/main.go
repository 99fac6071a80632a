// Browserworld is what the browser tests put around a gateway: the demo's authorization server, which asks the person;
// the demo's MCP server behind it; a proxy with TLS in front of the gateway; and the owner of an age key.
//
//	browserworld --gateway http://127.0.0.1:8787 --accept "X-API-Key: value"
//
// It prints one line of JSON and runs until its standard input ends.
//
// The authorization server is called localhost and the gateway 127.0.0.1: for a browser they are different sites.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"

	"filippo.io/age"

	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

func main() {
	gateway := flag.String("gateway", "", "`URL` of the gateway that the TLS proxy stands in front of")
	silent := flag.Bool("silent", false, "the authorization server approves without asking")
	accepted := map[string]string{}
	flag.Func("accept", "`header` that the MCP server accepts in place of an access token", func(s string) error {
		name, value, ok := strings.Cut(s, ": ")
		if !ok {
			return errors.New("want NAME: VALUE")
		}
		accepted[name] = value
		return nil
	})
	flag.Parse()
	// The authorization server's library announces its routes.
	slog.SetLogLoggerLevel(slog.LevelError)
	if err := run(*gateway, *silent, accepted); err != nil {
		fmt.Fprintln(os.Stderr, "browserworld:", err)
		os.Exit(1)
	}
}

// people have accounts at the authorization server.
var people = []authserver.Person{
	{Subject: "ada", Claims: map[string]any{"email": "ada@example.com", "groups": []string{"operators"}}},
	{Subject: "vera", Claims: map[string]any{"email": "vera@example.com", "groups": []string{"auditors"}}},
	{Subject: "eve", Claims: map[string]any{"email": "eve@example.com", "groups": []string{"guests"}}},
}

func run(gateway string, silent bool, accepted map[string]string) error {
	options := authserver.Options{Registration: true}
	if !silent {
		options.People = people
	}
	idp, err := authserver.Listen("localhost:0", options)
	if err != nil {
		return err
	}
	defer idp.Close()
	mcp, err := mcpserver.Listen("127.0.0.1:0", mcpserver.Options{Issuer: idp.Issuer(), KeysURL: idp.KeysURL(), Revoked: idp.Revoked, Credentials: accepted})
	if err != nil {
		return err
	}
	defer mcp.Close()
	proxy, err := tlsProxy(gateway)
	if err != nil {
		return err
	}
	defer proxy.Close()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	opener := httptest.NewServer(open(identity))
	defer opener.Close()
	err = json.NewEncoder(os.Stdout).Encode(map[string]string{
		"issuer": idp.Issuer(), "mcp": mcp.URL(), "https": proxy.URL, "recipient": identity.Recipient().String(), "opener": opener.URL,
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// tlsProxy is what stands in front of a gateway that people reach by https.
func tlsProxy(gateway string) (*httptest.Server, error) {
	target, err := url.Parse(gateway)
	if err != nil {
		return nil, err
	}
	proxy := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()
	}})
	// Browsers break off connections whose certificate they have not accepted yet.
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0)
	proxy.StartTLS()
	return proxy, nil
}

// open answers what was encrypted to the identity.
func open(identity age.Identity) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		plain, err := age.Decrypt(r.Body, identity)
		if err == nil {
			_, err = io.Copy(w, plain)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}
