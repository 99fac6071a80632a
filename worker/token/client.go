package token

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// Client answers the way to one upstream server for one caller. It sends the
// request's own headers, the record's static headers and the credential, and only to
// the origin of the record's URL.
//
// An upstream that refuses the token (401, or error="invalid_token") is asked once
// more with a new one: one mint for a whole burst of refusals, one replay per request.
// The request must be replayable for that: no body, GetBody set, or a declared length of
// at most GRANTWAY_REPLAY_BODY_BYTES. A larger one is answered with a 502 problem
// request_not_replayable while a new token is fetched for the next call. A second
// refusal is the upstream's answer and is passed on.
//
// Errors are *problem.Problem where the credential is the reason, else those of
// platform.HTTP.
func (e *Engine) Client(rec *registry.Record, who *access.Principal) http.RoundTripper {
	return &client{e, rec, who}
}

type client struct {
	e   *Engine
	rec *registry.Record
	who *access.Principal
}

func (c *client) RoundTrip(r *http.Request) (*http.Response, error) {
	e := c.e
	p := e.plan(c.rec)
	if p.refusal != nil {
		closeBody(r)
		return nil, p.refusal
	}
	if r.URL.Host != p.host || r.URL.Scheme != p.scheme {
		closeBody(r)
		return nil, problem.New(http.StatusBadGateway, "upstream_origin_changed", "Server "+c.rec.Slug+" led to another origin, where its credential must not go.")
	}
	if !p.oauth {
		return e.upstream.RoundTrip(p.dress(r, nil))
	}
	p, values, en, err := e.credential(r.Context(), p, c.who)
	if err != nil {
		closeBody(r)
		return nil, err
	}
	if err := e.makeReplayable(r); err != nil {
		return nil, err
	}
	resp, err := e.upstream.RoundTrip(p.dress(r, values))
	if err != nil || resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusBadRequest {
		return resp, err
	}
	return c.refused(p, r, resp, en)
}

// dress answers a copy of the request with the fixed headers and the token.
func (p *plan) dress(r *http.Request, token []string) *http.Request {
	out := *r
	out.Header = make(http.Header, len(r.Header)+len(p.fixed)+1)
	maps.Copy(out.Header, r.Header)
	for _, f := range p.fixed {
		out.Header[f.name] = f.values
	}
	if token != nil {
		out.Header[p.credential] = token
	}
	return &out
}

// header answers the credential header's value. With a token in L1 it costs a map
// look-up, a clock reading and pointer comparisons.
func (e *Engine) header(ctx context.Context, p *plan, who *access.Principal) ([]string, *entry, error) {
	if pr := p.prepared.Load(); pr != nil && !p.perCaller {
		now := time.Now()
		if pr.entry.usable(now) && e.current(p, pr.entry) {
			e.count.l1.Inc()
			e.report(ctx, now)
			e.tend(ctx, p, pr.entry, now, who)
			return pr.values, pr.entry, nil
		}
	}
	if p.interactive {
		t, en, err := e.resolveConnected(ctx, p, who)
		if err != nil {
			return nil, nil, err
		}
		return p.prepare(t, en), en, nil
	}
	t, err := e.target(ctx, p, who)
	if err != nil {
		return nil, nil, err
	}
	en, err := e.resolve(ctx, t, CauseMiss, "", who)
	if err != nil {
		return nil, nil, err
	}
	return p.prepare(t, en), en, nil
}

// current says whether this is still the token of the plan's target.
func (e *Engine) current(p *plan, en *entry) bool {
	t := p.using.Load()
	if t == nil {
		return false
	}
	s := t.slot.Load()
	return s != nil && s.entry.Load() == en
}

// prepare makes the header's value and remembers it for the next call.
func (p *plan) prepare(t *target, en *entry) []string {
	if pr := p.prepared.Load(); pr != nil && pr.entry == en {
		return pr.values
	}
	pr := &prepared{en, single(p.prefix + en.Token), headerValue(en.Token)}
	if !p.perCaller {
		p.using.Store(t)
		p.prepared.Store(pr)
	}
	return pr.values
}

// makeReplayable gives a small body of known length a GetBody.
func (e *Engine) makeReplayable(r *http.Request) error {
	if r.Body == nil || r.Body == http.NoBody || r.GetBody != nil || r.ContentLength <= 0 || r.ContentLength > int64(e.settings.ReplayBodyLimit) {
		return nil
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	_ = r.Body.Close()
	if err != nil {
		return problem.New(http.StatusBadRequest, "body_incomplete", "The request body ended early.").Because(err)
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	return nil
}

func replayable(r *http.Request) bool {
	return r.Body == nil || r.Body == http.NoBody || r.GetBody != nil
}

// again answers a copy of the request with its body from the start.
func again(r *http.Request) (*http.Request, error) {
	out := *r
	if r.GetBody != nil && r.Body != nil && r.Body != http.NoBody {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		out.Body = body
	}
	return &out, nil
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// refused deals with an answer that may be about the token: it mints once, replays
// once, and passes on whatever comes then.
func (c *client) refused(p *plan, r *http.Request, resp *http.Response, en *entry) (*http.Response, error) {
	e := c.e
	ch := oauth.ParseChallenge(resp.Header.Values("WWW-Authenticate"))
	invalid := ch.Error == "invalid_token" || resp.StatusCode == http.StatusUnauthorized && ch.Error != "insufficient_scope"
	scope := ch.Error == "insufficient_scope"
	if !invalid && !scope {
		return resp, nil
	}
	ctx := r.Context()
	if scope {
		return c.stepUp(p, r, resp, ch.Scope)
	}
	t, err := e.usingOf(ctx, p, c.who)
	if err != nil {
		return resp, nil
	}
	if !replayable(r) {
		e.count.unauthorized("not_replayable")
		discard(resp)
		e.platform.Background(ctx, func(ctx context.Context) {
			_, _ = e.resolve(ctx, t, CauseUnauthorized, en.fingerprint, c.who)
		})
		return nil, problem.New(http.StatusBadGateway, "request_not_replayable", "Server "+c.rec.Slug+" refused the access token, and this request's body is too large to send it again. A new token is being fetched: repeat the call.")
	}
	fresh, err := e.resolve(ctx, t, CauseUnauthorized, en.fingerprint, c.who)
	if err != nil {
		e.count.unauthorized("no_token")
		if problem.From(err).Code == codeUpstreamRefuses {
			return resp, nil
		}
		discard(resp)
		return c.replayWithNewer(p, r, err)
	}
	discard(resp)
	e.count.unauthorized("replayed")
	return c.replay(p, t, r, fresh)
}

// usingOf answers the target of the token that the caller's requests carry.
func (e *Engine) usingOf(ctx context.Context, p *plan, who *access.Principal) (*target, error) {
	if t := p.using.Load(); t != nil && !p.perCaller {
		return t, nil
	}
	return e.target(ctx, p, who)
}

func (c *client) replay(p *plan, t *target, r *http.Request, en *entry) (*http.Response, error) {
	out, err := again(r)
	if err != nil {
		return nil, problem.New(http.StatusBadGateway, "request_not_replayable", "The request cannot be sent again.").Because(err)
	}
	resp, err := c.e.upstream.RoundTrip(p.dress(out, p.prepare(t, en)))
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		c.e.count.unauthorized("refused_again")
	}
	return resp, err
}

// discard reads a short rest of the answer so that the connection can be used again.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
}
