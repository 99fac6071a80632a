package token

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// Stage says where a test ended.
type Stage string

// The stages.
const (
	StageConfiguration Stage = "configuration"     // nothing was sent to the authorization server
	StageDiscovery     Stage = "discovery"         // the token endpoint was not found
	StageIdP           Stage = "identity_provider" // the authorization server did not give a token
	StageDone          Stage = "done"
)

// TestResult is the outcome of a token test. It holds no byte of the token but the
// claims that are not secret.
type TestResult struct {
	OK          bool           `json:"ok"`
	Stage       Stage          `json:"stage"`
	Message     string         `json:"message"`
	Code        string         `json:"code,omitempty"`
	Class       oauth.Class    `json:"class,omitempty"`
	IdPStatus   int            `json:"idp_status,omitempty"`
	OAuthError  string         `json:"oauth_error,omitempty"`
	Hint        string         `json:"idp_says,omitempty"` // error_description, without secrets
	RetryAfter  int            `json:"retry_after,omitempty"`
	TokenURL    string         `json:"token_url,omitempty"`
	Issuer      string         `json:"issuer,omitempty"`
	Resource    string         `json:"resource,omitempty"`
	Method      string         `json:"token_endpoint_auth_method,omitempty"`
	TokenType   string         `json:"token_type,omitempty"`
	ExpiresIn   int            `json:"expires_in,omitempty"`
	LifeAssumed bool           `json:"life_assumed,omitempty"`
	Scope       string         `json:"scope,omitempty"`
	SecretUsed  string         `json:"secret_used,omitempty"`
	Claims      map[string]any `json:"claims,omitempty"`
	TookMillis  int64          `json:"took_ms"`
}

// Test mints a token for a record, saved or not, and throws it away. It reads and
// writes neither cache nor minter, so it can neither use nor disturb what serves calls.
func (e *Engine) Test(ctx context.Context, rec *registry.Record, who *access.Principal) *TestResult {
	r, _, _ := e.try(ctx, rec, who)
	return r
}

// try is Test; it answers the token too, nil where none is needed.
func (e *Engine) try(ctx context.Context, rec *registry.Record, who *access.Principal) (*TestResult, *plan, *oauth.Token) {
	r := &TestResult{Stage: StageConfiguration}
	p := e.newPlan(rec)
	if p.refusal != nil {
		return r.refuse(problem.From(p.refusal)), p, nil
	}
	if !p.oauth {
		r.OK, r.Stage, r.Message = true, StageDone, "This server needs no access token: its credential is sent as it is."
		return r, p, nil
	}
	g := p.grant
	if p.discovers() {
		r.Stage = StageDiscovery
		f := &found{}
		if err := e.look(ctx, p, f); err != nil {
			return r.fail(oauth.FailureOf(err)), p, nil
		}
		g.TokenURL, g.Issuer = f.tokenURL, f.issuer
		if g.Resource == "auto" {
			g.Resource = f.resource
		}
		r.Stage = StageConfiguration
	}
	if p.perCaller && who != nil {
		g.Subject = who.JWT
	}
	r.TokenURL, r.Issuer, r.Resource, r.Method = g.TokenURL, g.Issuer, g.Resource, string(g.Method)
	grant, err := e.grantOf(newTarget(rec, g, p.origin, ""))
	if err != nil {
		return r.refuse(problem.From(err)), p, nil
	}
	who2 := callerOf(who)
	begin := time.Now()
	tok, err := e.mint(ctx, grant, Mint{ServerID: rec.ServerID, Server: rec.Slug, Cause: CauseTest, CallerID: who2.ID, CallerName: who2.Name, KeyID: who2.KeyID})
	r.TookMillis = time.Since(begin).Milliseconds()
	if err != nil {
		f := oauth.FailureOf(err)
		if f.Status != 0 || f.Class == oauth.Unavailable {
			r.Stage = StageIdP
		}
		return r.fail(f), p, nil
	}
	r.OK, r.Stage, r.TokenType, r.IdPStatus = true, StageDone, "Bearer", tok.Status
	r.ExpiresIn, r.LifeAssumed, r.Scope, r.SecretUsed = int(tok.ExpiresAt.Sub(tok.IssuedAt).Seconds()), tok.LifeAssumed, tok.Scope, tok.SecretUsed
	r.Claims = publicClaims(tok.AccessToken)
	r.Message = "The authorization server issued a token."
	switch {
	case tok.LifeAssumed:
		r.Message += " Its answer has no usable expires_in, so a short life is assumed."
	case r.ExpiresIn <= 0:
		r.Message += " It is already at its end (expires_in ≤ 0): each call will fetch a new one."
	case r.ExpiresIn < 60:
		r.Message += " It lives less than a minute, so it is not shared between instances through KV."
	}
	return r, p, tok
}

func (r *TestResult) refuse(p *problem.Problem) *TestResult {
	r.Code, r.Message, r.Class = p.Code, p.Message, oauth.Misconfigured
	return r
}

func (r *TestResult) fail(f *oauth.Failure) *TestResult {
	r.Code, r.Message, r.Class, r.IdPStatus, r.OAuthError, r.Hint = f.Code, f.Message, f.Class, f.Status, f.OAuthError, f.Hint
	r.RetryAfter = int(f.RetryAfter.Seconds())
	return r
}

