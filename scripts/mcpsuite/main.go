// Command mcpsuite runs the MCP conformance suite through the gateway; scripts/conformance prepares what it needs.
//
//	mcpsuite server -host memory|hostsim|workerd   the suite as a client, the gateway in front of the Go SDK's everything-server
//	mcpsuite client -host …                        the suite's mock servers and authorization servers, the gateway as their client
//	mcpsuite sdk -host …                           the official TypeScript client as an M2M caller of the gateway
//	mcpsuite inner -host … URL                     what the client leg starts for each scenario
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mcpsuite:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("say server, client, sdk or inner")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	host := flags.String("host", "memory", "memory, hostsim or workerd")
	suite := flags.String("suite", "scripts/mcpsuite/node_modules/.bin", "folder of the programs conformance and node")
	everything := flags.String("everything", "build/everything-server", "the Go SDK's everything-server")
	out := flags.String("out", "build/conformance", "folder for results")
	only := flags.String("only", "", "one run or scenario")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "server":
		return serverLeg(*host, *suite, *everything, *out, *only)
	case "client":
		return clientLeg(*host, *suite, *out, *only)
	case "sdk":
		return sdkLeg(*host, *suite)
	case "inner":
		if flags.NArg() != 1 {
			return fmt.Errorf("inner needs the URL of the upstream")
		}
		return inner(*host, flags.Arg(0))
	}
	return fmt.Errorf("unknown leg %q", args[0])
}
