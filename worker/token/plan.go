package token

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// plan is all that can be computed once per version of a record: where credentials
// may go, which headers are fixed, which token is needed.
type plan struct {
	rec     atomic.Pointer[registry.Record] // the latest copy of this version
	version int64
	updated time.Time

	refusal      error // why nothing is sent to this server
	scheme, host string
	fixed        []field // static headers, then the static credential
	credential   string  // name of the header that carries the token
	prefix       string  // before the token
	oauth        bool    // a token is needed
	perCaller    bool    // the token depends on the caller: the JWT, or whose connection it is
	interactive  bool    // the token is of a connection
	grant        oauth.Grant
	origin       string // of the upstream

	url    string           // of the upstream
	simple bool             // no header takes the place of another
	lines  []platform.Field // fixed, for AtHand

	single   *target                  // the one target, if neither discovery nor the caller has a say
	prepared atomic.Pointer[prepared] // the token used last, unless the callers have their own

	mu     sync.Mutex
	found  *found // by discovery
	reread *reread
}

// field is one header, its value ready to be put into a header map.
type field struct {
	name   string
	values []string
}

// prepared is a token as the plan's header carries it.
type prepared struct {
	target *target
	entry  *entry
	values []string
	plain  bool // the value can stand in a header
}

// target is one token that may be needed: its identity key and how to get it.
type target struct {
	rec      *registry.Record
	grant    oauth.Grant // without secrets
	identity string
	issuerAt string  // origin of the token endpoint; of a connection: its subject
	origin   string  // of the upstream
	subject  string  // of a connection
	epoch    int64   // of the record, where that counts: see Engine.ByEpoch
	caller   string  // principal id, of a caller's token
	narrow   *target // whose scopes were not enough; nil: these are the record's scopes
	slot     atomic.Pointer[slot]
}

// aad binds a sealed token to its row and to the two hosts that it belongs to.
func (t *target) aad() []string { return []string{"token", t.identity, t.issuerAt, t.origin} }

// maxPlans bounds the plans that an instance remembers.
const maxPlans = 4096

// plans remembers one plan per server.
type plans struct {
	mu sync.RWMutex
	m  map[string]*plan
}

// plan answers the plan of a record. Callers who come at once share one.
func (e *Engine) plan(rec *registry.Record) *plan {
	e.plans.mu.RLock()
	p := e.plans.m[rec.ServerID]
	e.plans.mu.RUnlock()
	if p != nil && p.serves(rec) {
		return p
	}
	p = e.newPlan(rec)
	e.plans.mu.Lock()
	defer e.plans.mu.Unlock()
	old := e.plans.m[rec.ServerID]
	if old != nil && old.serves(rec) { // another caller was first
		return old
	}
	if len(e.plans.m) >= maxPlans {
		for id := range e.plans.m {
			delete(e.plans.m, id)
			break
		}
	}
	if old == nil || old.version <= rec.Version {
		e.plans.m[rec.ServerID] = p
	}
	return p
}

// serves reports whether calls with this record go by the plan.
func (p *plan) serves(rec *registry.Record) bool {
	if p.rec.Load() == rec {
		return true
	}
	if p.version == rec.Version && p.updated.Equal(rec.UpdatedAt) {
		p.rec.Store(rec)
		return true
	}
	return p.supersedes(rec)
}

func (e *Engine) newPlan(rec *registry.Record) *plan {
	p := &plan{version: rec.Version, updated: rec.UpdatedAt}
	p.rec.Store(rec)
	u, err := url.Parse(rec.URL)
	if err == nil {
		err = oauth.CheckURL(rec.URL, e.settings.AllowLoopback)
	}
	if err != nil {
		p.refusal = problem.New(http.StatusBadGateway, "server_url_refused", "Server "+rec.Slug+" is not called: "+err.Error()+".")
		return p
	}
	p.scheme, p.host, p.origin, p.url = u.Scheme, u.Host, originOf(u), u.String()
	if p.refusal = e.staticHeaders(p, rec); p.refusal != nil {
		return p
	}
	if rec.AuthType == registry.AuthOAuth2 {
		p.planToken(rec)
	} else {
		p.refusal = e.staticCredential(p, rec)
	}
	p.flatten()
	return p
}

