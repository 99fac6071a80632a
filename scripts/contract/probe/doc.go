// Package probe holds the cases of docs/host-abi.md, seen from outside: what every host does for a guest, and what it survives. The
// guest is wasm/probe.
//
// The environment variable CONTRACT_HOST chooses the host: "hostsim" (the default) or "workerd".
package probe
