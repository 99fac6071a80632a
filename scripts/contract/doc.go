// Package contract holds the cases that every host of the gateway must pass, seen from outside over HTTP.
//
// The environment variable CONTRACT_HOST chooses the host: "memory" (the default: the gateway's own Go code in this
// process, no module), "hostsim" or "workerd" (the module build/app.wasm on that host). scripts/test runs all three.
package contract
