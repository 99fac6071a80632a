package rewrite

// walker goes through the instructions of a function body.
//
// It knows how Go's compiler writes a function that can be left and resumed: the
// function's parameter, local 0, is the number of the place to go on from (PC_B), and
// all places are in one loop:
//
//	loop
//	  block … block               one for each place
//	    local.get 0
//	    br_table …                to the end of the place's block
//	  end
//	  … code of the first place …
//	  end
//	  … code of the second place …
//
// A jump is "i32.const PLACE, local.set 0, br LOOP". The walker tells by the table
// whether PLACE lies ahead; any branch to a loop that does not look like this counts as
// a backward one.
type walker struct {
	reader
	labels   []label
	jump     jumpState
	place    uint64 // the constant of a jump
	dispatch int    // index in labels of a loop in whose dispatch we are, -1: none
	ready    bool   // local.get 0 was the last instruction of the dispatch
}

// label is an open block.
type label struct {
	loop   bool
	table  []uint64 // of a loop with a dispatch: the depth of each place's block at the br_table
	closed uint64   // how many of these blocks have ended
	owner  int      // of a place's block: 1 + index of its loop; else 0
}

// jumpState says how much of a jump has been seen.
type jumpState uint8

const (
	jumpNone jumpState = iota
	jumpConst
	jumpSet
)

// instruction is what the rewriter wants to know of one.
type instruction struct {
	op       byte
	callee   uint64 // of a direct call
	backward bool   // a branch that may go back
}

// newWalker stands before the first instruction of the body.
func newWalker(body []byte) *walker {
	w := &walker{reader: reader{b: body}, dispatch: -1}
	for n := w.uleb(); n > 0 && !w.bad; n-- { // declarations of locals
		w.uleb()
		w.byte()
	}
	return w
}

// next reads one instruction and answers where it begins; false at the end of the body
// or if it is malformed (bad).
func (w *walker) next() (at int, in instruction, ok bool) {
	if w.done() {
		return 0, in, false
	}
	at = w.reader.at
	in.op = w.byte()
	jump, ready := w.jump, w.ready
	w.jump, w.ready = jumpNone, false
	if in.op != opLoop && in.op != opBlock && in.op != opLocalGet && in.op != opBrTable {
		w.dispatch = -1
	}
	switch op := in.op; {
	case op == opBlock || op == opLoop || op == opIf:
		w.skipLeb() // block type
		w.labels = append(w.labels, label{loop: op == opLoop})
		if op == opLoop {
			w.dispatch = len(w.labels) - 1
		}
	case op == opEnd:
		w.end()
	case op == opBr:
		in.backward = w.backward(w.uleb(), jump == jumpSet)
	case op == opBrIf:
		in.backward = w.backward(w.uleb(), false)
	case op == opBrTable:
		in.backward = w.table(ready)
	case op == opCall:
		in.callee = w.uleb()
	case op == opCallInd:
		w.skipLeb()
		w.skipLeb()
	case op == opI32Const:
		if v := w.sleb(); v >= 0 {
			w.place, w.jump = uint64(v), jumpConst
		}
	case op == opLocalGet:
		w.ready = w.uleb() == 0
	case op == opLocalSet:
		if w.uleb() == 0 && jump == jumpConst {
			w.jump = jumpSet
		}
	case op <= 0x01 || op == opElse || op == opReturn || op == 0x1a || op == 0x1b || op == opRefIsNull || (op >= opI32Eqz && op <= 0xc4):
	case (op >= 0x22 && op <= 0x26) || op == opI64Const || op == opRefNull || op == opRefFunc || op == 0x3f || op == 0x40:
		w.skipLeb() // variable, table, constant, reference, memory size and growth
	case op >= 0x28 && op <= 0x3e: // memory access: alignment, offset
		w.skipLeb()
		w.skipLeb()
	case op == opF32Const:
		w.skip(4)
	case op == opF64Const:
		w.skip(8)
	case op == opSelectType:
		for n := w.uleb(); n > 0 && !w.bad; n-- {
			w.byte()
		}
	case op == opPrefixFC:
		w.prefixed()
	default:
		w.bad = true
	}
	return at, in, !w.bad
}

// end closes the innermost block.
func (w *walker) end() {
	n := len(w.labels)
	if n == 0 { // the end of the body
		return
	}
	if owner := w.labels[n-1].owner; owner > 0 {
		w.labels[owner-1].closed++
	}
	w.labels = w.labels[:n-1]
}

// table reads a br_table. If it is the dispatch of a loop, it notes where the places
// are. It reports whether a target is a loop.
func (w *walker) table(ready bool) (backward bool) {
	loop, blocks := w.dispatch, uint64(0)
	w.dispatch = -1
	if loop >= 0 {
		blocks = uint64(len(w.labels) - 1 - loop)
	}
	var depths []uint64
	ordered := ready && loop >= 0
	for n := w.uleb() + 1; n > 0 && !w.bad; n-- {
		depth := w.uleb()
		backward = backward || w.toLoop(depth)
		ordered = ordered && depth < blocks
		depths = append(depths, depth)
	}
	if !ordered || w.bad {
		return backward
	}
	w.labels[loop].table = depths
	for i := loop + 1; i < len(w.labels); i++ {
		w.labels[i].owner = loop + 1
	}
	return false
}

func (w *walker) toLoop(depth uint64) bool {
	return depth < uint64(len(w.labels)) && w.labels[uint64(len(w.labels))-1-depth].loop
}

// backward reports whether a branch may go back. known: it is a jump to w.place.
func (w *walker) backward(depth uint64, known bool) bool {
	if !w.toLoop(depth) {
		return false
	}
	l := w.labels[uint64(len(w.labels))-1-depth]
	if !known || w.place >= uint64(len(l.table)) {
		return true
	}
	return l.table[w.place] < l.closed // the place's code begins where its block ends
}

// prefixed passes over the operands of an instruction with the prefix 0xfc.
func (w *walker) prefixed() {
	switch sub := w.uleb(); {
	case sub <= 7: // saturating conversions
	case sub == 8 || sub == 10 || sub == 12 || sub == 14: // memory.init, memory.copy, table.init, table.copy
		w.skipLeb()
		w.skipLeb()
	case sub <= 17: // data.drop, memory.fill, elem.drop, table.grow, table.size, table.fill
		w.skipLeb()
	default:
		w.bad = true
	}
}
