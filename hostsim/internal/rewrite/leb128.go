package rewrite

import "encoding/binary"

// reader reads a module's bytes. After the first malformed or missing byte it is
// bad, and answers zeros.
type reader struct {
	b   []byte
	at  int
	bad bool
}

func (r *reader) done() bool { return r.bad || r.at >= len(r.b) }

func (r *reader) byte() byte {
	if r.bad || r.at >= len(r.b) {
		r.bad = true
		return 0
	}
	c := r.b[r.at]
	r.at++
	return c
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)-r.at) {
		r.bad = true
		return nil
	}
	out := r.b[r.at : r.at+int(n) : r.at+int(n)]
	r.at += int(n)
	return out
}

func (r *reader) skip(n uint64) { r.take(n) }

// uleb reads an unsigned LEB128 number of up to 32 bits.
func (r *reader) uleb() uint64 {
	if r.bad {
		return 0
	}
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 || v > 1<<32-1 {
		r.bad = true
		return 0
	}
	r.at += n
	return v
}

// sleb reads a signed LEB128 number of up to 64 bits.
func (r *reader) sleb() int64 {
	var v int64
	for shift := uint(0); shift < 70; shift += 7 {
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if shift+7 < 64 && c&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
	r.bad = true
	return 0
}

// skipLeb passes over one LEB128 number without decoding it.
func (r *reader) skipLeb() {
	for i := 0; i < 10; i++ {
		if r.byte() < 0x80 {
			return
		}
	}
	r.bad = true
}

func appendUleb(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func appendSleb(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && c&0x40 == 0) || (v == -1 && c&0x40 != 0) {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}
