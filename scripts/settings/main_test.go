package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDocumentIsCurrent(t *testing.T) {
	written, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	assert.Equal(t, document(), string(written), "run  go run ./scripts/settings > docs/configuration.md")
}
