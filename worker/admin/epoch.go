package admin

import (
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/directory"
)

// RaiseTokenEpoch begins a new token epoch of a server, or with its principal's id of one caller
// there: no token from before is used again, in this instance at once and in the others when the
// change reaches them. life is the longest that a token lives. A server of the configuration file
// has epochs too.
func (a *API) RaiseTokenEpoch(r *http.Request, ref, caller string, life time.Duration) (int64, error) {
	for try := 1; ; try++ {
		old, err := a.find(r, ref)
		if err != nil {
			return 0, err
		}
		rec := old.Clone()
		epoch, err := rec.RaiseEpoch(caller, time.Now(), life)
		if err != nil {
			return 0, err
		}
		e, err := detailed(entry(r, "token.purge", serverTarget(rec)), struct {
			Generation int64  `json:"generation"`
			Caller     string `json:"caller,omitempty"`
		}{epoch, caller})
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
		return epoch, nil
	}
}
