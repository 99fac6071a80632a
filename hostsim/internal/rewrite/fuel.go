package rewrite

import "fmt"

// Opcodes that this package emits or must know by name (core specification §5.4).
const (
	opBlock      = 0x02
	opLoop       = 0x03
	opIf         = 0x04
	opEnd        = 0x0b
	opBr         = 0x0c
	opBrIf       = 0x0d
	opBrTable    = 0x0e
	opCall       = 0x10
	opCallInd    = 0x11
	opSelectType = 0x1c
	opGlobalGet  = 0x23
	opGlobalSet  = 0x24
	opI32Const   = 0x41
	opI64Const   = 0x42
	opF32Const   = 0x43
	opF64Const   = 0x44
	opI32Eqz     = 0x45
	opI32Sub     = 0x6b
	opRefNull    = 0xd0
	opRefFunc    = 0xd2
	opPrefixFC   = 0xfc
	typeI32      = 0x7f
	blockVoid    = 0x40
)

// addFuel appends a global counter and puts a check at every loop header, and at the
// entry of each function that has a call but no loop header. A function with
// neither ends by itself, so every path that can run for ever passes a check.
func addFuel(sections []*section, fuel int32, rep *Report) error {
	imports, globals, code := find(sections, sectionImport), find(sections, sectionGlobal), find(sections, sectionCode)
	if imports == nil || globals == nil || code == nil {
		return fmt.Errorf("%w: a section is missing", ErrModule)
	}
	hook, importedGlobals, err := findHook(imports.body)
	if err != nil {
		return err
	}
	r := reader{b: globals.body}
	n := r.uleb()
	if r.bad {
		return fmt.Errorf("%w: global section", ErrModule)
	}
	counter := importedGlobals + n
	g := appendUleb(nil, n+1)
	g = append(g, globals.body[r.at:]...)
	g = append(g, typeI32, 1, opI32Const)
	g = appendSleb(g, int64(fuel))
	g = append(g, opEnd)

	body, err := instrument(code.body, check(counter, hook, fuel), rep)
	if err != nil {
		return err
	}
	globals.body, code.body = g, body
	return nil
}

// findHook answers the function index of the import runtime.nanotime1 and the
// number of imported globals.
func findHook(body []byte) (hook, globals uint64, err error) {
	r := reader{b: body}
	n, function, found := r.uleb(), uint64(0), false
	for range n {
		r.skip(r.uleb())
		name := r.take(r.uleb())
		switch kind := r.byte(); kind {
		case 0: // function: type index
			r.uleb()
			if string(name) == "runtime.nanotime1" {
				hook, found = function, true
			}
			function++
		case 3: // global: type, mutability
			r.skip(2)
			globals++
		default:
			return 0, 0, fmt.Errorf("%w: import of kind %d", ErrModule, kind)
		}
		if r.bad {
			break
		}
	}
	if r.bad || !found {
		return 0, 0, fmt.Errorf("%w: no import runtime.nanotime1", ErrModule)
	}
	return hook, globals, nil
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

func instrument(code, check []byte, rep *Report) ([]byte, error) {
	r := reader{b: code}
	n := r.uleb()
	out := appendUleb(make([]byte, 0, len(code)+len(code)/8), n)
	var scratch []byte
	for i := range n {
		body := r.take(r.uleb())
		if r.bad {
			return nil, fmt.Errorf("%w: function body %d", ErrModule, i)
		}
		var err error
		if scratch, err = instrumentBody(scratch[:0], body, check, rep); err != nil {
			return nil, fmt.Errorf("function body %d: %w", i, err)
		}
		out = appendUleb(out, uint64(len(scratch)))
		out = append(out, scratch...)
		rep.Functions++
	}
	if !r.done() || r.bad {
		return nil, fmt.Errorf("%w: trailing bytes in the code section", ErrModule)
	}
	return out, nil
}

// instrumentBody appends the body of one function with its checks to out.
func instrumentBody(out, body, check []byte, rep *Report) ([]byte, error) {
	r := reader{b: body}
	for locals := r.uleb(); locals > 0 && !r.bad; locals-- {
		r.uleb()
		r.byte()
	}
	entry, copied, loops, calls := r.at, 0, 0, false
	for !r.done() {
		op := r.byte()
		switch {
		case op == opLoop:
			r.skipLeb() // block type
			out = append(out, body[copied:r.at]...)
			out = append(out, check...)
			copied = r.at
			loops++
		case op == opCall:
			calls = true
			r.skipLeb()
		case op == opCallInd:
			calls = true
			r.skipLeb()
			r.skipLeb()
		default:
			if !skipOperands(&r, op) {
				return nil, fmt.Errorf("%w: opcode %#x", ErrModule, op)
			}
		}
	}
	if r.bad {
		return nil, fmt.Errorf("%w: truncated", ErrModule)
	}
	out = append(out, body[copied:]...)
	rep.Loops += loops
	switch {
	case loops > 0:
	case !calls:
		rep.Leaves++
	default:
		rep.Entries++
		rest := append([]byte(nil), out[entry:]...)
		out = append(append(out[:entry], check...), rest...)
	}
	return out, nil
}

// skipOperands passes over the operands of an instruction; false if it is none
// that Go's compiler emits.
func skipOperands(r *reader, op byte) bool {
	switch {
	case op <= 0x01 || op == 0x05 || op == opEnd || op == 0x0f || op == 0x1a || op == 0x1b || op == 0xd1 || (op >= opI32Eqz && op <= 0xc4):
	case op == opBlock || op == opIf || op == opBr || op == opBrIf || (op >= 0x20 && op <= 0x26) ||
		op == opI32Const || op == opI64Const || op == opRefNull || op == opRefFunc || op == 0x3f || op == 0x40:
		r.skipLeb()
	case op >= 0x28 && op <= 0x3e: // memory access: alignment, offset
		r.skipLeb()
		r.skipLeb()
	case op == opF32Const:
		r.skip(4)
	case op == opF64Const:
		r.skip(8)
	case op == opBrTable:
		for n := r.uleb() + 1; n > 0 && !r.bad; n-- {
			r.skipLeb()
		}
	case op == opSelectType:
		for n := r.uleb(); n > 0 && !r.bad; n-- {
			r.byte()
		}
	case op == opPrefixFC:
		switch sub := r.uleb(); {
		case sub <= 7: // saturating conversions
		case sub == 8 || sub == 10 || sub == 12 || sub == 14: // memory.init, memory.copy, table.init, table.copy
			r.skipLeb()
			r.skipLeb()
		case sub <= 17:
			r.skipLeb()
		default:
			return false
		}
	default:
		return false
	}
	return true
}
