package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// clientScenarios are those in which the gateway is the client under test, with the revisions to run them at.
var clientScenarios = []struct{ name, revision string }{
	{"auth/client-credentials-jwt", "2025-11-25"},
	{"auth/client-credentials-jwt", "2026-07-28"},
	{"auth/client-credentials-basic", "2025-11-25"},
	{"auth/client-credentials-basic", "2026-07-28"},
	{"tools_call", "2025-11-25"},
	{"tools_call", "2026-07-28"},
	{"request-metadata", "2026-07-28"},
	{"http-standard-headers", "2026-07-28"},
	{"http-custom-headers", "2026-07-28"},
	{"http-invalid-tool-headers", "2026-07-28"},
	{"json-schema-ref-no-deref", "2026-07-28"},
	{"sse-retry", "2025-11-25"},
}

func clientLeg(host, suite, out, only string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	failed := 0
	for _, s := range clientScenarios {
		if only != "" && only != s.name {
			continue
		}
		folder := filepath.Join(out, host, "client", strings.ReplaceAll(s.name, "/", "-")+"-"+s.revision)
		err := conformance(suite, folder, []string{"client", "--command", program + " inner -host " + host, "--scenario", s.name, "--spec-version", s.revision, "--force"})
		passed := "passed"
		if err != nil {
			passed = "FAILED"
			failed++
		}
		fmt.Printf("%-8s %-36s %s  %s\n", host, s.name, s.revision, passed)
		printFailures(folder)
	}
	if failed > 0 {
		return fmt.Errorf("%d scenarios failed", failed)
	}
	return nil
}
