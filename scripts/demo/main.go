// Demo starts an authorization server, an MCP server that trusts it, and Grantway between an MCP client and them;
// registers the MCP server with Grantway, calls a tool through it twice, shows what happened, and leaves everything
// running. Every secret is made at start. Nothing of it is for production.
//
// It is run by scripts/run --demo, which builds what it needs.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// Timeouts of the demo.
const (
	// startTimeout is for the gateway's first answer, which on a first start includes compiling the module.
	startTimeout = 2 * time.Minute
	// tourTimeout is for registering and calling.
	tourTimeout = time.Minute
)

func main() {
	var gateway gatewayOptions
	flag.StringVar(&gateway.command, "hostsim", "build/hostsim", "the host's command")
	flag.StringVar(&gateway.address, "addr", "127.0.0.1:8787", "address of the gateway")
	flag.StringVar(&gateway.data, "data", "build/demo-data", "data folder of the gateway, emptied at start")
	flag.StringVar(&gateway.module, "module", "build/app.wasm", "the gateway's module")
	flag.StringVar(&gateway.ui, "ui", "ui/dist", "the built browser UI")
	once := flag.Bool("once", false, "end after the tool calls instead of leaving everything running")
	flag.Parse()
	// The authorization server's library announces its routes; the demo speaks for itself.
	slog.SetLogLoggerLevel(slog.LevelError)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, gateway, *once); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, options gatewayOptions, once bool) error {
	client := authserver.Client{ID: "grantway-demo", Secrets: []string{rand.Text()}}
	servers, err := startServers(client)
	if err != nil {
		return err
	}
	defer servers.close()
	fmt.Printf("Authorization server  %s\n", servers.idp.Issuer())
	fmt.Printf("MCP server            %s\n", servers.mcp.URL())

	options.adminKey = "gw_" + rand.Text() + rand.Text()
	gateway, err := startGateway(ctx, options)
	if err != nil {
		return err
	}
	defer gateway.stop()
	fmt.Printf("Grantway              %s\n\n", gateway.url)

	tour := tour{gateway: gateway.url, adminKey: options.adminKey, client: client, servers: servers}
	tourContext, cancel := context.WithTimeout(ctx, tourTimeout)
	defer cancel()
	if err := tour.run(tourContext); err != nil {
		return err
	}
	if once {
		return nil
	}
	fmt.Printf("\nOpen %s/ui/ and sign in with the admin key of this demo:\n  %s\nEnd with Ctrl-C.\n", gateway.url, options.adminKey)
	select {
	case <-ctx.Done():
		return nil
	case err := <-gateway.ended:
		return fmt.Errorf("the gateway ended: %w", err)
	}
}

// servers are what stands behind the gateway.
type servers struct {
	idp *authserver.Listening
	mcp *mcpserver.Listening
}

func startServers(client authserver.Client) (*servers, error) {
	idp, err := authserver.Listen("127.0.0.1:0", authserver.Options{Registration: true})
	if err != nil {
		return nil, err
	}
	mcp, err := mcpserver.Listen("127.0.0.1:0", mcpserver.Options{Issuer: idp.Issuer(), KeysURL: idp.KeysURL(), Revoked: idp.Revoked})
	if err != nil {
		idp.Close()
		return nil, err
	}
	client.DefaultAudience = mcp.URL()
	idp.Register(client)
	return &servers{idp: idp, mcp: mcp}, nil
}

func (s *servers) close() {
	s.idp.Close()
	s.mcp.Close()
}
