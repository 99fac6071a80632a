package admin

import (
	"net/http"

	"github.com/grantway/grantway/worker/directory"
)

// RaiseTokenEpoch begins a new token epoch of a server: no token that a caller has there
// from before is used again, in this instance at once and in the others when the change
// reaches them. A server of the configuration file has one too.
func (a *API) RaiseTokenEpoch(r *http.Request, ref string) (int64, error) {
	for try := 1; ; try++ {
		old, err := a.find(r, ref)
		if err != nil {
			return 0, err
		}
		rec := old.Clone()
		rec.TokenEpoch++
		e, err := detailed(entry(r, "token.purge", serverTarget(rec)), map[string]int64{"generation": rec.TokenEpoch})
		if err != nil {
			return 0, err
		}
		written, err := a.Directory.WriteServers(r.Context(), []directory.ServerWrite{{Record: rec, Expect: old.Version}}, e)
		if conflicted(err) && try < editTries {
			continue
		}
		if err != nil {
			return 0, err
		}
		a.Source.Edited(old, written.Changes[0].After, written.Seq)
		return rec.TokenEpoch, nil
	}
}
