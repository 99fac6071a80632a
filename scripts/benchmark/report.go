package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Marks around the part of docs/performance.md that a run replaces.
const (
	beginResults = "<!-- results: written by scripts/bench -->\n"
	endResults   = "<!-- end of results -->\n"
)

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}

// median over rounds; of an even number, the lower one.
func median[T int64 | float64 | time.Duration](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[(len(sorted)-1)/2]
}

func each[T any](results []result, f func(result) T) []T {
	out := make([]T, len(results))
	for i, r := range results {
		out[i] = f(r)
	}
	return out
}

func (r *report) perSecond(target string, connections int) float64 {
	return median(each(r.results[target][connections], result.perSecond))
}

func (r *report) quantile(results []result, q float64) time.Duration {
	return median(each(results, func(one result) time.Duration { return one.quantile(q) }))
}

func (r *report) order() (names []string) {
	for _, name := range []string{native, hostsim, hostsimSessions, plain, resident, residentSessions, stock} {
		if r.results[name] != nil {
			names = append(names, name)
		}
	}
	return names
}

func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d rounds of %s, targets taking turns, median of the rounds (each round in brackets). Load, upstream and target share the machine's cores.\n\n",
		machine(), r.options.rounds, r.options.duration)

	b.WriteString("Requests per second\n\n| target |")
	for _, c := range connectionCounts {
		fmt.Fprintf(&b, " %d connections |", c)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(connectionCounts)) + "\n")
	for _, name := range r.order() {
		fmt.Fprintf(&b, "| %s |", name)
		for _, c := range connectionCounts {
			rounds := each(r.results[name][c], func(one result) string { return fmt.Sprintf("%.0f", one.perSecond()) })
			fmt.Fprintf(&b, " %.0f (%s) |", r.perSecond(name, c), strings.Join(rounds, " "))
		}
		b.WriteByte('\n')
	}

	b.WriteString("\nLatency, p50 / p99\n\n| target |")
	for _, c := range connectionCounts {
		fmt.Fprintf(&b, " %d connections |", c)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(connectionCounts)) + "\n")
	fmt.Fprintf(&b, "| upstream, direct | %s / %s |%s\n", milliseconds(r.quantile(r.direct, 0.5)), milliseconds(r.quantile(r.direct, 0.99)), strings.Repeat(" |", len(connectionCounts)-1))
	failures := 0
	for _, name := range r.order() {
		fmt.Fprintf(&b, "| %s |", name)
		for _, c := range connectionCounts {
			results := r.results[name][c]
			fmt.Fprintf(&b, " %s / %s |", milliseconds(r.quantile(results, 0.5)), milliseconds(r.quantile(results, 0.99)))
			for _, one := range results {
				failures += one.failures
			}
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "\nFailed requests in all of it: %d.\n\n", failures)
	r.writeProcessorTime(&b)
	r.writeTargets(&b)
	if len(r.figures) > 0 {
		fmt.Fprintf(&b, "\nThe token engine on hostsim, %d instances, demo authorization server and MCP server\n\n| what | promise | seen | |\n|---|---|---|---|\n", figureInstances)
		for _, f := range r.figures {
			kept := "kept"
			if !f.kept {
				kept = "**not kept**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.what, f.promise, f.seen, kept)
		}
	}
	return b.String()
}

// writeProcessorTime tells what a request costs, which other programs on the machine change less than what they leave of it.
func (r *report) writeProcessorTime(b *strings.Builder) {
	b.WriteString("Processor time of the target's processes per request\n\n| target |")
	for _, c := range connectionCounts {
		fmt.Fprintf(b, " %d connections |", c)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(connectionCounts)) + "\n")
	for _, name := range r.order() {
		fmt.Fprintf(b, "| %s |", name)
		for _, c := range connectionCounts {
			fmt.Fprintf(b, " %d µs |", median(each(r.results[name][c], result.processorPerRequest)).Microseconds())
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
}

// writeTargets compares with the aims of the design.
func (r *report) writeTargets(b *strings.Builder) {
	b.WriteString("| what | aim | measured |\n|---|---|---|\n")
	ratio := func(what, aim, of, to string) {
		if r.results[of] != nil && r.results[to] != nil {
			fmt.Fprintf(b, "| %s, requests per second at 8 connections | %s | %.2f |\n", what, aim, r.perSecond(of, 8)/r.perSecond(to, 8))
		}
	}
	ratio("Grantway on workerd : stock syumai shim, same module", "≥ 10", resident, stock)
	ratio("Grantway on workerd : plain JavaScript on workerd", "≥ 0.8", resident, plain)
	ratio("the same, legacy sessions", "≥ 0.8", residentSessions, plain)
	ratio("Grantway on hostsim : native Go proxy", "≥ 0.5", hostsim, native)
	ratio("the same, legacy sessions", "≥ 0.5", hostsimSessions, native)
	if one := r.results[hostsim][1]; one != nil {
		fmt.Fprintf(b, "| latency that hostsim adds to the upstream at one connection, p50 / p99 | ≤ 0.3 ms / ≤ 1 ms | %s / %s |\n",
			milliseconds(r.quantile(one, 0.5)-r.quantile(r.direct, 0.5)), milliseconds(r.quantile(one, 0.99)-r.quantile(r.direct, 0.99)))
	}
	if raw, compressed, err := moduleSize(r.options.module); err == nil {
		fmt.Fprintf(b, "| module, gzip -9 (raw) | ≤ 3,000,000 bytes | %d (%d) |\n", compressed, raw)
	}
	if r.linear[1] > 0 {
		fmt.Fprintf(b, "| linear memory of one instance, before / after %d requests | flat, ≤ 32 MiB | %.1f MiB / %.1f MiB |\n", r.options.soak, mebibytes(r.linear[0]), mebibytes(r.linear[1]))
	}
	for _, name := range []string{hostsim, resident} {
		if m, ok := r.memory[name]; ok {
			fmt.Fprintf(b, "| resident memory of the process, before / after %d more requests, %s | flat | %d MB / %d MB |\n", r.options.soak, name, m[0]>>20, m[1]>>20)
		}
	}
	if len(r.starts) > 0 {
		fmt.Fprintf(b, "| hostsim, start with a warm compile cache to the first answer, median of %d | ≤ 1 s | %.2f s |\n", len(r.starts), median(r.starts).Seconds())
	}
}

// moduleSize in bytes, raw and by gzip -9 as scripts/build has it.
func moduleSize(path string) (raw, compressed int, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, err
	}
	out, err := exec.Command("gzip", "-9", "-c", path).Output()
	return int(info.Size()), len(out), err
}

// machine describes where the numbers come from.
func machine() string {
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(info), "model name\t: "); ok {
			model, _, _ = strings.Cut(rest, "\n")
		}
	}
	version := func(command ...string) string {
		out, err := exec.Command(command[0], command[1:]...).Output()
		if err != nil {
			return "unknown"
		}
		return strings.TrimSpace(string(out))
	}
	return fmt.Sprintf("Machine: %d cores of %s, Linux %s, %s, Node.js %s, workerd %s. %s.",
		runtime.NumCPU(), model, version("uname", "-r"), runtime.Version(), version("node", "--version"),
		version("node", "-p", "require('./wasm/shim/node_modules/workerd/package.json').version"), time.Now().UTC().Format("2006-01-02"))
}

func replaceResults(path, text string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(content), beginResults)
	_, after, ok2 := strings.Cut(rest, endResults)
	if !ok || !ok2 {
		return errors.New(path + " has no results section")
	}
	return os.WriteFile(path, []byte(before+beginResults+"\n"+text+"\n"+endResults+after), 0o644)
}
