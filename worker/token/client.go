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
	p, pr, err := e.credential(r.Context(), p, c.who)
	if err != nil {
		closeBody(r)
		return nil, err
	}
	if err := e.makeReplayable(r); err != nil {
		return nil, err
	}
	resp, err := e.upstream.RoundTrip(p.dress(r, pr.values))
	if err != nil || resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusBadRequest {
		return resp, err
	}
	return c.refused(p, pr, r, resp)
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

// header answers the token that a request carries. With a token in L1 it costs a map
// look-up, a clock reading and pointer comparisons.
func (e *Engine) header(ctx context.Context, p *plan, who *access.Principal) (*prepared, error) {
	if pr := p.prepared.Load(); pr != nil && !p.perCaller {
		now := time.Now()
		if pr.entry.usable(now) && pr.current() {
			e.count.l1.Inc()
			e.report(ctx, now)
			e.tend(ctx, pr.target, pr.entry, now, who)
			return pr, nil
		}
	}
	if p.interactive {
		t, en, err := e.resolveConnected(ctx, p, who)
		if err != nil {
			return nil, err
		}
		return p.prepare(t, en), nil
	}
	t, err := e.target(ctx, p, who)
	if err != nil {
		return nil, err
	}
	en, err := e.resolve(ctx, t, CauseMiss, "", who)
	if err != nil {
		return nil, err
	}
	if p.perCaller {
		e.tend(ctx, t, en, time.Now(), who)
	}
	return p.prepare(t, en), nil
}

// current says whether this is still the token of its target.
func (pr *prepared) current() bool {
	s := pr.target.slot.Load()
	return s != nil && s.entry.Load() == pr.entry
}

// prepare makes the header's value and remembers it for the next call.
func (p *plan) prepare(t *target, en *entry) *prepared {
	if pr := p.prepared.Load(); pr != nil && pr.entry == en && pr.target == t {
		return pr
	}
	pr := &prepared{t, en, single(p.prefix + en.Token), headerValue(en.Token)}
	if !p.perCaller {
		p.prepared.Store(pr)
	}
	return pr
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
		return problem.New(http.StatusBadRequest, "unreadable_body", "The request's body broke off.").Because(err)
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

// refused deals with an answer that may be about the token it was sent: it mints once,
// replays once, and passes on whatever comes then.
func (c *client) refused(p *plan, sent *prepared, r *http.Request, resp *http.Response) (*http.Response, error) {
	e, t, en := c.e, sent.target, sent.entry
	ch := oauth.ParseChallenge(resp.Header.Values("WWW-Authenticate"))
	invalid := ch.Error == "invalid_token" || resp.StatusCode == http.StatusUnauthorized && ch.Error != "insufficient_scope"
	scope := ch.Error == "insufficient_scope"
	if !invalid && !scope {
		return resp, nil
	}
	ctx := r.Context()
	if scope {
		return c.stepUp(p, t, r, resp, ch.Scope)
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
		return c.replayWithNewer(p, r, forbidden(err))
	}
	discard(resp)
	e.count.unauthorized("replayed")
	return c.replay(p, p.prepare(t, fresh), r)
}

func (c *client) replay(p *plan, pr *prepared, r *http.Request) (*http.Response, error) {
	out, err := again(r)
	if err != nil {
		return nil, problem.New(http.StatusBadGateway, "request_not_replayable", "The request cannot be sent again.").Because(err)
	}
	resp, err := c.e.upstream.RoundTrip(p.dress(out, pr.values))
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
