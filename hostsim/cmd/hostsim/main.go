// Command hostsim serves Grantway on this machine.
//
//	hostsim serve --addr 127.0.0.1:8787 --data .grantway --module build/app.wasm --ui ui/dist
//
// Every subcommand prints its flags with --help. Exit codes: 0 done, 1 failed, 2
// wrong usage; api.go has those of the commands that ask a gateway.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// command is a subcommand. run gets the arguments behind its name; an error that
// wraps errUsage ends with exit code 2.
type command struct {
	name    string
	summary string
	run     func(ctx context.Context, s streams, args []string) error
}

// streams are where a subcommand writes and what it reads.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// commands in the order of the usage text. Each has a file of its own.
var commands = []command{
	{"serve", "serve the gateway and its UI", serve},
	{"server", "list, show, add, change, test and remove servers of a gateway", server},
	{"key", "list, make, rotate and revoke access keys of a gateway", key},
	{"audit", "read or verify the audit log of a gateway", audit},
	{"import", "import a configuration file into a gateway", importFile},
	{"export", "export the configuration of a gateway", exportFile},
	{"version", "print the version", version},
}

var errUsage = errors.New("wrong usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, streams{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, s streams, args []string) int {
	if len(args) == 0 {
		usage(s.err)
		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(s.out)
		return exitOK
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, s, args[1:])
		code := exitCode(err)
		if code != exitOK {
			_, _ = fmt.Fprintf(s.err, "hostsim %s: %v\n", c.name, err)
		}
		return code
	}
	_, _ = fmt.Fprintf(s.err, "hostsim: no such command: %s\n\n", args[0])
	usage(s.err)
	return exitUsage
}

func usage(w io.Writer) {
	_, _ = fmt.Fprint(w, "Usage: hostsim COMMAND [flags]\n\nCommands:\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range commands {
		_, _ = fmt.Fprintf(t, "  %s\t%s\n", c.name, c.summary)
	}
	_ = t.Flush()
	_, _ = fmt.Fprint(w, "\nhostsim COMMAND --help explains the flags of a command.\n")
}

// newFlags makes the flag set of a subcommand. Its usage begins with the synopsis.
func newFlags(s streams, name, synopsis string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(s.err)
	f.Usage = func() {
		_, _ = fmt.Fprintf(f.Output(), "Usage: hostsim %s %s\n\nFlags:\n", name, synopsis)
		f.PrintDefaults()
	}
	return f
}

// parse reads the flags; what is wrong with them wraps errUsage.
func parse(f *flag.FlagSet, args []string) error {
	err := f.Parse(args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return err
}
