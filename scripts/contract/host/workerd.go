package host

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// readyTimeout is for wrangler to bundle and to start workerd.
	readyTimeout = 5 * time.Minute
	// stopTimeout is for wrangler to end after SIGINT.
	stopTimeout = 90 * time.Second
)

// workerd is `wrangler dev --local` with an entry of wasm/shim/testing.
type workerd struct {
	url     string
	process *exec.Cmd
	ended   chan struct{} // closed when the process has ended
	output  *output
	dir     string // of its configuration and temporary files
}

func startWorkerd(o Options) (Host, error) {
	dir, err := os.MkdirTemp("", "grantway-workerd-")
	if err != nil {
		return nil, err
	}
	w := &workerd{dir: dir, ended: make(chan struct{}), output: &output{ready: make(chan string, 1)}}
	if err := w.start(o); err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("workerd: %w\n%s", err, w.output)
	}
	return w, nil
}

func (w *workerd) start(o Options) error {
	if _, err := os.Stat(modulePath(o.Guest)); err != nil {
		return fmt.Errorf("%w (scripts/build --probe makes it)", err)
	}
	configs, err := w.configure(o)
	if err != nil {
		return err
	}
	data := o.DataDir
	if data == "" {
		data = filepath.Join(w.dir, "state")
	}
	packages := filepath.Join(root(), "wasm", "shim", "node_modules")
	// Started without npx, which would not pass signals on.
	arguments := []string{filepath.Join(packages, "wrangler", "bin", "wrangler.js"), "dev", "--local", "--ip", "127.0.0.1", "--port", "0",
		"--inspector-port", "0", "--persist-to", data, "--show-interactive-dev-session=false"}
	for _, config := range configs {
		arguments = append(arguments, "--config", config)
	}
	w.process = exec.Command(filepath.Join(packages, ".bin", "node"), arguments...)
	w.process.Dir = w.dir
	w.process.Env = append(os.Environ(), "WRANGLER_SEND_METRICS=false", "CI=true", "NO_COLOR=1", "WRANGLER_LOG_PATH="+filepath.Join(w.dir, "logs"))
	w.process.Stdout, w.process.Stderr = w.output, w.output
	w.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // for Kill: its workerd processes too
	if err := w.process.Start(); err != nil {
		return fmt.Errorf("%w (npm ci in wasm/shim installs wrangler)", err)
	}
	go func() {
		_ = w.process.Wait()
		close(w.ended)
	}()
	select {
	case w.url = <-w.output.ready:
		return nil
	case <-w.ended:
		return errors.New("wrangler ended at start")
	case <-time.After(readyTimeout):
		_ = w.Kill()
		return errors.New("wrangler was not ready in time")
	}
}

// probeBindings are what only the probe asks for.
const probeBindings = `
[[ratelimits]]
name = "TEST_LIMITER"
namespace_id = "1001"
simple = { limit = 3, period = 60 }

[[analytics_engine_datasets]]
binding = "TEST_DATASET"
`

// configure writes wrangler.toml with the testing entry, absolute paths and the variables into a folder of its own, where no
// other configuration can be picked up; and one more for each further instance, which the first one knows by a service binding.
func (w *workerd) configure(o Options) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(root(), "wrangler.toml"))
	if err != nil {
		return nil, err
	}
	entry := map[Guest]string{Gateway: "worker.mjs", Probe: "probe.mjs"}[o.Guest]
	ui := filepath.Join(w.dir, "ui")
	if err := os.MkdirAll(ui, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(ui, "index.html"), []byte("<!doctype html><title>Grantway</title>"), 0o644); err != nil {
		return nil, err
	}
	config := string(text)
	for key, value := range map[string]string{
		"main":      filepath.Join(root(), "wasm", "shim", "testing", entry),
		"directory": ui,
	} {
		line := regexp.MustCompile(`(?m)^` + key + ` = .*$`)
		if len(line.FindAllString(config, -1)) != 1 {
			return nil, fmt.Errorf("wrangler.toml: one line %q expected", key)
		}
		config = line.ReplaceAllLiteralString(config, key+" = "+strconv.Quote(value))
	}
	if o.Guest == Probe {
		config += probeBindings
	}
	variables := "\n[vars]\n"
	for _, name := range slices.Sorted(maps.Keys(o.Env)) {
		variables += name + " = " + strconv.Quote(o.Env[name]) + "\n"
	}
	first, further := config, further(config)
	files := []string{filepath.Join(w.dir, "wrangler.toml")}
	for i := 2; i <= o.Instances; i++ {
		name := fmt.Sprint("instance-", i)
		first += fmt.Sprintf("\n[[services]]\nbinding = \"INSTANCE_%d\"\nservice = %q\n", i, name)
		file := filepath.Join(w.dir, name+".toml")
		if err := os.WriteFile(file, []byte(ownName.ReplaceAllLiteralString(further, "name = "+strconv.Quote(name))+variables), 0o600); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, os.WriteFile(files[0], []byte(first+variables), 0o600)
}

