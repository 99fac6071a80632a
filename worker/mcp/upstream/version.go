package upstream

// Protocol versions that the gateway speaks, newest first.
const (
	Modern       = "2026-07-28"
	LatestLegacy = "2025-11-25"
	// AssumedLegacy is what a legacy request without the version header means
	// (MCP 2025-06-18, transports).
	AssumedLegacy = "2025-03-26"
)

// ModernVersions and LegacyVersions are the served versions of each era.
var (
	ModernVersions = []string{Modern}
	LegacyVersions = []string{LatestLegacy, "2025-06-18", AssumedLegacy}
)

// IsModern reports whether a version belongs to the stateless era. Versions are
// dates, so their order is that of their text.
func IsModern(version string) bool { return version >= Modern }
