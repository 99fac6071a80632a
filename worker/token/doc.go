// Package token resolves the credential that the gateway presents to an upstream
// MCP server, and keeps it good.
//
// An access token is looked for in three places, each wrapped around the next:
//
//  1. L1, the instance's memory: a pointer and a clock comparison.
//  2. L2, KV TOKENS: shared by all instances, sealed, eventually consistent, never a lock.
//  3. The minter, a Durable Object per identity key: the one place in the world that
//     asks the authorization server (package oauth), holds the purge generation
//     and the failure state.
//
// Rules that every file here keeps:
//
//   - A token is never handed out past its real expiry, and a call never fails that
//     a valid token in hand could serve.
//   - A mint belongs to background work, not to the caller that happened to be first.
//   - A purge raises the generation: what was minted under an older one is dropped.
//   - When KV or the minter cannot be reached the instance works on with what it has
//     and a mint of its own, and says so in log and metrics.
//   - No secret and no token byte reaches a log, an error, a metric or an audit row.
package token
