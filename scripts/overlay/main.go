// Command overlay writes the build overlay that keeps net/http's own transport out
// of the module: `go build -overlay` then compiles these edits of the toolchain's
// net/http/client.go in place of the original.
//
// The gateway gives every http.Client a transport of the host. Go cannot know that:
// http.Client falls back to http.DefaultTransport, which brings the dialer, HTTP/1,
// TLS and the certificate pool into the module, a quarter of its size, for a network
// that neither host has. docs/rationale.md has the numbers. The module built without the
// overlay behaves the same and is larger.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// edit replaces one passage, which must occur exactly once.
type edit struct{ what, old, new string }

// edits of net/http/client.go. A client without a transport fails with net/http's
// own "no Client.Transport or DefaultTransport".
var edits = []edit{
	{
		what: "the fallback to DefaultTransport",
		old:  "\treturn DefaultTransport\n}",
		new:  "\treturn nil\n}",
	},
	{
		what: "the type switch on *Transport",
		old: "\tswitch t := rt.(type) {\n\tcase *Transport:\n" +
			"\t\tif altRT := t.alternateRoundTripper(req); altRT != nil {\n" +
			"\t\t\treturn knownRoundTripperImpl(altRT, req)\n\t\t}\n\t\treturn true\n\tcase",
		new: "\tswitch rt.(type) {\n\tcase",
	},
}

var errChanged = errors.New("the toolchain's net/http/client.go is not the one this tool knows")

// apply edits a source.
func apply(source string) (string, error) {
	for _, e := range edits {
		if strings.Count(source, e.old) != 1 {
			return "", fmt.Errorf("%w: %s", errChanged, e.what)
		}
		source = strings.Replace(source, e.old, e.new, 1)
	}
	return source, nil
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: overlay GOROOT FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "overlay:", err)
		os.Exit(1)
	}
}

// write puts client.go and overlay.json into folder.
func write(goroot, folder string) error {
	original := filepath.Join(goroot, "src", "net", "http", "client.go")
	source, err := os.ReadFile(original)
	if err != nil {
		return err
	}
	edited, err := apply(string(source))
	if err != nil {
		return err
	}
	folder, err = filepath.Abs(folder)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	replacement := filepath.Join(folder, "client.go")
	if err := os.WriteFile(replacement, []byte(edited), 0o644); err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: replacement}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "overlay.json"), overlay, 0o644)
}