// staticHeaders takes over the record's fixed headers; the values of sensitive ones
// are sealed together.
func (e *Engine) staticHeaders(p *plan, rec *registry.Record) error {
	if len(rec.StaticHeaders) == 0 {
		return nil
	}
	sealed := map[string]string{}
	text, err := oauth.SecretOf(e.keyring, rec, registry.SecretStaticHeaders)
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &sealed)
	}
	if err != nil {
		return err
	}
	for name, value := range rec.StaticHeaders {
		if secret, ok := sealed[name]; ok {
			value = secret
		}
		if !headerName(name) || !headerValue(value) {
			return problem.New(http.StatusBadGateway, "static_header_invalid", "A static header of server "+rec.Slug+" cannot stand in a request.")
		}
		p.set(name, value)
	}
	return nil
}

// set adds a header, in the place of an earlier one of this name.
func (p *plan) set(name, value string) {
	name = http.CanonicalHeaderKey(name)
	p.fixed = slices.DeleteFunc(p.fixed, func(f field) bool { return f.name == name })
	p.fixed = append(p.fixed, field{name, single(value)})
}

// single makes a header value that nobody can grow in place.
func single(value string) []string { return []string{value}[:1:1] }

// staticCredential places the credential of a server without OAuth.
func (e *Engine) staticCredential(p *plan, rec *registry.Record) error {
	if rec.AuthType == registry.AuthNone || rec.AuthType == "" {
		return nil
	}
	value, err := oauth.SecretOf(e.keyring, rec, registry.SecretAuthValue)
	if err != nil {
		return err
	}
	if value == "" {
		return problem.New(http.StatusBadGateway, "credentials_incomplete", "Server "+rec.Slug+" has no auth_value. Nothing was sent.")
	}
	name := "Authorization"
	switch rec.AuthType {
	case registry.AuthAPIKey:
		name = "X-API-Key"
	case registry.AuthBearer:
		value = "Bearer " + value
	case registry.AuthBasic:
		if strings.Contains(value, ":") {
			value = base64.StdEncoding.EncodeToString([]byte(value))
		}
		value = "Basic " + value
	case registry.AuthToken:
		value = "token " + value
	case registry.AuthAuthorization:
	default:
		return problem.New(http.StatusBadGateway, "auth_type_unsupported", fmt.Sprintf("auth_type %q of server %s is not supported.", rec.AuthType, rec.Slug))
	}
	if h := rec.UpstreamTokenHeader; h != nil && h.Name != "" {
		name = h.Name
		if rec.AuthType == registry.AuthAPIKey {
			value = h.Prefix + value
		}
	}
	if !headerName(name) || !headerValue(value) {
		return problem.New(http.StatusBadGateway, "auth_value_invalid", "The credential of server "+rec.Slug+" cannot stand in a header. Nothing was sent.")
	}
	p.set(name, value)
	return nil
}

