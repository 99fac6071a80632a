package openapi

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Readers of the document disagree about a member that is given twice: some take the
// last, some refuse it all.
func TestNoMemberIsGivenTwice(t *testing.T) {
	d := json.NewDecoder(bytes.NewReader(Document))
	var walk func(path string)
	walk = func(path string) {
		token, err := d.Token()
		require.NoError(t, err)
		switch token {
		case json.Delim('{'):
			seen := map[string]bool{}
			for d.More() {
				key, err := d.Token()
				require.NoError(t, err)
				name := key.(string)
				assert.False(t, seen[name], "%s/%s is given twice", path, name)
				seen[name] = true
				walk(path + "/" + name)
			}
			_, err = d.Token()
			require.NoError(t, err)
		case json.Delim('['):
			for d.More() {
				walk(path + "[]")
			}
			_, err = d.Token()
			require.NoError(t, err)
		}
	}
	walk("")
}
