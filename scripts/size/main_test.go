package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Two functions, one import: the import has no body, so names are shifted by one.
var module = []byte("\x00asm\x01\x00\x00\x00" +
	"\x02\x07\x01\x01m\x01f\x00\x00" + // import m.f
	"\x0a\x08\x02\x03\x00\x01\x0b\x02\x00\x0b" + // bodies of 3 and 2 bytes
	"\x00\x21\x04name\x01\x1a\x02\x01\x0bnet_url.get\x02\x0aa.b_c_d.Fn")

func TestCodeIsAttributedToItsDependency(t *testing.T) {
	rows, err := bySource(module, readPackages([]byte("net/url\nnet\na.b/c/d\n")))
	require.NoError(t, err)
	assert.Equal(t, []row{{"net/url", 3}, {"a.b/c/d", 2}}, rows)
}

func TestWhatIsNoModuleIsAnError(t *testing.T) {
	for _, b := range []string{"", "\x00asm\x01\x00\x00\x00", "\x00asm\x01\x00\x00\x00\x0a\xff"} {
		_, err := bySource([]byte(b), nil)
		assert.ErrorIs(t, err, errMalformed)
	}
}
