//go:build js && wasm

// Command wasm is the module: the gateway, in the lifecycle that the host offers.
package main

import (
	"github.com/grantway/grantway/wasm/perevent"
	"github.com/grantway/grantway/wasm/resident"
	"github.com/grantway/grantway/worker"
)

func main() {
	if resident.Offered() {
		resident.Serve(worker.New(resident.New()))
	}
	perevent.Serve(worker.New(perevent.New()))
}
