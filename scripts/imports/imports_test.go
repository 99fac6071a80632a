// Package imports keeps the direction of imports: shim and host → platform → worker handlers → domain packages.
// It reads every Go file, whatever its build constraints.
package imports

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	root   = "../.."
	module = "github.com/grantway/grantway"
)

// file is a Go file with what it imports; paths inside the module are relative to its root.
type file struct {
	path    string
	pkg     string
	imports []string
}

// within says whether a path is one of these folders or lies below one.
func within(p string, folders ...string) bool {
	for _, folder := range folders {
		if p == folder || strings.HasPrefix(p, folder+"/") {
			return true
		}
	}
	return false
}

// violations are the rules that a file breaks.
func violations(f file) (broken []string) {
	folder := path.Dir(f.path)
	test := strings.HasSuffix(f.path, "_test.go")
	for _, imported := range f.imports {
		refuse := func(rule string) { broken = append(broken, f.path+" imports "+imported+": "+rule) }
		host := within(imported, "hostsim", "wasm", "syscall/js", "github.com/syumai/workers", "github.com/tetratelabs/wazero", "go.etcd.io/bbolt")
		if within(folder, "worker") && host {
			refuse("the gateway does not know where it runs")
		}
		if within(folder, "worker", "wasm") && !test && within(imported, "scripts") {
			refuse("the module holds nothing of the scripts")
		}
		if within(folder, "worker") && !test && within(imported, "text/template", "html/template", "github.com/modelcontextprotocol/go-sdk", "github.com/stretchr/testify") {
			refuse("it would make the module too big")
		}
		if folder == "worker/platform" && within(imported, "worker") {
			refuse("platform stands below everything in worker")
		}
		if within(folder, "worker/platform") && !test && within(imported, "worker") && !within(imported, "worker/platform") {
			refuse("a platform knows no domain package")
		}
		if within(folder, "worker") && folder != "worker" && !test && imported == "worker" {
			refuse("domain packages do not know how they are wired")
		}
		if within(folder, "worker") && !within(folder, "worker/admin") && folder != "worker" && !test && within(imported, "worker/admin") {
			refuse("only the wiring knows the management API")
		}
		if !within(folder, "wasm", "hostsim", "scripts") && within(imported, "hostsim", "wasm") {
			refuse("only hosts and scripts know a host")
		}
		if within(folder, "wasm") && within(imported, "hostsim") {
			refuse("the module does not know its host")
		}
	}
	for _, vague := range []string{"util", "utils", "common", "helper", "helpers", "misc"} {
		base := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test")
		if f.pkg == vague || base == vague || path.Base(folder) == vague {
			broken = append(broken, f.path+": a name that says nothing")
		}
	}
	return broken
}

func TestImports(t *testing.T) {
	files := 0
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); name != root && (strings.HasPrefix(base, ".") && base != ".." || base == "node_modules" || base == "build" || base == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := file{path: filepath.ToSlash(relative), pkg: parsed.Name.Name}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, strings.TrimPrefix(imported, module+"/"))
		}
		files++
		for _, broken := range violations(f) {
			assert.Fail(t, broken)
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, files, 10, "the walk found the repository")
}

func TestRules(t *testing.T) {
	for _, test := range []struct {
		file   file
		broken int
	}{
		{file{"worker/token/token.go", "token", []string{"worker/platform", "net/http"}}, 0},
		{file{"worker/token/token.go", "token", []string{"syscall/js"}}, 1},
		{file{"worker/token/token_test.go", "token_test", []string{"hostsim"}}, 2},
		{file{"worker/token/token.go", "token", []string{"worker"}}, 1},
		{file{"worker/token/token.go", "token", []string{"worker/admin"}}, 1},
		{file{"worker/admin/servers_test.go", "admin_test", []string{"worker", "worker/admin"}}, 0},
		{file{"worker/platform/platform.go", "platform", []string{"worker/token"}}, 2},
		{file{"worker/platform/memory/kv.go", "memory", []string{"worker/platform"}}, 0},
		{file{"worker/wire.go", "worker", []string{"worker/admin", "worker/token"}}, 0},
		{file{"worker/mcp/mcp.go", "mcp", []string{"scripts/demo/mcpserver"}}, 1},
		{file{"worker/mcp/mcp_test.go", "mcp", []string{"scripts/demo/mcpserver"}}, 0},
		{file{"wasm/main.go", "main", []string{"worker", "wasm/abi", "github.com/syumai/workers"}}, 0},
		{file{"wasm/main.go", "main", []string{"hostsim"}}, 1},
		{file{"hostsim/hostsim.go", "hostsim", []string{"wasm/abi"}}, 0},
		{file{"worker/util/strings.go", "util", nil}, 1},
		{file{"worker/token/helpers.go", "token", nil}, 1},
	} {
		assert.Len(t, violations(test.file), test.broken, "%+v", test.file)
	}
}
