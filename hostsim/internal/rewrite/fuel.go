package rewrite

import "fmt"

// Opcodes that this package emits or must know by name (core specification §5.4).
const (
	opBlock      = 0x02
	opLoop       = 0x03
	opIf         = 0x04
	opElse       = 0x05
	opEnd        = 0x0b
	opBr         = 0x0c
	opBrIf       = 0x0d
	opBrTable    = 0x0e
	opReturn     = 0x0f
	opCall       = 0x10
	opCallInd    = 0x11
	opSelectType = 0x1c
	opLocalGet   = 0x20
	opLocalSet   = 0x21
	opGlobalGet  = 0x23
	opGlobalSet  = 0x24
	opI32Const   = 0x41
	opI64Const   = 0x42
	opF32Const   = 0x43
	opF64Const   = 0x44
	opI32Eqz     = 0x45
	opI32Sub     = 0x6b
	opRefNull    = 0xd0
	opRefIsNull  = 0xd1
	opRefFunc    = 0xd2
	opPrefixFC   = 0xfc
	typeI32      = 0x7f
	blockVoid    = 0x40
)

// addFuel appends a global counter and puts checks so that every path that can run
// for ever passes one:
//
//   - before each branch back to a loop header,
//   - before each indirect call,
//   - at the entry of functions chosen so that every cycle of direct calls has one.
//
// A function that is called is not charged for the call itself: checks are a tenth
// of the guest's time if each of Go's functions has one (see docs/rationale.md).
func addFuel(sections []*section, fuel int32, rep *Report) error {
	imports, globals, code := find(sections, sectionImport), find(sections, sectionGlobal), find(sections, sectionCode)
	if imports == nil || globals == nil || code == nil {
		return fmt.Errorf("%w: a section is missing", ErrModule)
	}
	names, err := readImports(imports.body)
	if err != nil {
		return err
	}
	r := reader{b: globals.body}
	n := r.uleb()
	if r.bad {
		return fmt.Errorf("%w: global section", ErrModule)
	}
	counter := names.globals + n
	g := appendUleb(nil, n+1)
	g = append(g, globals.body[r.at:]...)
	g = append(g, typeI32, 1, opI32Const)
	g = appendSleb(g, int64(fuel))
	g = append(g, opEnd)

	bodies, err := splitCode(code.body)
	if err != nil {
		return err
	}
	graph, err := callGraph(bodies, names.functions)
	if err != nil {
		return err
	}
	body, err := instrument(bodies, graph.breakCycles(), check(counter, names.hook, fuel), rep)
	if err != nil {
		return err
	}
	globals.body, code.body = g, body
	return nil
}

// imported says what comes before the module's own functions and globals.
type imported struct {
	functions, globals uint64
	hook               uint64 // the function index of runtime.nanotime1
}

func readImports(body []byte) (imported, error) {
	var out imported
	found := false
	r := reader{b: body}
	for range r.uleb() {
		r.skip(r.uleb())
		name := r.take(r.uleb())
		switch kind := r.byte(); kind {
		case 0: // function: type index
			r.uleb()
			if string(name) == "runtime.nanotime1" {
				out.hook, found = out.functions, true
			}
			out.functions++
		case 3: // global: type, mutability
			r.skip(2)
			out.globals++
		default:
			return out, fmt.Errorf("%w: import of kind %d", ErrModule, kind)
		}
		if r.bad {
			break
		}
	}
	if r.bad || !found {
		return out, fmt.Errorf("%w: no import runtime.nanotime1", ErrModule)
	}
	return out, nil
}

// check is: if counter -= 1; counter == 0 { nanotime1(FuelSentinel); counter = fuel }.
func check(counter, hook uint64, fuel int32) []byte {
	b := appendUleb([]byte{opGlobalGet}, counter)
	b = append(b, opI32Const, 1, opI32Sub)
	b = appendUleb(append(b, opGlobalSet), counter)
	b = appendUleb(append(b, opGlobalGet), counter)
	b = append(b, opI32Eqz, opIf, blockVoid, opI32Const, 0x7f) // −1
	b = appendUleb(append(b, opCall), hook)
	b = appendSleb(append(b, opI32Const), int64(fuel))
	b = appendUleb(append(b, opGlobalSet), counter)
	return append(b, opEnd)
}

// splitCode answers the bodies of the code section.
func splitCode(code []byte) ([][]byte, error) {
	r := reader{b: code}
	n := r.uleb()
	if n > uint64(len(code)) {
		return nil, fmt.Errorf("%w: code section", ErrModule)
	}
	bodies := make([][]byte, n)
	for i := range bodies {
		bodies[i] = r.take(r.uleb())
	}
	if r.bad || !r.done() {
		return nil, fmt.Errorf("%w: code section", ErrModule)
	}
	return bodies, nil
}

// instrument writes the code section with its checks. entries are the functions that
// get one at their entry.
func instrument(bodies [][]byte, entries []bool, check []byte, rep *Report) ([]byte, error) {
	size := 0
	for _, b := range bodies {
		size += len(b)
	}
	out := appendUleb(make([]byte, 0, size+size/8), uint64(len(bodies)))
	var scratch []byte
	for i, body := range bodies {
		rep.Functions++
		w := newWalker(body)
		copied := 0
		scratch = scratch[:0]
		if entries[i] {
			rep.Entries++
			scratch = append(append(scratch, body[:w.at]...), check...)
			copied = w.at
		}
		for {
			before, in, ok := w.next()
			if !ok {
				break
			}
			switch {
			case in.backward:
				rep.Branches++
			case in.op == opCallInd:
				rep.Indirect++
			default:
				continue
			}
			scratch = append(append(scratch, body[copied:before]...), check...)
			copied = before
		}
		if w.bad {
			return nil, fmt.Errorf("%w: function body %d", ErrModule, i)
		}
		scratch = append(scratch, body[copied:]...)
		out = appendUleb(out, uint64(len(scratch)))
		out = append(out, scratch...)
	}
	return out, nil
}
