// Testreport reads the output of `go test -json`, prints what failed, and writes "PASSED FAILED" to the file that it is
// given. A skipped test counts as failed: a green run is one in which everything ran.
//
// It exits with status 1 if anything failed, or if there was nothing to report.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is a line of `go test -json`, see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
}

type counts struct{ passed, failed int }

// summarize reads events and writes the output of everything that failed. Packages count only when they fail without a
// failing test, for instance because they do not compile.
func summarize(in io.Reader, out io.Writer) (counts, error) {
	var total counts
	output := make(map[string]*strings.Builder)
	failedTests := make(map[string]bool) // by package
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil {
				fmt.Fprint(out, line) // the go command itself speaks
			} else {
				total.add(e, output, failedTests, out)
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

func (c *counts) add(e event, output map[string]*strings.Builder, failedTests map[string]bool, out io.Writer) {
	name := e.Package + "\x00" + e.Test
	if e.ImportPath != "" {
		name = e.ImportPath + "\x00"
	}
	switch e.Action {
	case "output", "build-output":
		if output[name] == nil {
			output[name] = new(strings.Builder)
		}
		output[name].WriteString(e.Output)
		return
	case "build-fail":
		fmt.Fprint(out, output[name])
	case "pass":
		if e.Test != "" {
			c.passed++
		}
	case "skip":
		if e.Test != "" {
			c.failed++
			failedTests[e.Package] = true
			fmt.Fprintf(out, "%s %s was skipped\n", e.Package, e.Test)
		}
	case "fail":
		if e.Test != "" || !failedTests[e.Package] {
			c.failed++
			fmt.Fprintf(out, "FAIL %s %s\n", e.Package, e.Test)
			if output[name] != nil {
				fmt.Fprint(out, output[name])
			}
		}
		failedTests[e.Package] = true
	default:
		return
	}
	delete(output, name)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go test -json … | testreport FILE")
		os.Exit(2)
	}
	total, err := summarize(os.Stdin, os.Stdout)
	if err == nil {
		err = os.WriteFile(os.Args[1], fmt.Appendf(nil, "%d %d\n", total.passed, total.failed), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	if total.failed > 0 || total.passed == 0 {
		os.Exit(1)
	}
}
