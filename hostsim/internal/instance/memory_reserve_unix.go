//go:build unix && !linux

package instance

// noReserve is Linux's; other systems do not count unused mappings.
const noReserve = 0
