// Package uuid makes identifiers that sort by the time of their making: UUID
// version 7 (RFC 9562 §5.7).
package uuid

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// New answers a new version 7 UUID in its text form, in lower case.
func New() string {
	var u [16]byte
	ms := time.Now().UnixMilli()
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	_, _ = rand.Read(u[6:]) // never fails: crypto/rand ends the program instead
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	var b [36]byte
	hex.Encode(b[0:8], u[0:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:36], u[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// Valid reports whether s is a UUID of any version in lower-case text form.
func Valid(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}
