//go:build js && wasm

// Command wasm is the module: the gateway, in the lifecycle that the host offers.
package main

import (
	"github.com/grantway/grantway/wasm/resident"
	"github.com/grantway/grantway/worker"
)

func main() {
	resident.Serve(worker.New(resident.New()))
}
