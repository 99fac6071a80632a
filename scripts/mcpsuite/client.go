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
	{"auth/metadata-default", "2025-11-25"},
	{"auth/metadata-default", "2026-07-28"},
	{"auth/metadata-var1", "2025-11-25"},
	{"auth/metadata-var1", "2026-07-28"},
	{"auth/metadata-var2", "2025-11-25"},
	{"auth/metadata-var2", "2026-07-28"},
	{"auth/metadata-var3", "2025-11-25"},
	{"auth/metadata-var3", "2026-07-28"},
	{"auth/basic-cimd", "2025-11-25"},
	{"auth/basic-cimd", "2026-07-28"},
	{"auth/pre-registration", "2025-11-25"},
	{"auth/pre-registration", "2026-07-28"},
	{"auth/scope-from-www-authenticate", "2025-11-25"},
	{"auth/scope-from-www-authenticate", "2026-07-28"},
	{"auth/scope-from-scopes-supported", "2025-11-25"},
	{"auth/scope-from-scopes-supported", "2026-07-28"},
	{"auth/scope-omitted-when-undefined", "2025-11-25"},
	{"auth/scope-omitted-when-undefined", "2026-07-28"},
	{"auth/scope-step-up", "2025-11-25"},
	{"auth/scope-step-up", "2026-07-28"},
	{"auth/scope-retry-limit", "2025-11-25"},
	{"auth/scope-retry-limit", "2026-07-28"},
	{"auth/token-endpoint-auth-basic", "2025-11-25"},
	{"auth/token-endpoint-auth-basic", "2026-07-28"},
	{"auth/token-endpoint-auth-post", "2025-11-25"},
	{"auth/token-endpoint-auth-post", "2026-07-28"},
	{"auth/token-endpoint-auth-none", "2025-11-25"},
	{"auth/token-endpoint-auth-none", "2026-07-28"},
	{"auth/resource-mismatch", "2026-07-28"},
	{"auth/offline-access-scope", "2026-07-28"},
	{"auth/offline-access-not-supported", "2026-07-28"},
	{"auth/authorization-server-migration", "2026-07-28"},
	{"auth/iss-supported", "2026-07-28"},
	{"auth/iss-not-advertised", "2026-07-28"},
	{"auth/iss-supported-missing", "2026-07-28"},
	{"auth/iss-wrong-issuer", "2026-07-28"},
	{"auth/iss-unexpected", "2026-07-28"},
	{"auth/iss-normalized", "2026-07-28"},
	{"auth/metadata-issuer-mismatch", "2026-07-28"},
	{"auth/2025-03-26-oauth-metadata-backcompat", "2025-03-26"},
	{"auth/2025-03-26-oauth-endpoint-fallback", "2025-03-26"},
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
