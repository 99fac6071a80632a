// Command overlay writes the build overlay that keeps out of the module what no path of
// the gateway needs and the linker cannot leave out by itself: `go build -overlay` then
// compiles edits of a few files of the toolchain's library in place of the originals.
//
//   - net/http falls back to a transport of its own, with a dialer and HTTP/1, for a network
//     that neither host has. The gateway gives every http.Client a transport of the host.
//   - http.Request and http.Response have fields of types of crypto/tls, which brings every
//     curve, RSA, X.509, post-quantum key exchange and math/big with their initialisers, and
//     golang.org/x/oauth2 has a parser of RSA keys for packages that the gateway does not use.
//     The packages in folder library replace crypto/tls, crypto/x509 and crypto/rsa. They have
//     the names that are needed to compile: a use of another one fails the build.
//   - http.Client compares host names of a redirect in Punycode, with 100 kB of tables. Without
//     them a name that is not ASCII is compared as it is.
//   - P-256 has a table of 88 kB for multiples of its generator, which only key generation
//     and derivation use here. Without it they multiply the generator as any other point.
//
// docs/rationale.md has the numbers. The module built without the overlay behaves the same
// and is larger.
package main

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// edit replaces one passage, which must occur exactly once.
type edit struct{ what, old, new string }

// edits of the library's files, by their paths in GOROOT/src.
var edits = map[string][]edit{
	// A client without a transport fails with net/http's own "no Client.Transport or
	// DefaultTransport".
	"net/http/client.go": {
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
	},
	// Its callers go on with the name as it is.
	"net/http/request.go": {
		{
			what: "the import of idna",
			old:  "\n\t\"golang.org/x/net/idna\"\n",
			new:  "\n",
		},
		{
			what: "the conversion to Punycode",
			old:  "\treturn idna.Lookup.ToASCII(v)\n",
			new:  "\treturn \"\", errors.New(\"http: host name is not ASCII\")\n",
		},
	},
	"crypto/internal/fips140/nistec/p256.go": {
		{
			what: "the table of multiples of the generator",
			old:  "func init() {\n\tp256GeneratorTablesPtr := ",
			new:  "func _() {\n\tp256GeneratorTablesPtr := ",
		},
		{
			what: "multiplication of the generator",
			old:  "\nfunc (p *P256Point) ScalarBaseMult(scalar []byte) (*P256Point, error) {\n",
			new: "\nfunc (p *P256Point) ScalarBaseMult(scalar []byte) (*P256Point, error) {\n" +
				"\treturn p.ScalarMult(NewP256Point().SetGenerator(), scalar)\n}\n\n" +
				"func (p *P256Point) scalarBaseMultByTable(scalar []byte) (*P256Point, error) {\n",
		},
	},
}

// library has the packages that replace those of the same path in GOROOT/src.
//
//go:embed library
var library embed.FS

var errChanged = errors.New("the toolchain's library is not the one this tool knows")

// apply edits the source of a file.
func apply(name, source string) (string, error) {
	for _, e := range edits[name] {
		if strings.Count(source, e.old) != 1 {
			return "", fmt.Errorf("%w: %s: %s", errChanged, name, e.what)
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

// overlay collects what go build -overlay reads: which file to compile in place of which.
type overlay struct {
	source  string // GOROOT/src
	folder  string // where the replacements are
	Replace map[string]string
}

// write puts the replacements and overlay.json into folder.
func write(goroot, folder string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	o := overlay{source: filepath.Join(goroot, "src"), folder: folder, Replace: map[string]string{}}
	for name := range edits {
		if err := o.edit(name); err != nil {
			return err
		}
	}
	if err := fs.WalkDir(library, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return o.replacePackage(name)
	}); err != nil {
		return err
	}
	text, err := json.MarshalIndent(o, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "overlay.json"), text, 0o644)
}

// edit replaces one file by its edited text.
func (o *overlay) edit(name string) error {
	source, err := os.ReadFile(filepath.Join(o.source, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	edited, err := apply(name, string(source))
	if err != nil {
		return err
	}
	return o.put(name, []byte(edited))
}

// replacePackage replaces all files of a package by this one of the library.
func (o *overlay) replacePackage(name string) error {
	text, err := library.ReadFile(name)
	if err != nil {
		return err
	}
	name = strings.TrimPrefix(name, "library/")
	originals, err := filepath.Glob(filepath.Join(o.source, filepath.FromSlash(path.Dir(name)), "*.go"))
	if err != nil {
		return err
	}
	if len(originals) == 0 {
		return fmt.Errorf("%w: it has no %s", errChanged, path.Dir(name))
	}
	for _, original := range originals {
		o.Replace[original] = "" // the file is then as if it did not exist
	}
	return o.put(name, text)
}

// put writes what is compiled in place of a file.
func (o *overlay) put(name string, text []byte) error {
	replacement := filepath.Join(o.folder, filepath.FromSlash(name))
	o.Replace[filepath.Join(o.source, filepath.FromSlash(name))] = replacement
	if err := os.MkdirAll(filepath.Dir(replacement), 0o755); err != nil {
		return err
	}
	return os.WriteFile(replacement, text, 0o644)
}