// shownClaims are the registered claims (RFC 7519 §4.1, RFC 9068 §2.2, RFC 8693 §4)
// that say what a token is good for. Everything else may be private to the issuer.
var shownClaims = []string{"iss", "sub", "aud", "client_id", "azp", "scope", "scp", "iat", "nbf", "exp", "token_use", "ver"}

// publicClaims reads a JWT's claims without checking its signature, which is the
// upstream's business; nil if the token is not a JWT.
func publicClaims(token string) map[string]any {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	shown := map[string]any{}
	for _, name := range shownClaims {
		if v, ok := all[name]; ok && len(v) <= 512 {
			shown[name] = v
		}
	}
	return shown
}

// Explanation is what a call would use, without making it.
type Explanation struct {
	ServerID   string            `json:"server_id"`
	Upstream   string            `json:"upstream"`
	AuthType   registry.AuthType `json:"auth_type"`
	Flow       registry.Flow     `json:"oauth2_flow,omitempty"`
	Credential string            `json:"credential"` // none, static, access_token
	Tier       string            `json:"tier"`       // where it would come from: record, l1, l2, minter, mint
	Age        *float64          `json:"age_seconds"`
	Left       *float64          `json:"expires_in_seconds"`
	Margin     float64           `json:"margin_seconds"`
	WouldMint  bool              `json:"would_mint"`
	Headers    map[string]string `json:"headers"` // values masked
	Forwarded  []string          `json:"forwarded_headers"`
	Request    *Request          `json:"token_request,omitempty"`
	Refusal    *Refusal          `json:"refusal"`
	Status     *Status           `json:"token,omitempty"`
}

// Request is the token request that a mint would make, without secrets.
type Request struct {
	TokenURL string   `json:"token_url"`
	Method   string   `json:"token_endpoint_auth_method"`
	ClientID string   `json:"client_id"`
	Scopes   []string `json:"scopes"`
	Audience string   `json:"audience,omitempty"`
	Resource string   `json:"resource,omitempty"`
	Extra    []string `json:"extra_parameters,omitempty"` // names
}

// Refusal is why a call would not be made.
type Refusal struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// masked stands for a value that is not shown.
const masked = "***"

// Explain answers what a call to this server would use. It may discover the token
// endpoint; it neither mints nor calls the upstream.
func (e *Engine) Explain(ctx context.Context, rec *registry.Record, who *access.Principal) *Explanation {
	x := &Explanation{
		ServerID: rec.ServerID, Upstream: rec.URL, AuthType: rec.AuthType, Flow: rec.OAuth2Flow, Credential: "none", Tier: "record",
		Headers: map[string]string{}, Forwarded: append([]string{}, rec.ForwardHeaders...), Margin: e.settings.ExpiryMargin.Seconds(),
	}
	p := e.plan(rec)
	if p.refusal != nil {
		return x.refused(p.refusal)
	}
	for _, f := range p.fixed {
		x.Headers[f.name] = masked
	}
	if !p.oauth {
		if rec.AuthType != registry.AuthNone {
			x.Credential = "static"
		}
		return x
	}
	x.Credential = "access_token"
	x.Headers[p.credential] = p.prefix + masked
	t, err := e.target(ctx, p, who)
	if err != nil {
		return x.refused(err)
	}
	x.Request = &Request{
		TokenURL: t.grant.TokenURL, Method: string(t.grant.Method), ClientID: t.grant.ClientID, Scopes: append([]string{}, t.grant.Scopes...),
		Audience: t.grant.Audience, Resource: t.grant.Resource,
	}
	for name := range t.grant.Extra {
		x.Request.Extra = append(x.Request.Extra, name)
	}
	x.Tier, x.WouldMint = "mint", true
	if p.perCaller {
		if en := e.slot(t).entry.Load(); en.usable(time.Now()) {
			x.has(en.IssuedAt, en.ExpiresAt, "l1")
		}
		return x
	}
	x.Status = e.Status(ctx, rec, "", nil)
	if s := x.Status; s.ExpiresAt != nil && (s.State == StateValid || s.State == StateExpiring) {
		x.has(s.IssuedAt.UnixMilli(), s.ExpiresAt.UnixMilli(), s.Tier)
	} else if s.State == StateFailing && s.LastError != nil && s.LastError.RetryAt != nil {
		x.WouldMint = false
		x.Refusal = &Refusal{s.LastError.Code, s.LastError.Message}
	}
	return x
}

func (x *Explanation) has(issued, expires int64, tier string) {
	now := time.Now().UnixMilli()
	age, left := float64(now-issued)/1000, float64(expires-now)/1000
	x.Age, x.Left, x.Tier, x.WouldMint = &age, &left, tier, false
}

func (x *Explanation) refused(err error) *Explanation {
	var p *problem.Problem
	if !errors.As(err, &p) {
		p = oauth.FailureOf(err).Problem(0)
	}
	x.Tier = "none"
	x.Refusal = &Refusal{p.Code, p.Message}
	return x
}