var (
	ownName   = regexp.MustCompile(`(?m)^name = "grantway"$`)
	className = regexp.MustCompile(`(?m)^class_name = .*$`)
	ownTables = regexp.MustCompile(`(?ms)^\[\[migrations\]\].*?\n\n|^\[triggers\].*?\n\n`)
)

// further is the configuration of an instance beside the first, whose objects it uses.
func further(config string) string {
	config = ownTables.ReplaceAllLiteralString(config, "")
	return className.ReplaceAllString(config, "$0\nscript_name = \"grantway\"")
}

func (w *workerd) URL() string { return w.url }

func (w *workerd) Log() string { return w.output.String() }

func (w *workerd) Stop() error {
	defer func() { _ = os.RemoveAll(w.dir) }()
	if err := w.process.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	select {
	case <-w.ended:
		return nil
	case <-time.After(stopTimeout):
		_ = w.Kill()
		return errors.New("workerd did not stop in time")
	}
}

func (w *workerd) Kill() error {
	err := syscall.Kill(-w.process.Process.Pid, syscall.SIGKILL)
	<-w.ended
	_ = os.RemoveAll(w.dir)
	return err
}

// control sends a request to testing/control.mjs.
func (w *workerd) control(method, path string, body any) ([]byte, error) {
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(b)
	}
	request, err := http.NewRequest(method, w.url+"/__test/"+path, reader)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("workerd: %s %s: %s %s", method, path, response.Status, answer)
	}
	return answer, err
}

func (w *workerd) Advance(d time.Duration) error {
	_, err := w.control("POST", "clock?advance="+strconv.FormatInt(d.Milliseconds(), 10), nil)
	return err
}

func (w *workerd) Step(d time.Duration) error { return w.Advance(d) }

func (w *workerd) KV(namespace, key string) ([]byte, error) {
	return w.control("GET", "kv/"+namespace+"/"+key, nil)
}

func (w *workerd) SetFault(namespace string, f Fault) error {
	method, fault := "PUT", map[string]any{"op": f.Op, "key": f.Key, "fail": f.Fail, "full": f.Full, "delay": f.Delay.Milliseconds()}
	if f.Value != nil {
		fault["value"] = base64.StdEncoding.EncodeToString(f.Value)
	} else if !f.Fail && !f.Full && f.Delay == 0 {
		method = "DELETE"
	}
	_, err := w.control(method, "fault/"+namespace, fault)
	return err
}

func (w *workerd) ResetObject(class, name string) error {
	_, err := w.control("POST", "reset/"+class+"/"+name, nil)
	return err
}

func (w *workerd) Housekeep() error {
	_, err := w.control("POST", "scheduled", nil)
	return err
}

// SendBroken has the body break off within workerd: in front of it, wrangler's own proxy would answer such a request.
func (w *workerd) SendBroken(r *http.Request) (*http.Response, error) {
	broken := r.Clone(r.Context())
	broken.URL.Path = "/__test/broken" + r.URL.Path
	broken.Header.Set("Broken-Content-Length", strconv.FormatInt(r.ContentLength, 10))
	broken.ContentLength = -1
	return http.DefaultTransport.RoundTrip(broken)
}

func (w *workerd) State() (State, error) {
	var s State
	b, err := w.control("GET", "state", nil)
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	s.Resident = residentGroup(w.process.Process.Pid, "workerd")
	return s, err
}

// output keeps what wrangler writes and finds the URL in it.
type output struct {
	mu    sync.Mutex
	text  []byte
	found bool
	ready chan string
}

// maxOutput is how many bytes of it are kept.
const maxOutput = 1 << 20

var readyLine = regexp.MustCompile(`Ready on (http://127\.0\.0\.1:\d+)`)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if !o.found {
		if m := readyLine.FindSubmatch(o.text); m != nil {
			o.found = true
			o.ready <- string(m[1])
		}
	}
	if len(o.text) > maxOutput {
		o.text = append([]byte(nil), o.text[len(o.text)-maxOutput/2:]...)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(string(o.text))
}
