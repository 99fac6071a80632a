// Settings prints docs/configuration.md from the gateway's own list of settings:
//
//	go run ./scripts/settings > docs/configuration.md
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/grantway/grantway/worker/settings"
)

const introduction = `# Configuration

Environment variables, with the same names on Cloudflare Workers and on hostsim. Written by ` + "`go run ./scripts/settings`" + `
from the gateway's own list; a test keeps the two equal.

## Identity of the gateway

| variable | meaning | default |
|---|---|---|
| ` + "`GRANTWAY_SEALING_KEY`" + ` | seals secrets and tokens at rest: 32 bytes in base64 | hostsim makes one in its data folder; required on Workers |
| ` + "`GRANTWAY_SEALING_KEY_PREVIOUS`" + ` | earlier sealing keys, separated by commas: they open what they sealed, and seal nothing new | none |
| ` + "`GRANTWAY_ADMIN_KEY`" + ` | the first administrator's key | hostsim makes one in its data folder; required on Workers |
| ` + "`GRANTWAY_PUBLIC_URL`" + ` | the address under which callers reach the gateway, without a path. Without it (and without public_url of the settings) access tokens are accepted on loopback, and for the audiences of an issuer's entry, only: the name would be the client's choice | the request's own |
| ` + "`GRANTWAY_TRUSTED_PROXIES`" + ` | addresses or prefixes of reverse proxies, separated by commas, whose X-Forwarded-For, X-Forwarded-Host and X-Forwarded-Proto are believed: they say who the client is (in the audit log, and whose attempts to sign in are counted), what the gateway's address is, and whether browsers speak https with it (without that, or an https GRANTWAY_PUBLIC_URL, nobody signs in but on this machine) | none |
| ` + "`GRANTWAY_ALLOWED_HOSTS`" + ` | host names (with a port where it is not the scheme's own) under which the MCP endpoints answer, separated by commas; loopback names always do | any |
| ` + "`GRANTWAY_ALLOWED_ORIGINS`" + ` | web origins that may call the MCP endpoints from a browser, besides the gateway's own https origin and loopback ones; ` + "`*`" + ` is every one | none |

## Numbers

A value outside its bounds is refused: the gateway answers 503 and names the variable, and hostsim does not start. A name in brackets is LiteLLM's and is accepted too.

| variable | meaning | default | bounds | unit |
|---|---|---|---|---|
`

func main() {
	if _, err := os.Stdout.WriteString(document()); err != nil {
		fmt.Fprintln(os.Stderr, "settings:", err)
		os.Exit(1)
	}
}

func document() string {
	var b strings.Builder
	b.WriteString(introduction)
	for _, v := range settings.Table() {
		name := "`" + v.Name + "`"
		if v.Alias != "" {
			name += " (`" + v.Alias + "`)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s … %s | %s |\n", name, strings.ReplaceAll(v.Description, "|", "\\|"), number(v.Default), number(v.Min), number(v.Max), v.Unit)
	}
	return b.String()
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
