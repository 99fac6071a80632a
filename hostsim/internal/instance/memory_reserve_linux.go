package instance

import "syscall"

// noReserve keeps the unused part of a mapping from counting against the
// system's memory.
const noReserve = syscall.MAP_NORESERVE
