package host

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/hostsim"
	"github.com/grantway/grantway/wasm/abi"
)

// hostsimHost is hostsim in this process, behind a real listener.
type hostsimHost struct {
	host   *hostsim.Host
	server *httptest.Server
	clock  *hostsim.Clock
	output *output

	mu     sync.Mutex
	faults map[string]Fault // by namespace
}

func startHostsim(o Options) (Host, error) {
	module, err := os.ReadFile(modulePath(o.Guest))
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	h := &hostsimHost{clock: hostsim.NewClock(), output: &output{ready: make(chan string, 1)}, faults: map[string]Fault{}}
	options := []hostsim.Option{
		hostsim.WithEnv(o.Env),
		hostsim.WithInstances(max(o.Instances, 1)),
		hostsim.WithCompileCache(filepath.Join(cache, "grantway", "wazero")),
		hostsim.WithClock(h.clock),
		hostsim.WithFaults(h.fault),
		hostsim.WithLog(slog.New(slog.NewJSONHandler(h.output, nil))),
		hostsim.WithOutput(h.output),
	}
	if o.Guest == Probe {
		options = append(options,
			hostsim.WithRateLimit("TEST_LIMITER", hostsim.RateLimit{Limit: 3, Period: time.Minute}),
			hostsim.WithDataPoints(func(hostsim.DataPoint) {}))
	}
	if o.DataDir != "" {
		options = append(options, hostsim.WithDataDir(o.DataDir))
	}
	if h.host, err = hostsim.Open(context.Background(), module, options...); err != nil {
		return nil, err
	}
	h.server = httptest.NewServer(h.host)
	return h, nil
}

func (h *hostsimHost) fault(p hostsim.FaultPoint) hostsim.Fault {
	target, _, _ := strings.Cut(p.Target, "/") // of a storage: CLASS/NAME
	kind, op, _ := strings.Cut(p.Op, ".")
	if p.Op == "object" {
		op = Call
	}
	h.mu.Lock()
	f, set := h.faults[target]
	h.mu.Unlock()
	writes := kind == "storage" && (op == "put" || op == "transact")
	if !set || f.Full && !writes || (f.Op != "" && op != f.Op) || (f.Op == "" && op == Call) || !strings.HasPrefix(p.Key, f.Key) {
		return hostsim.Fault{}
	}
	out := hostsim.Fault{Delay: f.Delay}
	switch {
	case f.Full:
		out.Code = abi.ErrLimit
	case f.Fail && op == Call:
		out.Code = abi.ErrGone
	case f.Fail:
		out.Code = abi.ErrInternal
	case f.Value != nil && op == "get":
		out.Replace, out.Value = true, f.Value
	}
	return out
}

func (h *hostsimHost) URL() string { return h.server.URL }

func (h *hostsimHost) Log() string { return h.output.String() }

func (h *hostsimHost) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := h.host.Close(ctx)
	h.server.Close()
	return err
}

// Kill ends the instances before the host, so that nothing of the guest's work comes to its end. hostsim's own tests kill the command.
func (h *hostsimHost) Kill() error {
	h.host.KillInstances()
	h.server.CloseClientConnections()
	return h.Stop()
}

func (h *hostsimHost) Advance(d time.Duration) error {
	h.clock.Advance(d)
	return nil
}

func (h *hostsimHost) Step(d time.Duration) error {
	h.clock.Step(d)
	return nil
}

func (h *hostsimHost) KV(namespace, key string) ([]byte, error) {
	value, _, err := h.host.KV(namespace, key)
	return value, err
}

func (h *hostsimHost) SetFault(namespace string, f Fault) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !f.Fail && !f.Full && f.Delay == 0 && f.Value == nil {
		delete(h.faults, namespace)
		return nil
	}
	h.faults[namespace] = f
	return nil
}

// ResetObject ends the object's life; without a request under way it has none.
func (h *hostsimHost) ResetObject(class, name string) error {
	h.host.ResetObject(class, name)
	return nil
}

func (h *hostsimHost) Housekeep() error { return h.host.RunScheduled(context.Background()) }

// SendBroken ends the client's side of the connection early.
func (h *hostsimHost) SendBroken(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c, err := net.Dial("tcp", r.URL.Host)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.Method, r.URL.RequestURI(), r.URL.Host, r.ContentLength)
	var fields bytes.Buffer
	if err := r.Header.Write(&fields); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(c, "%s%s\r\n%s", head, fields.Bytes(), body); err != nil {
		return nil, err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(bufio.NewReader(c), r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response, err
}

func (h *hostsimHost) State() (State, error) {
	s := h.host.Stats()
	return State{Started: int(s.Starts), Memory: s.LinearMemory, Owners: int(s.Alive), Resident: resident(os.Getpid())}, nil
}
