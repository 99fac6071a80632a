package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// readyPrefix begins the line by which a target says where it listens.
	readyPrefix = "READY "
	// readyTimeout is for that line.
	readyTimeout = 90 * time.Second
)

// targetConfig is what every target is told, as JSON in the environment variable BENCH_CONFIG.
type targetConfig struct {
	Upstream     string `json:"upstream"`
	TokenURL     string `json:"token_url"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	Key          string `json:"key"`         // the caller's, and the administrator's
	SealingKey   string `json:"sealing_key"` // base64
	Module       string `json:"module"`
}

// target is one gateway under measurement, in a process of its own.
type target struct {
	name    string
	url     string
	path    string // of the MCP endpoint
	process *exec.Cmd
	log     *bytes.Buffer
	// sessions are requests of legacy clients, each in a session of its own; none where these are not measured.
	sessions [][]byte
}

// address is host:port.
func (t *target) address() string { return strings.TrimPrefix(t.url, "http://") }

// start runs a command and waits for its ready line.
func start(ctx context.Context, name string, config targetConfig, command ...string) (*target, error) {
	encoded, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	process := exec.CommandContext(ctx, command[0], command[1:]...)
	process.Env = append(os.Environ(), "BENCH_CONFIG="+string(encoded))
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	t := &target{name: name, path: "/", process: process, log: new(bytes.Buffer)}
	process.Stderr = t.log
	out, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	ready := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), readyPrefix); ok {
				ready <- url
			}
		}
		close(ready)
	}()
	select {
	case url, ok := <-ready:
		if !ok {
			process.Wait()
			return nil, fmt.Errorf("%s did not start: %s", name, t.log)
		}
		t.url = url
		return t, nil
	case <-time.After(readyTimeout):
		t.stop()
		return nil, fmt.Errorf("%s did not start within %s", name, readyTimeout)
	}
}

// startHostsim runs the host command on address and times it from the start of the process to the first answer.
func startHostsim(ctx context.Context, config targetConfig, hostsim, address, data string) (*target, time.Duration, error) {
	process := exec.CommandContext(ctx, hostsim, "serve", "--addr", address, "--data", data, "--module", config.Module)
	process.Env = append(os.Environ(), "GRANTWAY_ADMIN_KEY="+config.Key, "GRANTWAY_SEALING_KEY="+config.SealingKey, "GRANTWAY_ALLOW_LOOPBACK=true")
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	t := &target{name: "hostsim", url: "http://" + address, process: process, log: new(bytes.Buffer)}
	process.Stderr, process.Stdout = t.log, t.log
	begin := time.Now()
	if err := process.Start(); err != nil {
		return nil, 0, err
	}
	for time.Since(begin) < readyTimeout {
		response, err := http.Get(t.url + "/healthz")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return t, time.Since(begin), nil
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.stop()
	return nil, 0, fmt.Errorf("hostsim did not start: %s", t.log)
}

// register tells a Grantway of the upstream.
func (t *target) register(config targetConfig) error {
	record := map[string]any{
		"server_name": "bench", "url": config.Upstream, "transport": "http",
		"auth_type": "oauth2", "oauth2_flow": "client_credentials", "token_url": config.TokenURL,
		"credentials": map[string]any{"client_id": config.ClientID, "client_secret": config.ClientSecret},
	}
	var created struct {
		Slug string `json:"slug"`
	}
	if err := ask(context.Background(), http.MethodPost, t.url+"/v1/mcp/server", config.Key, record, http.StatusCreated, &created); err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	t.path = "/mcp/" + created.Slug
	return nil
}

// callOnce calls the tool of the measurements.
func (t *target) callOnce(ctx context.Context, config targetConfig) error {
	_, err := load{address: t.address(), requests: [][]byte{callRequest(t.address(), t.path, config.Key)}, connections: 1, total: 1}.run(ctx)
	return err
}

// row is one line of the report: requests to a target.
type row struct {
	name     string
	requests [][]byte
}

func (t *target) rows(key string) []row {
	rows := []row{{t.name, [][]byte{callRequest(t.address(), t.path, key)}}}
	if len(t.sessions) > 0 {
		rows = append(rows, row{sessionRows[t.name], t.sessions})
	}
	return rows
}

// openSessions opens a session for each connection of the measurements.
func (t *target) openSessions(ctx context.Context, key string) error {
	const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`
	for range slices.Max(connectionCounts) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url+t.path, strings.NewReader(initialize))
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+key)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Accept", "application/json, text/event-stream")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		response.Body.Close()
		session := response.Header.Get("Mcp-Session-Id")
		if response.StatusCode != http.StatusOK || session == "" {
			return fmt.Errorf("%s: no session: status %d", t.name, response.StatusCode)
		}
		t.sessions = append(t.sessions, sessionCallRequest(t.address(), t.path, key, session))
	}
	return nil
}

// stop ends the target and its children.
func (t *target) stop() {
	syscall.Kill(-t.process.Process.Pid, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		t.process.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
	}
	// What is left of the group.
	syscall.Kill(-t.process.Process.Pid, syscall.SIGKILL)
	<-done
}

// residentMemory of the target's largest process, in bytes.
func (t *target) residentMemory() (int64, error) {
	var largest int64
	for _, fields := range t.processes() {
		largest = max(largest, number(fields, statResident)*int64(os.Getpagesize()))
	}
	if largest == 0 {
		return 0, errors.New("no process of the target is left")
	}
	return largest, nil
}

// processorTime that the target's processes have used so far, in user mode and in the kernel; 0 for a nil target.
func (t *target) processorTime() time.Duration {
	if t == nil {
		return 0
	}
	var ticks int64
	for _, fields := range t.processes() {
		ticks += number(fields, statUser) + number(fields, statSystem)
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// Places in what processes answers. proc(5) counts from 1 and has pid and name before them.
const (
	statGroup    = 5 - 3
	statUser     = 14 - 3
	statSystem   = 15 - 3
	statResident = 24 - 3 // in pages
	// ticksPerSecond is the unit of processor times: USER_HZ, the same on every Linux.
	ticksPerSecond = 100
)

// processes answers the fields of /proc/PID/stat after the name, for each process of the target.
func (t *target) processes() (all [][]string) {
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		panic(err) // the pattern is good
	}
	for _, entry := range entries {
		stat, err := os.ReadFile(entry)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) > statResident && fields[statGroup] == strconv.Itoa(t.process.Process.Pid) {
			all = append(all, fields)
		}
	}
	return all
}

// number of a field, 0 for what is none.
func number(fields []string, at int) int64 {
	n, _ := strconv.ParseInt(fields[at], 10, 64)
	return n
}

func itoa(n int) string { return strconv.Itoa(n) }