func (p *plan) planToken(rec *registry.Record) {
	p.oauth = true
	p.credential, p.prefix = "Authorization", "Bearer "
	if h := rec.UpstreamTokenHeader; h != nil && h.Name != "" {
		p.credential, p.prefix = http.CanonicalHeaderKey(h.Name), h.Prefix
	}
	if !headerName(p.credential) || !headerValue(p.prefix) {
		p.refusal = problem.New(http.StatusBadGateway, "token_header_invalid", "upstream_token_header of server "+rec.Slug+" cannot stand in a request.")
		return
	}
	p.fixed = slices.DeleteFunc(p.fixed, func(f field) bool { return f.name == p.credential })
	method := rec.TokenEndpointAuthMethod
	if method == "" {
		method = registry.ClientSecretBasic
	}
	p.grant = oauth.Grant{
		Server: rec.Slug, Flow: rec.OAuth2Flow, TokenURL: rec.TokenURL, Issuer: rec.Issuer, ClientID: rec.ClientID, Method: method,
		AssertionAudience: rec.AssertionAudience, Scopes: rec.Scopes, Audience: rec.Audience, Resource: rec.UpstreamResource,
		Extra: rec.ExtraTokenParams, SubjectType: rec.SubjectTokenType,
	}
	if rec.OAuth2Flow == registry.FlowJWTBearer && rec.IdentityTokenURL != "" {
		p.grant.Identity = &oauth.Identity{TokenURL: rec.IdentityTokenURL, ClientID: rec.IdentityClientID}
		if p.grant.Resource == "" {
			p.grant.Resource = "auto" // the assertion is for this resource, as the server names it
		}
	}
	if rec.ClientKey != nil {
		p.grant.KeyID, p.grant.KeyAlg = rec.ClientKey.ID, rec.ClientKey.Algorithm
	}
	p.perCaller = rec.OAuth2Flow == registry.FlowJWTBearer || rec.OAuth2Flow == registry.FlowTokenExchange
	if rec.OAuth2Flow == registry.FlowAuthorizationCode {
		p.perCaller, p.interactive = true, true
		return
	}
	if !p.discovers() && !p.perCaller {
		p.single = newTarget(rec, p.grant, p.origin, "")
	}
}

// discovers says whether the token endpoint or the resource is yet to be found.
func (p *plan) discovers() bool { return p.grant.TokenURL == "" || p.grant.Resource == "auto" }

// newTarget makes the target of a grant. caller is the principal's id of a grant for a caller.
func newTarget(rec *registry.Record, g oauth.Grant, origin, caller string) *target {
	t := &target{rec: rec, grant: g, origin: origin, caller: caller, identity: identityOf(&g, rec, origin)}
	if byEpoch(&g, rec) {
		t.epoch = rec.EpochOf(caller)
	}
	if u, err := url.Parse(g.TokenURL); err == nil {
		t.issuerAt = originOf(u)
	}
	return t
}

// byEpoch says whether the token is one of many that a server may have: tokens of callers, and
// those with more scopes than the record's. Nobody knows all of them, so they are purged by
// the record's epoch.
func byEpoch(g *oauth.Grant, rec *registry.Record) bool { return g.Subject != "" || rec.AllowStepUp }

// target answers which token a call of this principal needs.
func (e *Engine) target(ctx context.Context, p *plan, who *access.Principal) (*target, error) {
	if p.interactive {
		return e.connected(p, who), nil
	}
	t, err := e.narrowTarget(ctx, p, who)
	if err == nil && t.rec.AllowStepUp {
		t = e.slot(t).widest(t)
	}
	return t, err
}

// narrowTarget is target with the record's own scopes.
func (e *Engine) narrowTarget(ctx context.Context, p *plan, who *access.Principal) (*target, error) {
	if p.single != nil {
		return p.single, nil
	}
	rec, g := p.rec.Load(), p.grant
	if p.discovers() {
		f, err := e.find(ctx, p)
		if err != nil {
			return nil, err
		}
		g.TokenURL, g.Issuer = f.tokenURL, f.issuer
		if g.Resource == "auto" {
			g.Resource = f.resource
		}
		if !p.perCaller {
			return f.target(rec, g, p.origin), nil
		}
	}
	if who == nil || who.JWT == "" {
		return nil, (&oauth.Failure{Class: oauth.Misconfigured, Code: "subject_token_missing", Message: "Server " + rec.Slug + " needs the caller to present a JWT of an accepted issuer; this caller came without one."}).Problem(0)
	}
	g.Subject = who.JWT
	return newTarget(rec, g, p.origin, who.ID), nil
}

// originOf is scheme, host and port (RFC 6454 §4), lower case.
func originOf(u *url.URL) string { return strings.ToLower(u.Scheme + "://" + u.Host) }

func headerName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

func headerValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
