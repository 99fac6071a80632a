package rewrite_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/grantway/grantway/hostsim/internal/rewrite"
)

var errFuel = errors.New("out of fuel")

// module is a hand-written module with, in this order, the imports
// "gojs" "runtime.nanotime1" (i32) → (), a memory, one global, and the functions
//
//	loop()          loop { br 0 }
//	recurse()       call recurse
//	leaf() i32      global 0
//	count(n i32)    n times round a loop
func module(data ...byte) []byte {
	section := func(id byte, body ...byte) []byte { return append([]byte{id, byte(len(body))}, body...) }
	name := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }
	var exports []byte
	for i, n := range []string{"loop", "recurse", "leaf", "count"} {
		exports = append(append(exports, name(n)...), 0, byte(i+1))
	}
	exports = append(append(exports, name("mem")...), 2, 0)
	code := func(body ...byte) []byte { return append([]byte{byte(len(body))}, body...) }
	out := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	out = append(out, section(1, 3, 0x60, 1, 0x7f, 0, 0x60, 0, 0, 0x60, 0, 1, 0x7f)...)
	out = append(out, section(2, append(append([]byte{1}, append(name("gojs"), name("runtime.nanotime1")...)...), 0, 0)...)...)
	out = append(out, section(3, 4, 1, 1, 2, 0)...)
	out = append(out, section(5, 1, 0, 1)...)
	out = append(out, section(6, 1, 0x7f, 1, 0x41, 42, 0x0b)...)
	out = append(out, section(7, append([]byte{5}, exports...)...)...)
	body := []byte{4}
	body = append(body, code(0, 0x03, 0x40, 0x0c, 0, 0x0b, 0x0b)...)
	body = append(body, code(0, 0x10, 2, 0x0b)...)
	body = append(body, code(0, 0x23, 0, 0x0b)...)
	body = append(body, code(0, 0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x0b)...)
	out = append(out, section(10, body...)...)
	return append(out, section(11, data...)...)
}

// run instantiates a rewritten module; each call of the hook is counted and fails at stopAt.
func run(t *testing.T, wasm []byte, stopAt int) (api.Module, *int) {
	t.Helper()
	ctx := t.Context()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { _ = rt.Close(context.Background()) })
	calls := 0
	_, err := rt.NewHostModuleBuilder("gojs").NewFunctionBuilder().WithFunc(func(sp uint32) {
		require.EqualValues(t, rewrite.FuelSentinel, sp)
		if calls++; calls == stopAt {
			panic(errFuel)
		}
	}).Export("runtime.nanotime1").Instantiate(ctx)
	require.NoError(t, err)
	m, err := rt.Instantiate(ctx, wasm)
	require.NoError(t, err)
	return m, &calls
}

func TestFuelStopsWhatNeverEnds(t *testing.T) {
	wasm, report, err := rewrite.Module(module(0), rewrite.Options{Fuel: 10})
	require.NoError(t, err)
	require.Equal(t, rewrite.Report{Functions: 4, Branches: 2, Entries: 1}, report)
	for _, name := range []string{"loop", "recurse"} {
		m, _ := run(t, wasm, 3)
		_, err = m.ExportedFunction(name).Call(t.Context())
		require.ErrorIs(t, err, errFuel, name)
	}
}

func TestFuelIsCountedExactly(t *testing.T) {
	wasm, _, err := rewrite.Module(module(0), rewrite.Options{Fuel: 10})
	require.NoError(t, err)
	m, calls := run(t, wasm, 0)
	for _, tc := range []struct{ rounds, calls int }{{9, 0}, {1, 1}, {9, 1}, {25, 4}} {
		_, err = m.ExportedFunction("count").Call(t.Context(), uint64(tc.rounds))
		require.NoError(t, err)
		require.Equal(t, tc.calls, *calls)
	}
	got, err := m.ExportedFunction("leaf").Call(t.Context())
	require.NoError(t, err)
	require.Equal(t, []uint64{42}, got, "the module's own globals are as they were")
}

