package token

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/registry"
)

// reread is one reading of a record, for all who wait for it.
type reread struct {
	at   time.Time
	done chan struct{}
	plan *plan // of a later version; nil: there is none
}

// supersedes says whether the plan is of a later version than rec, and of a server at the
// same place: an instance that has learned of a change goes on with it whatever an old copy of
// the record says.
func (p *plan) supersedes(rec *registry.Record) bool {
	return p.version > rec.Version && p.rec.Load().URL == rec.URL
}

// newer answers the plan of a later version of the record if the authorization server
// refused this one's client: it may have been changed in another location, whose change is
// still on its way here. nil: there is none.
func (e *Engine) newer(ctx context.Context, p *plan, err error) *plan {
	var f *oauth.Failure
	if e.latest == nil || !errors.As(err, &f) || !f.RefusesClient() {
		return nil
	}
	rec := p.rec.Load()
	if q := e.plan(rec); q != p && q.supersedes(rec) {
		return q
	}
	p.mu.Lock()
	r := p.reread
	if r == nil || time.Since(r.at) > e.settings.RecordReread {
		r = &reread{at: time.Now(), done: make(chan struct{})}
		p.reread = r
		e.platform.Background(ctx, func(ctx context.Context) {
			defer close(r.done)
			ctx, cancel := context.WithTimeout(ctx, e.settings.MinterTimeout)
			defer cancel()
			if latest, err := e.latest(ctx, rec.ServerID); err == nil && latest.Version > rec.Version {
				if q := e.plan(latest); q.supersedes(rec) {
					r.plan = q
				}
			}
		})
	}
	p.mu.Unlock()
	select {
	case <-r.done:
		return r.plan
	case <-ctx.Done():
		return nil
	}
}

// credential is header, and once more with a later version of the record where the
// authorization server refused the client. It answers the plan that holds.
func (e *Engine) credential(ctx context.Context, p *plan, who *access.Principal) (*plan, *prepared, error) {
	pr, err := e.header(ctx, p, who)
	if err == nil {
		return p, pr, nil
	}
	q := e.newer(ctx, p, err)
	if q == nil || q.refusal != nil || !q.oauth {
		return p, nil, err
	}
	pr, err = e.header(ctx, q, who)
	return q, pr, err
}

// replayWithNewer repeats a request whose token the upstream refused, with the client of a
// later version of the record; nil: there is none, and failed stands.
func (c *client) replayWithNewer(p *plan, r *http.Request, failed error) (*http.Response, error) {
	q := c.e.newer(r.Context(), p, failed)
	if q == nil || q.refusal != nil || !q.oauth {
		return nil, failed
	}
	pr, err := c.e.header(r.Context(), q, c.who)
	if err != nil {
		return nil, err
	}
	c.e.count.unauthorized("replayed")
	return c.replay(q, pr, r)
}
