package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof" // served on --pprof only
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/grantway/grantway/hostsim"
	"github.com/grantway/grantway/hostsim/internal/assets"
	"github.com/grantway/grantway/wasm/abi"
)

const (
	defaultAddr   = "127.0.0.1:8787"
	defaultData   = ".grantway"
	defaultModule = "build/app.wasm"
	defaultUI     = "ui/dist"
	// defaultCron is the schedule of housekeeping, as in wrangler.toml.
	defaultCron = "* * * * *"
	// callerRate is the gateway's name for the limiter of its callers, as in wrangler.toml.
	callerRate = "CALLER_RATE"
	// loopbackVariable permits upstreams on this machine.
	loopbackVariable = "GRANTWAY_ALLOW_LOOPBACK"

	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
)

type serveFlags struct {
	addr, data, module, ui, cron, config, logLevel, logFormat, pprof string
	instances, rate                                                  int
	drain, watchdog                                                  time.Duration
	memory                                                           int
	private                                                          bool
}

// serve runs the gateway until the context ends.
func serve(ctx context.Context, s streams, args []string) error {
	var o serveFlags
	f := newFlags(s, "serve", "[flags]")
	f.StringVar(&o.addr, "addr", defaultAddr, "`address` to listen on. Another than a loopback address makes the gateway reachable from outside: put TLS in front of it")
	f.StringVar(&o.data, "data", defaultData, "`folder` of the database and, unless the environment gives them, of the sealing key and the admin key")
	f.StringVar(&o.module, "module", defaultModule, "the gateway's module, a wasm `file`. By default it is also looked for beside this program, as app.wasm")
	f.StringVar(&o.ui, "ui", defaultUI, "`folder` of the built UI, served at /ui/. By default it is also looked for beside this program, as ui")
	f.StringVar(&o.cron, "cron", defaultCron, "when housekeeping runs: a cron `expression` of five fields, in UTC; empty for never")
	f.StringVar(&o.config, "config", "", "`file` of record (Grantway's own format, or one that hostsim import reads): its servers and keys are applied and become read-only")
	f.IntVar(&o.instances, "instances", runtime.GOMAXPROCS(0), "`number` of instances of the module")
	f.IntVar(&o.rate, "rate", 0, "requests per minute of one access key, counted over all instances: a `number`; 0 for no such limit")
	f.IntVar(&o.memory, "memory", hostsim.DefaultMemoryPages/16, "most memory of one instance, in `MiB`")
	f.DurationVar(&o.watchdog, "watchdog", hostsim.DefaultWatchdog, "how `long` the module may compute without yielding before its instance is replaced")
	f.DurationVar(&o.drain, "drain", 10*time.Second, "how `long` requests in flight may go on after SIGTERM or SIGINT")
	f.BoolVar(&o.private, "allow-private", false, "permit upstreams whose names resolve to private addresses. Names that cannot be public and private addresses in URLs stay refused")
	f.StringVar(&o.logLevel, "log-level", "info", "least `level` to log: debug, info, warn, error")
	f.StringVar(&o.logFormat, "log-format", "text", "`format` of the log on standard error: text, json")
	f.StringVar(&o.pprof, "pprof", "", "`address` for Go's profiles (net/http/pprof), for development; off by default")
	usage := f.Usage
	f.Usage = func() {
		usage()
		_, _ = fmt.Fprint(f.Output(), `
Environment: GRANTWAY_SEALING_KEY (base64, 32 bytes) and GRANTWAY_ADMIN_KEY take the place of the files in the
data folder. GRANTWAY_ALLOW_LOOPBACK=true permits http and loopback upstreams, for development. GRANTWAY_PUBLIC_URL is
the URL by which callers reach the gateway. Every variable named GRANTWAY_* or MCP_OAUTH2_* is given to the module.
`)
	}
	if err := parse(f, args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%w: unexpected argument %q", errUsage, f.Arg(0))
	}
	if o.rate < 0 {
		return fmt.Errorf("%w: --rate must not be negative", errUsage)
	}
	logger, err := newLogger(s.err, o.logLevel, o.logFormat)
	if err != nil {
		return err
	}
	given := map[string]bool{}
	f.Visit(func(fl *flag.Flag) { given[fl.Name] = true })
	o.module = findBeside(o.module, given["module"], "app.wasm")
	o.ui = findBeside(o.ui, given["ui"], "ui")
	return o.run(ctx, s, logger)
}

