// Package conform checks answers of the gateway against /openapi.json. It is for tests.
package conform

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/grantway/grantway/worker/openapi"
)

var document = sync.OnceValue(func() map[string]any {
	d, err := jsonschema.UnmarshalJSON(bytes.NewReader(openapi.Document))
	if err != nil {
		panic(err)
	}
	return d.(map[string]any)
})

var compiler = sync.OnceValue(func() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("openapi.json", document()); err != nil {
		panic(err)
	}
	return c
})

var compiled struct {
	sync.Mutex
	by map[string]*jsonschema.Schema // by JSON pointer
}

// at walks the document, following references, and answers where it ended.
func at(path ...string) (any, string) {
	var v any = document()
	pointer := ""
	for _, p := range path {
		m, _ := v.(map[string]any)
		v, pointer = m[p], pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(p)
		if m, ok := v.(map[string]any); ok {
			if ref, ok := m["$ref"].(string); ok {
				v, pointer = at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
			}
		}
	}
	return v, pointer
}

// Template finds the path of the document that a request's path is, or "".
func Template(path string) string {
	found, parts := "", strings.Split(path, "/")
next:
	for template := range document()["paths"].(map[string]any) {
		t := strings.Split(template, "/")
		if len(t) != len(parts) || found != "" && strings.Contains(template, "{") {
			continue
		}
		for i := range t {
			if t[i] != parts[i] && !strings.HasPrefix(t[i], "{") {
				continue next
			}
		}
		found = template
	}
	return found
}

// Check answers in what an answer differs from what the document says of it: its status,
// media type and, if that is JSON, its body. An error needs no status of its own. Nothing is said of a path that
// the document does not have, unless it answers with success.
func Check(method, path string, status int, header http.Header, body []byte) error {
	template := Template(path)
	responses, _ := at("paths", template, strings.ToLower(method), "responses")
	described, _ := responses.(map[string]any)
	if template == "" || described == nil {
		if status < 400 {
			return fmt.Errorf("%s %s answers %d and is not in /openapi.json", method, path, status)
		}
		return nil
	}
	key := strconv.Itoa(status)
	for _, k := range []string{key, key[:1] + "XX", "default"} {
		if key = k; described[k] != nil {
			break
		}
	}
	if described[key] == nil || key == "default" && status < 400 {
		return fmt.Errorf("%s %s answers %d, which is not in /openapi.json", method, path, status)
	}
	found, pointer := at("paths", template, strings.ToLower(method), "responses", key)
	content, _ := found.(map[string]any)["content"].(map[string]any)
	if content == nil {
		if len(body) > 0 {
			return fmt.Errorf("%s %s has a body that is not in /openapi.json", method, path)
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || content[media] == nil {
		return fmt.Errorf("%s %s answers %d as %q, which is not in /openapi.json", method, path, status, header.Get("Content-Type"))
	}
	if media != "application/json" {
		return nil
	}
	s, err := schemaAt(pointer + "/content/application~1json/schema")
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		return fmt.Errorf("%s %s answers %d: %w\n%s", method, path, status, err, body)
	}
	return nil
}

func schemaAt(pointer string) (*jsonschema.Schema, error) {
	compiled.Lock()
	defer compiled.Unlock()
	s := compiled.by[pointer]
	if s == nil {
		var err error
		if s, err = compiler().Compile("openapi.json#" + pointer); err != nil {
			return nil, err
		}
		if compiled.by == nil {
			compiled.by = map[string]*jsonschema.Schema{}
		}
		compiled.by[pointer] = s
	}
	return s, nil
}
