package openapi_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/openapi"
)

// TestTheDocumentIsSound checks what OpenAPI 3.1 asks for: every reference leads
// somewhere, every schema is a JSON Schema of draft 2020-12, every operation has an id of
// its own and answers, every parameter of a path is described.
func TestTheDocumentIsSound(t *testing.T) {
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(openapi.Document))
	require.NoError(t, err)
	doc := raw.(map[string]any)
	assert.Regexp(t, `^3\.1\.\d+$`, doc["openapi"])
	info := doc["info"].(map[string]any)
	assert.NotEmpty(t, info["title"])
	assert.NotEmpty(t, info["version"])

	resolve := func(ref string) any {
		var v any = doc
		for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			m, _ := v.(map[string]any)
			v = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
		}
		return v
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				assert.NotNil(t, resolve(ref), ref)
			}
			for _, child := range v {
				walk(child)
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	walk(doc)

	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	require.NoError(t, c.AddResource("openapi.json", doc))
	for name := range doc["components"].(map[string]any)["schemas"].(map[string]any) {
		_, err := c.Compile("openapi.json#/components/schemas/" + name)
		assert.NoError(t, err, name)
	}

	ids := map[string]string{}
	for path, item := range doc["paths"].(map[string]any) {
		assert.True(t, strings.HasPrefix(path, "/"), path)
		shared, _ := item.(map[string]any)["parameters"].([]any)
		for method, op := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			o := op.(map[string]any)
			id, _ := o["operationId"].(string)
			assert.NotEmpty(t, id, "%s %s", method, path)
			assert.Empty(t, ids[id], "%s is the id of two operations", id)
			ids[id] = path
			assert.NotEmpty(t, o["responses"], id)
			own, _ := o["parameters"].([]any)
			in := 0
			for _, p := range append(append([]any{}, shared...), own...) {
				m := p.(map[string]any)
				if ref, ok := m["$ref"].(string); ok {
					m = resolve(ref).(map[string]any)
				}
				if m["in"] == "path" {
					assert.Equal(t, true, m["required"], id)
					assert.Contains(t, path, "{"+m["name"].(string)+"}", id)
					in++
				}
			}
			assert.Equal(t, strings.Count(path, "{"), in, "%s: parameters of the path", id)
		}
	}
	assert.NotNil(t, openapi.Schemas())
}
