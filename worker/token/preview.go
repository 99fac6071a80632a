package token

import (
	"context"
	"net/http"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// Ready resolves the token that a call for who would use, and answers why there is none.
func (e *Engine) Ready(ctx context.Context, rec *registry.Record, who *access.Principal) error {
	p := e.plan(rec)
	if p.refusal != nil {
		return p.refusal
	}
	if !p.oauth {
		return nil
	}
	_, _, err := e.credential(ctx, p, who)
	return err
}

// Preview is Test, and the way to the upstream with the token that it minted. Like
// Test it neither uses nor disturbs what serves calls: a 401 is not repaired. The way is nil
// where the test failed.
func (e *Engine) Preview(ctx context.Context, rec *registry.Record, who *access.Principal) (http.RoundTripper, *TestResult) {
	r, p, tok := e.try(ctx, rec, who)
	if !r.OK {
		return nil, r
	}
	var values []string
	if tok != nil {
		values = single(p.prefix + tok.AccessToken)
	}
	return &preview{e, p, values}, r
}

type preview struct {
	e     *Engine
	p     *plan
	token []string
}

func (c *preview) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != c.p.host || r.URL.Scheme != c.p.scheme {
		closeBody(r)
		return nil, problem.New(http.StatusBadGateway, "upstream_origin_changed", "The server led to another origin, where its credential must not go.")
	}
	return c.e.upstream.RoundTrip(c.p.dress(r, c.token))
}
