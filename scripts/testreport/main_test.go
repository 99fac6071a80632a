package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSummarize(t *testing.T) {
	for _, test := range []struct {
		name   string
		in     string
		want   counts
		output string
	}{
		{"nothing", "", counts{}, ""},
		{"passes are silent", `{"Action":"output","Package":"p","Test":"A","Output":"noise\n"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"pass","Package":"p"}
{"Action":"skip","Package":"without tests"}
`, counts{1, 0}, ""},
		{"a failure shows its output and counts once", `{"Action":"output","Package":"p","Test":"A","Output":"why\n"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}
`, counts{0, 1}, "FAIL p A\nwhy\n"},
		{"a skip is a failure", `{"Action":"skip","Package":"p","Test":"A"}
{"Action":"pass","Package":"p"}
`, counts{0, 1}, "p A was skipped\n"},
		{"a package that does not compile", `{"ImportPath":"p","Action":"build-output","Output":"x.go:1: no\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"fail","Package":"p","FailedBuild":"p"}
`, counts{0, 1}, "x.go:1: no\nFAIL p \n"},
		{"other lines pass through", "go: downloading\n", counts{}, "go: downloading\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			got, err := summarize(strings.NewReader(test.in), &out)
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.output, out.String())
		})
	}
}
