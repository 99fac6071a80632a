//go:build unix

package instance

import (
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// allocator backs the guest's memory with a mapping outside of Go's heap: growing
// does not copy, the garbage collector's pace does not depend on it, and
// closing an instance gives its memory back to the system at once.
var allocator = experimental.MemoryAllocatorFunc(func(_, limit uint64) experimental.LinearMemory {
	b, err := syscall.Mmap(-1, 0, int(limit), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE|noReserve)
	if err != nil {
		return &mapping{} // Reallocate answers nil: the instantiation fails
	}
	return &mapping{b}
})

type mapping struct{ b []byte }

func (m *mapping) Reallocate(size uint64) []byte {
	if size > uint64(len(m.b)) {
		return nil
	}
	return m.b[:size:len(m.b)]
}

func (m *mapping) Free() {
	if m.b != nil {
		_ = syscall.Munmap(m.b) // fails for no mapping that Mmap made
		m.b = nil
	}
}
