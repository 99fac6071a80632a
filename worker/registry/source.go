package registry

import (
	"context"
	"errors"
)

// ErrNotFound means that no server has this slug, name, alias or id.
var ErrNotFound = errors.New("registry: no such server")

// Source is where the data path reads server records. Answers are shared and
// must not be changed. A record may be as old as the bound that docs/storage.md
// states for an edit to reach every instance.
type Source interface {
	// Lookup finds one server by slug, server_id, server_name or alias, or
	// answers an error that wraps ErrNotFound.
	Lookup(ctx context.Context, ref string) (*Record, error)
	// All answers every server, ordered by slug.
	All(ctx context.Context) ([]*Record, error)
}