func (o serveFlags) run(ctx context.Context, s streams, logger *slog.Logger) error {
	wasm, err := os.ReadFile(o.module)
	if err != nil {
		return fmt.Errorf("the module: %w (build it with scripts/build, or name it with --module)", err)
	}
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	env := environment(os.Environ())
	secrets, err := loadSecrets(o.data, env)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	if !loopback(listener.Addr()) {
		logger.Warn("this address is reachable from outside, without TLS: put a TLS proxy in front of it", "addr", listener.Addr().String())
	}
	options := []hostsim.Option{
		hostsim.WithDataDir(o.data),
		hostsim.WithCompileCache(compileCache(o.data)),
		hostsim.WithEnv(env),
		hostsim.WithInstances(o.instances),
		hostsim.WithMemoryLimitPages(uint32(o.memory) * 16),
		hostsim.WithWatchdog(o.watchdog),
		hostsim.WithLog(logger),
		hostsim.WithOutput(s.err),
	}
	if !o.private {
		loopback, _ := strconv.ParseBool(env[loopbackVariable]) // malformed: the module refuses to work
		options = append(options, hostsim.WithPublicNetworkOnly(loopback))
	}
	if o.rate > 0 {
		options = append(options, hostsim.WithRateLimit(callerRate, hostsim.RateLimit{Limit: o.rate, Period: time.Minute}))
	}
	if o.cron != "" {
		options = append(options, hostsim.WithSchedule(o.cron))
	}
	host, err := hostsim.Open(ctx, wasm, options...)
	if err != nil {
		return err
	}
	if err := checkSettings(ctx, host); err != nil {
		return errors.Join(err, host.Close(ctx))
	}
	if o.config != "" {
		if err := applyConfig(ctx, host, o.config, env[adminKeyVariable], logger); err != nil {
			return errors.Join(err, host.Close(ctx))
		}
	}
	o.announce(s.out, listener.Addr(), host, secrets)
	if o.pprof != "" {
		go func() { logger.Error("pprof", "error", http.ListenAndServe(o.pprof, nil)) }()
	}
	return o.serveUntil(ctx, logger, listener, host)
}

// serveUntil serves until ctx ends, then drains.
func (o serveFlags) serveUntil(ctx context.Context, logger *slog.Logger, listener net.Listener, host *hostsim.Host) error {
	server := &http.Server{
		Handler:           route(host, o.uiHandler(logger)),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    abi.MaxMeta,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		logger.Info("stopping: requests in flight may finish", "within", o.drain.String())
	}
	limit, cancel := context.WithTimeout(context.Background(), o.drain)
	defer cancel()
	host.Drain()
	if stopped := server.Shutdown(limit); stopped != nil {
		logger.Warn("requests were still in flight and are broken off")
		_ = server.Close()
	}
	return errors.Join(err, host.Close(limit))
}

// route sends the UI's paths to the UI and everything else to the guest.
func route(host, ui http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", host)
	mux.Handle("/{$}", http.RedirectHandler(assets.Prefix, http.StatusFound))
	mux.Handle("/ui", http.RedirectHandler(assets.Prefix, http.StatusMovedPermanently))
	mux.Handle(assets.Prefix, ui)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux would clean other paths and redirect; the guest gets them as they came.
		if r.URL.Path == "/" || r.URL.Path == "/ui" || strings.HasPrefix(r.URL.Path, assets.Prefix) {
			mux.ServeHTTP(w, r)
			return
		}
		host.ServeHTTP(w, r)
	})
}

func (o serveFlags) uiHandler(logger *slog.Logger) http.Handler {
	ui, err := assets.Open(o.ui)
	if err == nil {
		return gzhttp.GzipHandler(ui)
	}
	logger.Warn("the UI is not served", "error", err.Error())
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "The UI is not built: scripts/run builds it, or name its folder with --ui.", http.StatusNotFound)
	})
}

// announce says where the gateway is and, on the first run, where its keys are.
func (o serveFlags) announce(w io.Writer, addr net.Addr, host *hostsim.Host, secrets secretFiles) {
	_, _ = fmt.Fprintf(w, "Grantway serves at http://%s (module %s)\n", addr, host.ModuleSHA256()[:12])
	if len(secrets.created) == 0 {
		return
	}
	_, _ = fmt.Fprintf(w, "First run. Open http://%s%s and sign in with the admin key.\n", addr, assets.Prefix)
	for _, file := range secrets.created {
		_, _ = fmt.Fprintf(w, "  created %s (mode 0600)\n", file)
	}
	if secrets.admin != "" {
		_, _ = fmt.Fprintf(w, "The admin key is in %s. Keep a copy of both: without the sealing key no stored secret opens.\n", secrets.admin)
	}
}

// environment selects the variables that the module may see.
func environment(all []string) map[string]string {
	env := map[string]string{}
	for _, variable := range all {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "GRANTWAY_") || strings.HasPrefix(name, "MCP_OAUTH2_") {
			env[name] = value
		}
	}
	return env
}

func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// compileCache is the folder of compiled modules: the user's cache folder, or the
// data folder where there is none.
func compileCache(data string) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return filepath.Join(data, "cache")
	}
	return filepath.Join(dir, "grantway", "wazero")
}

// findBeside answers the path, or, if the user did not name it and it does not
// exist, the one of this name beside the program.
func findBeside(path string, given bool, name string) string {
	if _, err := os.Stat(path); given || err == nil {
		return path
	}
	program, err := os.Executable()
	if err != nil {
		return path
	}
	beside := filepath.Join(filepath.Dir(program), name)
	if _, err := os.Stat(beside); err != nil {
		return path
	}
	return beside
}

func newLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("%w: --log-level: %w", errUsage, err)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("%w: --log-format: %q is neither text nor json", errUsage, format)
}
