package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// serverRun is one invocation of the suite against the gateway.
type serverRun struct {
	name   string
	server string // slug of the record
	args   []string
}

var serverRuns = []serverRun{
	{"stateless-2026-07-28", "modern", []string{"--requirements", "2026-07-28"}},
	{"sessions-2025-11-25", "legacy", []string{"--requirements", "2025-11-25"}},
	{"sessions-2025-06-18", "legacy", []string{"--suite", "all", "--spec-version", "2025-06-18"}},
	{"sessions-2025-03-26", "legacy", []string{"--suite", "all", "--spec-version", "2025-03-26"}},
	{"header-validation", "modern", []string{"--scenario", "http-header-validation"}},
	{"custom-headers", "modern", []string{"--scenario", "http-custom-header-server-validation"}},
	{"aggregate-2026-07-28", "", []string{"--requirements", "2026-07-28"}},
	{"bridged-2026-07-28", "legacy", []string{"--requirements", "2026-07-28"}},
}

// bridged and aggregated runs are reported and do not count: the everything-server's tools differ by era.
func (r serverRun) counts() bool {
	return !strings.HasPrefix(r.name, "bridged") && !strings.HasPrefix(r.name, "aggregate")
}

func serverLeg(host, suite, everything, out, only string) error {
	g, err := startGateway(host)
	if err != nil {
		return err
	}
	defer g.close()
	for slug, mode := range map[string]string{"modern": "true", "legacy": "false"} {
		url, stop, err := startEverything(everything, mode)
		if err != nil {
			return err
		}
		defer stop()
		if err := g.register(map[string]any{"server_name": slug, "slug": slug, "url": url, "transport": "http", "auth_type": "none", "empty_prefix": slug == "modern"}); err != nil {
			return err
		}
	}
	failed := 0
	for _, run := range serverRuns {
		if only != "" && only != run.name {
			continue
		}
		path := "/mcp/" + run.server
		if run.server == "" {
			path = "/mcp"
		}
		folder := filepath.Join(out, host, run.name)
		err := conformance(suite, folder, append([]string{"server", "--url", localhost(g.front.URL) + path}, run.args...))
		passed := "passed"
		if err != nil {
			passed = "FAILED"
			if run.counts() {
				failed++
			}
		}
		fmt.Printf("%-8s %-24s %s\n", host, run.name, passed)
		printFailures(folder)
	}
	if failed > 0 {
		return fmt.Errorf("%d runs failed", failed)
	}
	return nil
}

// localhost names the address as the suite wants it.
func localhost(url string) string { return strings.Replace(url, "127.0.0.1", "localhost", 1) }

// conformance runs the suite; its output goes to a file beside its results.
func conformance(suite, folder string, args []string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(folder, "output.txt"))
	if err != nil {
		return err
	}
	defer log.Close()
	absolute, err := filepath.Abs(suite)
	if err != nil {
		return err
	}
	c := exec.Command(filepath.Join(absolute, "conformance"), append(args, "-o", folder)...)
	c.Env = append(os.Environ(), "PATH="+absolute+string(os.PathListSeparator)+os.Getenv("PATH"))
	c.Stdout, c.Stderr = log, log
	return c.Run()
}

// startEverything starts the Go SDK's server and waits until it listens.
func startEverything(program, stateless string) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address := "localhost" + l.Addr().String()[strings.LastIndex(l.Addr().String(), ":"):]
	if err := l.Close(); err != nil {
		return "", nil, err
	}
	c := exec.Command(program, "-http="+address, "-stateless="+stateless)
	if err := c.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	for range 100 {
		resp, err := http.Get("http://" + address)
		if err == nil {
			resp.Body.Close()
			return "http://" + address, stop, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return "", nil, fmt.Errorf("%s does not listen", program)
}
