//go:build !unix

package instance

import "github.com/tetratelabs/wazero/experimental"

// allocator nil: wazero keeps the guest's memory in Go's heap.
var allocator experimental.MemoryAllocator
