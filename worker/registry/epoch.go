package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"github.com/grantway/grantway/worker/problem"
)

// CallerEpoch is the last purge of one caller's tokens.
type CallerEpoch struct {
	Epoch int64     `json:"epoch"`
	At    time.Time `json:"at"`
}

// MaxCallerEpochs is how many callers' tokens may be purged one by one while tokens of before may
// still be alive.
const MaxCallerEpochs = 100

// EpochOf answers the epoch of the tokens of a caller (a principal's id, "" for nobody's): what was
// minted in an earlier one is void.
func (r *Record) EpochOf(caller string) int64 {
	if len(r.CallerEpochs) == 0 {
		return r.TokenEpoch
	}
	return max(r.TokenEpoch, r.CallerEpochs[callerKey(caller)].Epoch)
}

// callerKey stands for a principal's id in a record, which tells nobody's name.
func callerKey(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}

// RaiseEpoch begins a new epoch of a caller, or with "" of all, and answers it.
// No number is given twice. life is the longest that a token lives: a purge before that is
// forgotten, because nothing is left for it to void. With more than MaxCallerEpochs the error is a
// *problem.Problem too_many_purges.
func (r *Record) RaiseEpoch(caller string, now time.Time, life time.Duration) (int64, error) {
	next := r.TokenEpoch + 1
	kept := map[string]CallerEpoch{}
	for id, e := range r.CallerEpochs {
		next = max(next, e.Epoch+1)
		if now.Sub(e.At) <= life {
			kept[id] = e
		}
	}
	if caller == "" {
		r.TokenEpoch, r.CallerEpochs = next, nil
		return next, nil
	}
	kept[callerKey(caller)] = CallerEpoch{next, now.UTC()}
	if len(kept) > MaxCallerEpochs {
		return 0, problem.New(http.StatusConflict, "too_many_purges",
			"The tokens of "+strconv.Itoa(MaxCallerEpochs)+" callers of server "+r.Slug+" were purged one by one lately. Purge all of them together.")
	}
	r.CallerEpochs = kept
	return next, nil
}
