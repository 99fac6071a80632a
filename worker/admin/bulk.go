package admin

import (
	"net/http"
	"slices"
	"time"

	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/schema"
)

type bulkResult struct {
	ServerID string `json:"server_id"`
	Status   string `json:"status"` // done, not_found, read_only
	Version  int64  `json:"version,omitempty"`
}

// bulkServers enables, disables or deletes servers in one transaction. Servers
// that do not exist or are read-only are reported and left out.
func (a *API) bulkServers(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Action    string   `json:"action"`
		ServerIDs []string `json:"server_ids"`
	}
	if err := readAs(r, "BulkRequest", schema.Whole, &in); err != nil {
		return err
	}
	for try := 1; ; try++ {
		results, err := a.bulk(r, in.Action, in.ServerIDs)
		if p := problem.From(err); err != nil && (p.Code == "version_conflict" || p.Code == "server_not_found") && try < editTries {
			continue
		}
		if err != nil {
			return err
		}
		return answer(w, http.StatusOK, map[string]any{"results": results})
	}
}

func (a *API) bulk(r *http.Request, action string, refs []string) ([]bulkResult, error) {
	results := make([]bulkResult, len(refs))
	var olds []*registry.Record
	var at []int // olds[i] is results[at[i]]
	for i, ref := range refs {
		results[i] = bulkResult{ServerID: ref, Status: "done"}
		old, err := a.find(r, ref)
		if err != nil {
			if problem.From(err).Code != "server_not_found" {
				return nil, err
			}
			results[i].Status = "not_found"
			continue
		}
		results[i].ServerID = old.ServerID
		if old.ReadOnly {
			results[i].Status = "read_only"
			continue
		}
		if slices.ContainsFunc(olds, func(o *registry.Record) bool { return o.ServerID == old.ServerID }) {
			continue // named twice
		}
		olds, at = append(olds, old), append(at, i)
	}
	if len(olds) == 0 {
		return results, nil
	}
	var entries []audit.Entry
	var writes []directory.ServerWrite
	var deletions []directory.Deletion
	for _, old := range olds {
		var after any
		if action != "delete" {
			rec := old.Clone()
			rec.Disabled, rec.UpdatedAt, rec.UpdatedBy = action == "disable", time.Now().UTC(), actorOf(r)
			writes, after = append(writes, directory.ServerWrite{Record: rec, Expect: old.Version}), shown(rec)
		}
		deletions = append(deletions, directory.Deletion{ID: old.ServerID, Expect: old.Version})
		e, err := changed(entry(r, "server."+action, serverTarget(old)), shown(old), after)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	var written directory.Written
	var err error
	if action == "delete" {
		written, err = a.Directory.DeleteServers(r.Context(), deletions, entries...)
	} else {
		written, err = a.Directory.WriteServers(r.Context(), writes, entries...)
	}
	if err != nil {
		return nil, err
	}
	for i, c := range written.Changes {
		if c.After == nil {
			a.forget(r.Context(), c.Before, written.Seq)
			continue
		}
		a.Source.Edited(c.Before, c.After, written.Seq)
		results[at[i]].Version = c.After.Version
	}
	return results, nil
}
