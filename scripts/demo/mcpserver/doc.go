// Package mcpserver is an MCP server for the demo and for tests, made with the official Go SDK.
//
// It is an OAuth 2 resource server that trusts nobody: each request needs a JWT access token (RFC 9068) whose signature,
// issuer, audience, times and scope it checks itself. A request without one is refused with a challenge that leads to
// its protected-resource metadata (RFC 9728).
//
// Two handlers serve the same tools: [Path] without sessions, as MCP 2026-07-28 has it, and [SessionPath] with sessions, as
// the revisions before it have.
package mcpserver
