package jwk

import "errors"

// Tags of the DER elements that keys are made of (X.690).
const (
	tagInteger     = 0x02
	tagBitString   = 0x03
	tagOctetString = 0x04
	tagNull        = 0x05
	tagOID         = 0x06
	tagSequence    = 0x30
	tagContext1    = 0xa1 // [1], constructed
)

var errDER = errors.New("malformed DER")

// reader reads DER elements one after the other. After the first failure it reads
// nothing more and keeps the error.
type reader struct {
	rest []byte
	err  error
}

// next answers the content of the next element, which must have this tag.
func (r *reader) next(tag byte) []byte {
	if r.err == nil && (len(r.rest) < 2 || r.rest[0] != tag) {
		r.err = errDER
	}
	if r.err != nil {
		return nil
	}
	n, head := int(r.rest[1]), 2
	if n >= 0x80 {
		size := n & 0x7f
		if size == 0 || size > 3 || len(r.rest) < 2+size {
			r.err = errDER
			return nil
		}
		n = 0
		for _, b := range r.rest[2 : 2+size] {
			n = n<<8 | int(b)
		}
		if n < 0x80 || n>>(8*(size-1)) == 0 { // not the shortest form
			r.err = errDER
			return nil
		}
		head += size
	}
	if n > len(r.rest)-head {
		r.err = errDER
		return nil
	}
	content := r.rest[head : head+n]
	r.rest = r.rest[head+n:]
	return content
}

// sequence answers a reader of the elements of the next element.
func (r *reader) sequence(tag byte) *reader {
	content := r.next(tag)
	return &reader{content, r.err}
}

// has reports whether the next element has this tag.
func (r *reader) has(tag byte) bool { return r.err == nil && len(r.rest) > 0 && r.rest[0] == tag }

// unsigned answers the magnitude of the next INTEGER, which must not be negative,
// without leading zeros.
func (r *reader) unsigned() []byte {
	b := r.next(tagInteger)
	if r.err == nil && (len(b) == 0 || b[0] >= 0x80 || len(b) > 1 && b[0] == 0 && b[1] < 0x80) {
		r.err = errDER
		return nil
	}
	return trim(b)
}

// end reports the first error, or that something is left.
func (r *reader) end() error {
	if r.err == nil && len(r.rest) > 0 {
		return errDER
	}
	return r.err
}

// element writes an element whose content is the parts in a row.
func element(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := make([]byte, 0, n+5)
	switch {
	case n < 0x80:
		out = append(out, tag, byte(n))
	case n < 0x100:
		out = append(out, tag, 0x81, byte(n))
	case n < 0x10000:
		out = append(out, tag, 0x82, byte(n>>8), byte(n))
	default:
		out = append(out, tag, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// integer writes a non-negative INTEGER.
func integer(magnitude []byte) []byte {
	m := trim(magnitude)
	if len(m) == 0 || m[0] >= 0x80 {
		return element(tagInteger, []byte{0}, m)
	}
	return element(tagInteger, m)
}

// bitString writes whole bytes as a BIT STRING.
func bitString(b []byte) []byte { return element(tagBitString, []byte{0}, b) }

// trim cuts leading zeros off.
func trim(b []byte) []byte {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

// bits is the length of a magnitude in bits.
func bits(magnitude []byte) int {
	m := trim(magnitude)
	if len(m) == 0 {
		return 0
	}
	n := len(m) * 8
	for top := m[0]; top < 0x80; top <<= 1 {
		n--
	}
	return n
}

// The algorithm identifiers (RFC 5480 §2.1.1, RFC 8017 A.1, RFC 8410 §3).
var (
	oidEC      = element(tagOID, []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01})
	oidP256    = element(tagOID, []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07})
	oidRSA     = element(tagOID, []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01})
	oidEd25519 = element(tagOID, []byte{0x2b, 0x65, 0x70})

	algorithmP256    = element(tagSequence, oidEC, oidP256)
	algorithmRSA     = element(tagSequence, oidRSA, element(tagNull))
	algorithmEd25519 = element(tagSequence, oidEd25519)
)
