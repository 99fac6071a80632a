package abi

import (
	"encoding/binary"
	"errors"
)

// ErrFrames reports that a byte sequence is not a well-formed list of frames.
var ErrFrames = errors.New("abi: malformed frames")

// AppendFrame appends one frame to b: the length of v as four bytes, little
// endian, then v. Several byte strings travel in one body as frames in a row.
func AppendFrame(b, v []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
	return append(b, v...)
}

// Frames splits b into its frames. The frames alias b. An empty b has none.
// Trailing or missing bytes are an error that wraps ErrFrames.
func Frames(b []byte) ([][]byte, error) {
	var out [][]byte
	for len(b) > 0 {
		if len(b) < 4 {
			return nil, ErrFrames
		}
		n := binary.LittleEndian.Uint32(b)
		if uint64(n) > uint64(len(b)-4) {
			return nil, ErrFrames
		}
		out = append(out, b[4:4+n:4+n])
		b = b[4+n:]
	}
	return out, nil
}
