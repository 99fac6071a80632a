// Benchmark measures Grantway beside other ways to do the same job, in one run on one machine, and prints ratios with the
// raw numbers. It is run by scripts/bench, which builds what it needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	var options options
	flag.StringVar(&options.hostsim, "hostsim", "build/hostsim", "the host's command")
	flag.StringVar(&options.module, "module", "build/app.wasm", "the gateway's module")
	flag.StringVar(&options.only, "only", "", "targets to measure, separated by commas; empty: all")
	flag.StringVar(&options.write, "write", "", "Markdown file whose results section is replaced")
	flag.DurationVar(&options.duration, "duration", 6*time.Second, "length of one measurement")
	flag.IntVar(&options.rounds, "rounds", 3, "how often each measurement is made, targets taking turns")
	flag.IntVar(&options.soak, "soak", 100_000, "requests before memory is read; 0: none")
	flag.BoolVar(&options.figures, "figures", true, "measure the token engine's promises, about a minute and a half")
	quick := flag.Bool("quick", false, "one round of one second, 5,000 requests before memory is read, no figures")
	native := flag.Bool("serve-native", false, "be the native Go proxy (used by the benchmark itself)")
	flag.Parse()
	if *quick {
		options.duration, options.rounds, options.soak, options.figures = time.Second, 1, 5_000, false
	}
	slog.SetLogLoggerLevel(slog.LevelError)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *native {
		err = serveNativeFromEnvironment(ctx)
	} else {
		err = measure(ctx, options)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		stop()
		os.Exit(1)
	}
}

type options struct {
	hostsim, module, only, write string
	duration                     time.Duration
	rounds, soak                 int
	figures                      bool
}

func (o options) wants(target string) bool {
	return o.only == "" || strings.Contains(","+o.only+",", ","+target+",")
}
