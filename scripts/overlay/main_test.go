package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func goroot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// written answers the folder of an overlay for the toolchain of go.mod.
func written(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, write(goroot(t), folder))
	return folder
}

// The toolchain of go.mod must be one that the edits fit, and the library must compile
// with them: else there is no module.
func TestTheLibraryCompilesWithTheOverlay(t *testing.T) {
	overlay := filepath.Join(written(t), "overlay.json")
	list := exec.Command("go", "list", "-overlay", overlay, "-tags=nethttpomithttp2", "-deps", "golang.org/x/oauth2/clientcredentials")
	list.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := list.CombinedOutput()
	require.NoError(t, err, string(out))
	packages := strings.Fields(string(out))
	assert.Contains(t, packages, "crypto/tls")
	for _, left := range []string{"crypto/ecdsa", "crypto/hpke", "crypto/internal/fips140/rsa", "encoding/asn1"} {
		assert.NotContains(t, packages, left)
	}

	build := exec.Command("go", "build", "-overlay", overlay, "-tags=nethttpomithttp2", "golang.org/x/oauth2/clientcredentials")
	build.Env = list.Env
	out, err = build.CombinedOutput()
	require.NoError(t, err, string(out))
}

// The library's own tests of P-256 on the edited code; purego selects what js/wasm compiles.
func TestP256MultipliesItsGeneratorWithoutATable(t *testing.T) {
	out, err := exec.Command("go", "test", "-count=1", "-overlay", filepath.Join(written(t), "overlay.json"), "-tags=purego", "crypto/ecdh").CombinedOutput()
	assert.NoError(t, err, string(out))
}

func TestEveryReplacementExists(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(written(t), "overlay.json"))
	require.NoError(t, err)
	var overlay struct{ Replace map[string]string }
	require.NoError(t, json.Unmarshal(source, &overlay))
	assert.Greater(t, len(overlay.Replace), len(edits))
	for original, replacement := range overlay.Replace {
		assert.FileExists(t, original)
		if replacement != "" {
			assert.FileExists(t, replacement)
		}
	}
}

func TestAnotherSourceIsRefused(t *testing.T) {
	for path := range edits {
		_, err := apply(path, "package other\n")
		assert.ErrorIs(t, err, errChanged, path)
	}
	assert.ErrorIs(t, write(t.TempDir(), t.TempDir()), os.ErrNotExist)
}
