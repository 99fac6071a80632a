package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The toolchain of go.mod must be one that the edits fit: else the module grows by a quarter.
func TestEditsFitTheToolchain(t *testing.T) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(goroot)), "src", "net", "http", "client.go"))
	require.NoError(t, err)
	edited, err := apply(string(source))
	require.NoError(t, err)
	assert.NotContains(t, edited, "return DefaultTransport")
	assert.NotContains(t, edited, "case *Transport:")
}

func TestAnotherSourceIsRefused(t *testing.T) {
	_, err := apply("package http\n")
	assert.ErrorIs(t, err, errChanged)
}
