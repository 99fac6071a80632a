package admin

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// entry begins an audit entry for what this request does.
func entry(r *http.Request, action string, target audit.Target) audit.Entry {
	e := audit.Entry{
		Time: time.Now(), Action: action, Target: target, Outcome: audit.OK, RequestID: problem.RequestID(r.Context()),
		Actor: audit.Actor{ID: "anonymous", IP: access.ClientIP(r)},
	}
	if p := access.FromContext(r.Context()); p != nil {
		e.Actor.ID, e.Actor.Name = p.ID, p.Name
	}
	return e
}

// changed puts the members into an entry in which two objects differ.
func changed(e audit.Entry, before, after any) (audit.Entry, error) {
	var err error
	e.Before, e.After, err = audit.Changes(before, after)
	return e, err
}

func detailed(e audit.Entry, detail any) (audit.Entry, error) {
	b, err := json.Marshal(detail)
	e.Detail = b
	return e, err
}

func serverTarget(rec *registry.Record) audit.Target {
	return audit.Target{Type: "server", ID: rec.ServerID, Name: rec.Slug}
}

func keyTarget(k *access.Key) audit.Target {
	return audit.Target{Type: "key", ID: k.ID, Name: k.Name}
}

// denied records that somebody was refused.
func (a *API) denied(r *http.Request, p *access.Principal, pr *problem.Problem) {
	e := entry(r, "call.denied", audit.Target{Type: "api", ID: r.Method + " " + r.Pattern})
	e.Outcome, e.Actor.ID, e.Actor.Name = audit.Denied, p.ID, p.Name
	e, err := detailed(e, map[string]string{"code": pr.Code})
	if err == nil {
		a.Audit.Record(r.Context(), e)
	}
}
