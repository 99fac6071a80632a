package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// Draft answers the record that a request body describes, with its secrets sealed,
// and keeps nothing. With server_id it lays the body over the stored record, whose
// secrets are then used unless the destination changed.
func (a *API) Draft(ctx context.Context, body []byte) (*registry.Record, error) {
	var named struct {
		ServerID string `json:"server_id"`
	}
	if err := json.Unmarshal(body, &named); err != nil {
		return nil, problem.New(http.StatusBadRequest, "invalid_json", "The body must be a JSON object.")
	}
	var old *registry.Record
	if named.ServerID != "" {
		var err error
		old, err = a.Directory.FindServer(ctx, named.ServerID)
		if errors.Is(err, registry.ErrNotFound) {
			return nil, problem.New(http.StatusNotFound, "server_not_found", fmt.Sprintf("There is no server %q.", named.ServerID))
		}
		if err != nil {
			return nil, err
		}
	}
	actor := ""
	if p := access.FromContext(ctx); p != nil {
		actor = p.ID
	}
	return a.compose(ctx, actor, old, body)
}
