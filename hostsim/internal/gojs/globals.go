package gojs

import "math"

// fixedValues is the number of slots that every Go program expects to be filled
// at its start: NaN, 0, null, true, false, the global object, and jsGo.
const fixedValues = 7

// initGlobals makes the objects that the initialisation of packages asks for:
// syscall (process, fs), syscall/js (constructors, jsGo), time (Date) and
// syumai/workers (context).
func (s *State) initGlobals() {
	props := func(kv ...any) *object {
		o := &object{props: map[string]any{}}
		for i := 0; i < len(kv); i += 2 {
			o.props[kv[i].(string)] = kv[i+1]
		}
		return o
	}
	fn := func(f function) *object { return &object{props: map[string]any{}, call: f} }

	date := fn(func(*State, []any) any {
		return props("getTimezoneOffset", fn(func(*State, []any) any { return 0.0 }))
	})
	global := props(
		"process", props("pid", -1.0, "path", props()),
		"path", props(),
		"fs", props(
			"constants", props("O_WRONLY", -1.0, "O_RDWR", -1.0, "O_CREAT", -1.0, "O_TRUNC", -1.0, "O_APPEND", -1.0, "O_EXCL", -1.0, "O_DIRECTORY", -1.0),
			"write", fn(fsWrite),
		),
		"Date", date,
		"Uint8Array", fn(func(_ *State, a []any) any { return &object{bytes: make([]byte, number(a, 0))} }),
		"context", props("binding", props(), "env", props(), "ctx", props()),
	)
	for _, name := range []string{"Object", "Array", "Promise", "Error"} {
		global.props[name] = fn(func(*State, []any) any { return props() })
	}
	s.goValue = props("_pendingEvent", nil, "_makeFuncWrapper", fn(func(_ *State, a []any) any {
		return &object{goID: uint32(number(a, 0)), call: func(*State, []any) any { return undefined{} }}
	}))
	s.values = []any{math.NaN(), 0.0, nil, true, false, global, s.goValue}
	s.counts = make([]int32, fixedValues)
	for i := range s.counts {
		s.counts[i] = math.MaxInt32 / 2
	}
	global.id, s.goValue.id = 5, 6
}

// fsWrite is fs.write(fd, buffer, offset, length, position, callback): what
// os.Stdout and os.Stderr use. The callback runs as a later event, so that the
// guest is never entered while it is on the stack.
func fsWrite(s *State, a []any) any {
	if len(a) < 6 {
		return undefined{}
	}
	buf, ok := a[1].(*object)
	callback, isFunc := a[5].(*object)
	if !ok || !isFunc {
		return undefined{}
	}
	from := min(number(a, 2), len(buf.bytes))
	to := min(from+number(a, 3), len(buf.bytes))
	_, _ = s.output.Write(buf.bytes[from:to])
	s.events = append(s.events, event{callback.goID, []any{nil, float64(to - from)}})
	return undefined{}
}

func number(a []any, i int) int {
	if i >= len(a) {
		return 0
	}
	f, ok := a[i].(float64)
	if !ok || f < 0 || f > math.MaxInt32 {
		return 0
	}
	return int(f)
}
