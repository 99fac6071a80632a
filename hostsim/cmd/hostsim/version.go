package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/grantway/grantway/worker"
)

// version prints the gateway's version and what this command was built with.
func version(_ context.Context, s streams, args []string) error {
	if err := parse(newFlags(s, "version", ""), args); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.out, "grantway %s (%s, %s/%s)\n", worker.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