func TestSegmentsAreMerged(t *testing.T) {
	segments := []byte{4,
		0, 0x41, 0x80, 0x01, 0x0b, 2, 'a', 'b', // at 128
		0, 0x41, 0x82, 0x01, 0x0b, 2, 'c', 0, // behind it
		0, 0x41, 0x81, 0x01, 0x0b, 1, 'B', // over it
		0, 0x41, 0x80, 0xc0, 0x01, 0x0b, 1, 'z', // at 24576: far away
	}
	wasm, report, err := rewrite.Module(module(segments...), rewrite.Options{MergeData: true})
	require.NoError(t, err)
	require.Equal(t, 4, report.SegmentsBefore)
	require.Equal(t, 2, report.SegmentsAfter)
	m, _ := run(t, wasm, 0)
	got, ok := m.Memory().Read(127, 6)
	require.True(t, ok)
	require.Equal(t, "\x00aBc\x00\x00", string(got))
	b, _ := m.Memory().ReadByte(24576)
	require.EqualValues(t, 'z', b)
}

func TestUnchangedWithoutOptions(t *testing.T) {
	wasm, _, err := rewrite.Module(module(0), rewrite.Options{})
	require.NoError(t, err)
	require.Equal(t, module(0), wasm)
}

func TestMalformedModules(t *testing.T) {
	whole := module(1, 0, 0x41, 0, 0x0b, 1, 'x')
	for n := range whole {
		_, _, err := rewrite.Module(whole[:n], rewrite.Options{MergeData: true, Fuel: 1})
		if err != nil {
			require.ErrorIs(t, err, rewrite.ErrModule)
		}
	}
	for name, b := range map[string][]byte{
		"passive segment": module(1, 1, 1, 'x'),
		"huge offset":     module(1, 0, 0x41, 0xff, 0xff, 0xff, 0xff, 0x07, 0x0b, 1, 'x'),
		"trailing bytes":  module(0, 1),
	} {
		_, _, err := rewrite.Module(b, rewrite.Options{MergeData: true})
		require.ErrorIs(t, err, rewrite.ErrModule, name)
	}
}

// TestGoModule rewrites a real program: what Go's compiler emits must be known, and
// every function that can run for ever must be covered.
func TestGoModule(t *testing.T) {
	file := filepath.Join(t.TempDir(), "guest.wasm")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, "../../testdata/guest")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	wasm, err := os.ReadFile(file)
	require.NoError(t, err)
	rewritten, report, err := rewrite.Module(wasm, rewrite.Options{MergeData: true, Fuel: 1000})
	require.NoError(t, err)
	t.Logf("%+v, %d → %d bytes", report, len(wasm), len(rewritten))
	require.Greater(t, report.SegmentsBefore, 100*report.SegmentsAfter)
	require.Less(t, len(rewritten), len(wasm)+len(wasm)/4)

	ctx := t.Context()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = rt.Close(ctx) }()
	_, err = rt.CompileModule(ctx, rewritten)
	require.NoError(t, err, "the rewritten module is valid")
}

func FuzzModule(f *testing.F) {
	f.Add(module(0), int32(10))
	f.Add(module(1, 0, 0x41, 0, 0x0b, 1, 'x'), int32(1))
	f.Add([]byte("\x00asm\x01\x00\x00\x00"), int32(0))
	f.Fuzz(func(t *testing.T, wasm []byte, fuel int32) {
		before := bytes.Clone(wasm)
		out, _, err := rewrite.Module(wasm, rewrite.Options{MergeData: true, Fuel: fuel})
		require.Equal(t, before, wasm, "the input is not changed")
		if err != nil {
			require.ErrorIs(t, err, rewrite.ErrModule)
			return
		}
		again, _, err := rewrite.Module(out, rewrite.Options{})
		require.NoError(t, err, "what was written can be read")
		require.Equal(t, out, again)
	})
}
