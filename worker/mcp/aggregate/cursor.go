package aggregate

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// MaxCursor is the longest composite cursor that is read, in bytes.
const MaxCursor = 64 << 10

// ErrCursor means that a cursor is not one of this gateway.
var ErrCursor = errors.New("aggregate: malformed cursor")

// Mark is where one server's list goes on.
type Mark struct {
	ServerID string
	Cursor   string // the server's own; "" is one too
}

// EncodeCursor answers the cursor of several unfinished lists, "" for none. It is opaque to
// clients and holds nothing that grants anything: the servers are looked up again
// among those that the caller may use.
func EncodeCursor(marks []Mark) string {
	if len(marks) == 0 {
		return ""
	}
	b := []byte{1}
	for _, m := range marks {
		for _, s := range [...]string{m.ServerID, m.Cursor} {
			b = binary.AppendUvarint(b, uint64(len(s)))
			b = append(b, s...)
		}
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// DecodeCursor takes a cursor apart.
func DecodeCursor(cursor string) ([]Mark, error) {
	if len(cursor) > MaxCursor {
		return nil, ErrCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) < 2 || b[0] != 1 {
		return nil, ErrCursor
	}
	var marks []Mark
	for b = b[1:]; len(b) > 0; {
		var m Mark
		for _, to := range [...]*string{&m.ServerID, &m.Cursor} {
			n, size := binary.Uvarint(b)
			if size <= 0 || n > uint64(len(b)-size) {
				return nil, ErrCursor
			}
			*to = string(b[size : size+int(n)])
			b = b[size+int(n):]
		}
		marks = append(marks, m)
	}
	return marks, nil
}
