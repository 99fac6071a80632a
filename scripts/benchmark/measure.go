package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/grantway/grantway/scripts/demo/authserver"
)

// Targets, in the order of the report.
const (
	native   = "native Go proxy"
	hostsim  = "Grantway on hostsim"
	plain    = "plain JavaScript on workerd"
	resident = "Grantway on workerd"
	stock    = "stock syumai shim on workerd"
	// Rows of their own: calls in legacy sessions, one session per connection.
	hostsimSessions  = "Grantway on hostsim, legacy sessions"
	residentSessions = "Grantway on workerd, legacy sessions"
)

// sessionRows are the names of such rows, by target.
var sessionRows = map[string]string{hostsim: hostsimSessions, resident: residentSessions}

// names of the targets for --only.
var shortNames = map[string]string{native: "native", hostsim: "hostsim", plain: "plain", resident: "resident", stock: "stock"}

// connections of the measurements.
var connectionCounts = []int{1, 8, 64}

// report is what a run found.
type report struct {
	results map[string]map[int][]result // row, connections, rounds
	direct  []result                    // the upstream itself at one connection
	memory  map[string][2]int64         // resident memory before and after the soak, in bytes
	linear  [2]int64                    // linear memory of one instance before and after the soak, in bytes
	starts  []time.Duration             // hostsim with a warm cache, sorted
	figures []figure
	options options
}

