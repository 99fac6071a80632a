package instance

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/grantway/grantway/hostsim/internal/gojs"
	"github.com/grantway/grantway/hostsim/internal/rewrite"
	"github.com/grantway/grantway/wasm/abi"
)

// Engine holds the compiled module, from which instances are started. It is safe for
// concurrent use.
type Engine struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	services *Services
	started  atomic.Int64
	missing  missing
}

// EngineConfig says how to compile.
type EngineConfig struct {
	// CacheDir keeps compiled modules between runs; "": none.
	CacheDir string
	// MemoryPages is the most linear memory of an instance, in pages of 64 KiB.
	MemoryPages uint32
	// Fuel is how many loop headers the guest passes between two looks at the watchdog;
	// 0 leaves the watchdog out.
	Fuel int32
	// Interpreter runs the module without compiling it.
	Interpreter bool
}

// NewEngine rewrites and compiles the module.
func NewEngine(ctx context.Context, wasm []byte, c EngineConfig, s *Services) (*Engine, error) {
	module, _, err := rewrite.Module(wasm, rewrite.Options{MergeData: true, Fuel: c.Fuel})
	if err != nil {
		return nil, err
	}
	rc := wazero.NewRuntimeConfigCompiler().WithMemoryLimitPages(c.MemoryPages)
	if c.CacheDir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(c.CacheDir)
		if err != nil {
			return nil, fmt.Errorf("compile cache: %w", err)
		}
		rc = rc.WithCompilationCache(cache)
	}
	e := &Engine{runtime: wazero.NewRuntimeWithConfig(ctx, rc), services: s}
	if err := e.build(ctx, module); err != nil {
		return nil, errors.Join(err, e.runtime.Close(ctx))
	}
	return e, nil
}

func (e *Engine) build(ctx context.Context, module []byte) error {
	state := func(ctx context.Context) *gojs.State { return ctx.(*Instance).js }
	if err := gojs.Instantiate(ctx, e.runtime, state); err != nil {
		return err
	}
	if err := instantiateABI(ctx, e.runtime); err != nil {
		return err
	}
	var err error
	e.compiled, err = e.runtime.CompileModule(experimental.WithCompilationWorkers(ctx, 2), module)
	return err
}

// Close frees the compiled module; no instance may be running.
func (e *Engine) Close(ctx context.Context) error { return e.runtime.Close(ctx) }

// Start starts an instance. It returns when the guest waits for its first event, or
// fails if the guest ends before that.
func (e *Engine) Start(ctx context.Context) (*Instance, error) {
	in := &Instance{
		Context:  context.WithoutCancel(ctx),
		Services: e.services,
		number:   e.started.Add(1),
		requests: map[int32]*Request{},
		calls:    map[int32]*call{},
		handles:  map[int32]*handle{},
		self:     &Request{},
		wake:     make(chan struct{}, 1),
		ended:    make(chan struct{}),
		timer:    time.NewTimer(time.Hour),
		started:  time.Now(),
	}
	in.timer.Stop()
	in.js = gojs.New(gojs.Config{
		Clock:     e.services.Clock,
		Output:    output{e.services.Log},
		Fuel:      in.outOfFuel,
		Undefined: func(key string) { e.missing.report(key, e.services.Log) },
	})
	module, err := e.runtime.InstantiateModule(experimental.WithMemoryAllocator(in, allocator),
		e.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, fmt.Errorf("instantiate: %w", err)
	}
	in.module = module
	in.js.Attach(module.Memory())
	in.push, in.resume = module.ExportedFunction("push"), module.ExportedFunction("resume")
	err = errors.New("the module does not export push and resume")
	if in.push != nil && in.resume != nil {
		err = in.start()
		if err == nil {
			err = in.afterGuest()
		}
	}
	if err != nil {
		return nil, errors.Join(err, module.Close(in))
	}
	go in.run()
	return in, nil
}

// instantiateABI adds the import modules "grantway" and "workers".
func instantiateABI(ctx context.Context, rt wazero.Runtime) error {
	i32 := func(n int) []api.ValueType {
		out := make([]api.ValueType, n)
		for i := range out {
			out[i] = api.ValueTypeI32
		}
		return out
	}
	b := rt.NewHostModuleBuilder(abi.Module)
	export := func(name string, params, results int, f func(in *Instance, stack []uint64)) {
		b.NewFunctionBuilder().
			WithGoFunction(api.GoFunc(func(ctx context.Context, stack []uint64) { f(ctx.(*Instance), stack) }), i32(params), i32(results)).
			Export(name)
	}
	export("abi", 0, 1, func(_ *Instance, stack []uint64) { stack[0] = abi.Version<<8 | uint64(abi.ModeResident) })
	export("take", 3, 0, take)
	export("sync", 7, 1, dispatchSync)
	export("op", 7, 0, dispatchOp)
	if _, err := b.Instantiate(ctx); err != nil {
		return err
	}
	_, err := rt.NewHostModuleBuilder("workers").NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(context.Context, []uint64) {}), nil, nil).Export("ready").
		Instantiate(ctx)
	return err
}
