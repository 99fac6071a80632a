// Command size prints what each dependency adds to a js/wasm module built with
// symbols: the bytes of code of its functions, by Go module or standard library
// tree, from the name and code sections. Data is not attributed.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go list -deps PACKAGE | size FILE.wasm")
		os.Exit(2)
	}
	module, err := os.ReadFile(os.Args[1])
	if err == nil {
		var list []byte
		if list, err = io.ReadAll(os.Stdin); err == nil {
			var rows []row
			if rows, err = bySource(module, readPackages(list)); err == nil {
				printRows(rows)
				return
			}
		}
	}
	fmt.Fprintln(os.Stderr, "size:", err)
	os.Exit(1)
}

type row struct {
	source string
	bytes  int
}

const shown = 24

func printRows(rows []row) {
	total := 0
	for _, r := range rows {
		total += r.bytes
	}
	fmt.Printf("code by dependency (%d bytes before compression):\n", total)
	rest := 0
	for i, r := range rows {
		if i < shown {
			fmt.Printf("  %9d  %5.1f %%  %s\n", r.bytes, 100*float64(r.bytes)/float64(total), r.source)
		} else {
			rest += r.bytes
		}
	}
	if rest > 0 {
		fmt.Printf("  %9d  %5.1f %%  %d others\n", rest, 100*float64(rest)/float64(total), len(rows)-shown)
	}
}

// bySource adds up the code of each source, largest first.
func bySource(module []byte, p packages) ([]row, error) {
	imports, sizes, names, err := sections(module)
	if err != nil {
		return nil, err
	}
	sum := map[string]int{}
	for i, n := range sizes {
		sum[p.source(names[uint64(i)+imports])] += n
	}
	rows := make([]row, 0, len(sum))
	for s, n := range sum {
		rows = append(rows, row{s, n})
	}
	sort.Slice(rows, func(i, j int) bool {
		if rows[i].bytes != rows[j].bytes {
			return rows[i].bytes > rows[j].bytes
		}
		return rows[i].source < rows[j].source
	})
	return rows, nil
}

var errMalformed = errors.New("not a WebAssembly module with a name section")

// sections reads the number of imported functions, the size of each function's
// body, and the functions' names by index.
func sections(module []byte) (imports uint64, sizes []int, names map[uint64]string, err error) {
	defer func() {
		if recover() != nil {
			err = errMalformed
		}
	}()
	r := reader(module[8:])
	for len(r) > 0 {
		id := r.take(1)[0]
		body := reader(r.take(r.uint()))
		switch id {
		case 2:
			for n := body.uint(); n > 0; n-- {
				body.take(body.uint())
				body.take(body.uint())
				body.take(1) // Go imports functions only
				body.uint()
				imports++
			}
		case 10:
			for n := body.uint(); n > 0; n-- {
				size := body.uint()
				body.take(size)
				sizes = append(sizes, int(size))
			}
		case 0:
			if string(body.take(body.uint())) == "name" {
				names = functionNames(body)
			}
		}
	}
	if names == nil {
		return 0, nil, nil, errMalformed
	}
	return imports, sizes, names, nil
}

func functionNames(body reader) map[uint64]string {
	names := map[uint64]string{}
	for len(body) > 0 {
		kind := body.take(1)[0]
		sub := reader(body.take(body.uint()))
		if kind != 1 {
			continue
		}
		for n := sub.uint(); n > 0; n-- {
			index := sub.uint()
			names[index] = string(sub.take(sub.uint()))
		}
	}
	return names
}

// packages maps the mangled name of each package, as it begins a symbol, to the
// dependency that it belongs to.
type packages map[string]string

// readPackages reads import paths, one a line, as go list -deps prints them.
func readPackages(list []byte) packages {
	p := packages{}
	for path := range strings.FieldsSeq(string(list)) {
		p[strings.ReplaceAll(path, "/", "_")] = dependency(path)
	}
	return p
}

// dependency is what a package counts as: a package of this module or of another
// module's first three path elements, or the first element of the standard library.
func dependency(path string) string {
	parts := strings.Split(path, "/")
	switch {
	case strings.HasPrefix(path, "github.com/grantway/grantway/"):
		return strings.Join(parts[2:min(len(parts), 5)], "/")
	case strings.Contains(parts[0], "."):
		return strings.Join(parts[:min(len(parts), 3)], "/")
	case parts[0] == "vendor":
		return strings.Join(parts[:min(len(parts), 4)], "/")
	case parts[0] == "net" && len(parts) > 1:
		return "net/" + parts[1]
	}
	return parts[0]
}

// source names the dependency of a symbol: the longest package name that begins it.
func (p packages) source(symbol string) string {
	for i := len(symbol) - 1; i > 0; i-- {
		if symbol[i] == '.' {
			if d, ok := p[symbol[:i]]; ok {
				return d
			}
		}
	}
	return "(generated)"
}

type reader []byte

func (r *reader) take(n uint64) []byte {
	b := (*r)[:n]
	*r = (*r)[n:]
	return b
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(*r)
	if n <= 0 {
		panic(errMalformed)
	}
	*r = (*r)[n:]
	return v
}