func measure(ctx context.Context, options options) error {
	idp, err := authserver.Listen("127.0.0.1:0", authserver.Options{})
	if err != nil {
		return err
	}
	defer idp.Close()
	sealingKey := make([]byte, 32)
	rand.Read(sealingKey)
	config := targetConfig{
		TokenURL: idp.TokenEndpoint(), ClientID: "bench", ClientSecret: rand.Text(), Key: "gw_" + rand.Text() + rand.Text(),
		SealingKey: base64.StdEncoding.EncodeToString(sealingKey), Module: options.module,
	}
	idp.Register(authserver.Client{ID: config.ClientID, Secrets: []string{config.ClientSecret}})
	up := new(upstream)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: up, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	defer server.Close()
	config.Upstream = "http://" + listener.Addr().String() + "/mcp"

	data, err := os.MkdirTemp("", "grantway-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	r := report{results: make(map[string]map[int][]result), memory: make(map[string][2]int64), options: options}
	targets, err := r.startTargets(ctx, config, data)
	defer func() {
		for _, t := range targets {
			t.stop()
		}
	}()
	if err != nil {
		return err
	}
	if err := r.throughput(ctx, config, listener.Addr().String(), targets); err != nil {
		return err
	}
	if err := r.soak(ctx, config, targets); err != nil {
		return err
	}
	if options.figures {
		if r.figures, err = measureFigures(ctx, config); err != nil {
			return err
		}
	}
	if n := up.unauthorized.Load(); n > 0 {
		return fmt.Errorf("%d requests reached the upstream without a token", n)
	}
	fmt.Println()
	text := r.markdown()
	fmt.Print(text)
	if options.write != "" {
		return replaceResults(options.write, text)
	}
	return nil
}

func (r *report) startTargets(ctx context.Context, config targetConfig, data string) (targets []*target, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	node := "wasm/shim/node_modules/.bin/node" // the version that the shim's tools need, if it is installed there
	if _, err := os.Stat(node); err != nil {
		node = "node"
	}
	commands := []struct {
		name    string
		command []string
	}{
		{native, []string{self, "-serve-native"}},
		{hostsim, nil},
		{plain, []string{node, "scripts/benchmark/workerd.mjs", "plain"}},
		{resident, []string{node, "scripts/benchmark/workerd.mjs", "resident"}},
		{stock, []string{node, "scripts/benchmark/workerd.mjs", "stock"}},
	}
	for _, c := range commands {
		if !r.options.wants(shortNames[c.name]) {
			continue
		}
		fmt.Printf("Starting: %s\n", c.name)
		var t *target
		if c.name == hostsim {
			t, err = r.startHostsimTimed(ctx, config, data)
		} else {
			t, err = start(ctx, c.name, config, c.command...)
		}
		if err != nil {
			return targets, err
		}
		t.name = c.name
		targets = append(targets, t)
		if c.name == hostsim || c.name == resident || c.name == stock {
			if err := t.register(config); err != nil {
				return targets, fmt.Errorf("%w\n%s", err, t.log)
			}
		}
		// Once before it counts: the token is there.
		if err := t.callOnce(ctx, config); err != nil {
			return targets, fmt.Errorf("%s: %w\n%s", t.name, err, t.log)
		}
		if sessionRows[t.name] != "" {
			if err := t.openSessions(ctx, config.Key); err != nil {
				return targets, fmt.Errorf("%w\n%s", err, t.log)
			}
		}
	}
	return targets, nil
}

// startHostsimTimed starts the host six times: once to fill the compile cache, then timed, and leaves the last one running.
func (r *report) startHostsimTimed(ctx context.Context, config targetConfig, data string) (*target, error) {
	const timed = 5
	for i := 0; ; i++ {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		t, took, err := startHostsim(ctx, config, r.options.hostsim, address, filepath.Join(data, "hostsim"))
		if err != nil {
			return nil, err
		}
		if i > 0 {
			r.starts = append(r.starts, took)
		}
		if i == timed {
			slices.Sort(r.starts)
			return t, nil
		}
		t.stop()
	}
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func (r *report) throughput(ctx context.Context, config targetConfig, upstreamAddress string, targets []*target) error {
	for round := range r.options.rounds {
		one := func(name, address string, requests [][]byte, connections int, t *target) (result, error) {
			l := load{address: address, requests: requests, connections: connections, duration: r.options.duration}
			if round == 0 {
				warm := l
				warm.duration = max(r.options.duration/3, time.Second)
				if _, err := warm.run(ctx); err != nil {
					return result{}, fmt.Errorf("%s, %d connections: %w", name, connections, err)
				}
			}
			before := t.processorTime()
			got, err := l.run(ctx)
			if err != nil {
				return got, fmt.Errorf("%s, %d connections: %w", name, connections, err)
			}
			got.processor = t.processorTime() - before
			fmt.Printf("round %d  %-36s c=%-3d %8.0f/s  p50 %s  p99 %s  %d failed %s\n", round+1, name, connections, got.perSecond(),
				milliseconds(got.quantile(0.5)), milliseconds(got.quantile(0.99)), got.failures, got.failure)
			return got, nil
		}
		for _, connections := range connectionCounts {
			if connections == 1 {
				// The upstream only looks at the shape of the token.
				got, err := one("upstream, direct", upstreamAddress, [][]byte{callRequest(upstreamAddress, "/mcp", "eyJ")}, 1, nil)
				if err != nil {
					return err
				}
				r.direct = append(r.direct, got)
			}
			for _, t := range targets {
				for _, row := range t.rows(config.Key) {
					got, err := one(row.name, t.address(), row.requests, connections, t)
					if err != nil {
						return fmt.Errorf("%w\n%s", err, t.log)
					}
					if r.results[row.name] == nil {
						r.results[row.name] = make(map[int][]result)
					}
					r.results[row.name][connections] = append(r.results[row.name][connections], got)
				}
			}
		}
	}
	return nil
}

// soak sends many requests to the long-lived instances and looks at the memory of their processes.
func (r *report) soak(ctx context.Context, config targetConfig, targets []*target) error {
	if r.options.soak == 0 {
		return nil
	}
	for _, t := range targets {
		if t.name != hostsim && t.name != resident {
			continue
		}
		before, err := t.residentMemory()
		if err != nil {
			return err
		}
		l := load{address: t.address(), requests: [][]byte{callRequest(t.address(), t.path, config.Key)}, connections: 8, total: r.options.soak}
		got, err := l.run(ctx)
		if err != nil {
			return err
		}
		after, err := t.residentMemory()
		if err != nil {
			return err
		}
		fmt.Printf("soak     %-30s %d requests, %d failed, memory %d MB before, %d MB after\n", t.name, got.requests, got.failures, before>>20, after>>20)
		r.memory[t.name] = [2]int64{before, after}
	}
	if r.options.wants(shortNames[hostsim]) {
		before, after, err := linearMemory(ctx, config, r.options.soak)
		r.linear = [2]int64{before, after}
		return err
	}
	return nil
}

func serveNativeFromEnvironment(ctx context.Context) error {
	var config targetConfig
	if err := json.Unmarshal([]byte(os.Getenv("BENCH_CONFIG")), &config); err != nil {
		return err
	}
	return serveNative(ctx, config)
}
