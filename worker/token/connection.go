package token

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// SharedSubject is whose connection serves callers that have none of their own: the
// identity that an administrator has connected for all.
const SharedSubject = "shared"

// CodeNotConnected is the failure of a call to an interactive server by a caller for
// whom nobody has authorized the gateway there.
const CodeNotConnected = "interactive_authorization_required"

// CodeConnectionEnded is the failure of a call whose connection the authorization server
// does not renew any more.
const CodeConnectionEnded = "connection_ended"

// CodeScopesWanted is the failure of a call for which the upstream wants scopes that the
// connection does not have.
const CodeScopesWanted = "interactive_step_up_required"

// codeConnectionUnavailable is the failure of a call whose connection cannot be read now.
const codeConnectionUnavailable = "connection_unavailable"

// unconnectedPause is how long an instance serves a caller from the shared connection
// before it looks again whether the caller has one.
const unconnectedPause = 5 * time.Second

// Connection is a person's authorization of the gateway at an interactive server
// (RFC 6749 §4.1): everything that renewing the access token needs. It is kept in
// the MINTER object of its identity key, sealed for the object and the subject.
type Connection struct {
	Subject   string              `json:"subject"` // principal id, or SharedSubject
	Account   string              `json:"account,omitempty"`
	Issuer    string              `json:"issuer"`
	TokenURL  string              `json:"token_url"`
	RevokeURL string              `json:"revoke_url,omitempty"`
	ClientID  string              `json:"client_id"`
	Method    registry.ClientAuth `json:"method"`
	// ClientSecret is that of a client which the gateway has registered; one of the
	// record is not copied here.
	ClientSecret string    `json:"client_secret,omitempty"`
	Registered   bool      `json:"registered,omitempty"` // the client is the gateway's own, not the record's
	RefreshToken string    `json:"refresh_token,omitempty"`
	Resource     string    `json:"resource,omitempty"`
	Scopes       []string  `json:"scopes,omitempty"` // asked for
	ConnectedBy  string    `json:"connected_by"`     // principal id
	ConnectedAt  time.Time `json:"connected_at"`
	Ended        bool      `json:"ended,omitempty"`  // the authorization server refuses to renew it
	Wanted       []string  `json:"wanted,omitempty"` // scopes that an upstream asked for since
}

// ConnectionStatus is what may be known of a connection. It holds no byte of a token.
type ConnectionStatus struct {
	Connected   bool       `json:"connected"`
	Ended       bool       `json:"ended,omitempty"` // to be connected again
	Shared      bool       `json:"shared"`
	Account     string     `json:"account,omitempty"`
	Issuer      string     `json:"issuer,omitempty"`
	Scope       string     `json:"scope,omitempty"`
	Wanted      []string   `json:"wanted_scopes,omitempty"`
	ConnectedBy string     `json:"connected_by,omitempty"`
	ConnectedAt *time.Time `json:"connected_at"`
	ExpiresAt   *time.Time `json:"expires_at"` // of the access token
	Renewable   bool       `json:"renewable"`  // there is a refresh token
	LastError   string     `json:"last_error,omitempty"`
}

// connectionTarget answers the target of a subject's connection. A change of where
// or as whom the gateway authorizes makes it another one; a new client secret does not.
func connectionTarget(rec *registry.Record, g oauth.Grant, origin, subject string) *target {
	h := sha256.New()
	part(h, "grantway connection v1")
	for _, s := range []string{rec.ServerID, origin, rec.Issuer, rec.TokenURL, rec.AuthorizationURL, rec.ClientID, rec.UpstreamResource, subject} {
		part(h, s)
	}
	return &target{rec: rec, grant: g, origin: origin, identity: hex.EncodeToString(h.Sum(nil)), issuerAt: "subject " + subject, subject: subject, caller: subject, epoch: rec.EpochOf(subject)}
}

// subjectOf answers whose connection a principal uses first.
func subjectOf(who *access.Principal) string {
	if who == nil {
		return SharedSubject
	}
	return who.ID
}

// connected answers the target of the caller's own connection, or of the shared one
// while the caller is known to have none.
func (e *Engine) connected(p *plan, who *access.Principal) *target {
	own := connectionTarget(p.rec.Load(), p.grant, p.origin, subjectOf(who))
	if own.subject == SharedSubject {
		return own
	}
	if f, _ := e.slots.of(own).failing(time.Now()); f != nil && f.Code == CodeNotConnected {
		return connectionTarget(p.rec.Load(), p.grant, p.origin, SharedSubject)
	}
	return own
}

// resolveConnected answers the token of the caller's connection, or of the shared one.
func (e *Engine) resolveConnected(ctx context.Context, p *plan, who *access.Principal) (*target, *entry, error) {
	t := e.connected(p, who)
	en, err := e.resolve(ctx, t, CauseMiss, "", who)
	if err != nil && t.subject != SharedSubject && e.unconnected(t, err) {
		shared := connectionTarget(p.rec.Load(), p.grant, p.origin, SharedSubject)
		en, serr := e.resolve(ctx, shared, CauseMiss, "", who)
		if serr == nil {
			return shared, en, nil
		}
		e.askAgain(shared, serr)
		if problem.From(serr).Code != CodeNotConnected {
			return shared, nil, forbidden(serr)
		}
	}
	if err != nil {
		e.askAgain(t, err)
		return t, nil, forbidden(err)
	}
	e.tend(ctx, t, en, time.Now(), who)
	return t, en, nil
}

// unconnected says whether the subject has no connection. While the minter is out of reach what it
// said last holds on: the shared token in hand serves whom it has served.
func (e *Engine) unconnected(t *target, err error) bool {
	switch problem.From(err).Code {
	case CodeNotConnected:
		return true
	case codeConnectionUnavailable:
		return e.slot(t).failAgain(CodeNotConnected, time.Now().Add(unconnectedPause))
	}
	return false
}

// askAgain forgets a failure that a person may mend at any moment, at another instance:
// the next call asks the object again.
func (e *Engine) askAgain(t *target, err error) {
	if code := problem.From(err).Code; code != CodeNotConnected && code != CodeConnectionEnded {
		return
	}
	e.slot(t).forgive()
}

// forbidden gives the failures that only the caller can mend a status that says so.
func forbidden(err error) error {
	p := problem.From(err)
	if p.Code != CodeNotConnected && p.Code != CodeConnectionEnded {
		return err
	}
	q := *p
	q.Status = http.StatusForbidden
	return &q
}

func notConnected(server string) *oauth.Failure {
	return &oauth.Failure{Class: oauth.Misconfigured, Code: CodeNotConnected, Message: "Server " + server + " needs your authorization: connect your account at /connect/" + server + "."}
}

func connectionEnded(server string) *oauth.Failure {
	return &oauth.Failure{Class: oauth.Rejected, Code: CodeConnectionEnded, Message: "The connection to server " + server + " has ended: connect your account again at /connect/" + server + "."}
}

// Connect keeps a connection and the access token that came with it. What was
// connected for this subject before is void at once.
func (e *Engine) Connect(ctx context.Context, rec *registry.Record, c Connection, tok *oauth.Token) error {
	p := e.plan(rec)
	if p.refusal != nil {
		return p.refusal
	}
	t := connectionTarget(rec, p.grant, p.origin, c.Subject)
	v := storedOf(tok, 0, CauseConnect)
	return e.changeConnection(ctx, t, "connect", connectRequest{Connection: c, Token: v})
}

// Disconnect forgets a subject's connection and voids its token. It answers the
// connection as it was, nil if there was none, so that it can be revoked.
func (e *Engine) Disconnect(ctx context.Context, rec *registry.Record, subject string) (*Connection, error) {
	t, err := e.targetOfSubject(rec, subject)
	if err != nil {
		return nil, err
	}
	old, _, err := e.connection(ctx, t)
	if err != nil || old == nil {
		return nil, err
	}
	return old, e.changeConnection(ctx, t, "disconnect", connectRequest{Connection: Connection{Subject: subject}})
}

// WantScopes remembers scopes that the upstream asked for, so that the next
// authorization asks for them too.
// It answers false if the person was asked for all of them already: asking again would
// not end.
func (e *Engine) wantScopes(ctx context.Context, t *target, scopes []string) (bool, error) {
	a, err := e.tellConnection(ctx, t, "want", connectRequest{Connection: Connection{Subject: t.subject, Wanted: scopes}})
	return a.Wants, err
}

// ConnectionStatus answers how a subject's connection is.
func (e *Engine) ConnectionStatus(ctx context.Context, rec *registry.Record, subject string) (*ConnectionStatus, error) {
	t, err := e.targetOfSubject(rec, subject)
	if err != nil {
		return nil, err
	}
	c, st, err := e.connection(ctx, t)
	if err != nil {
		return nil, err
	}
	out := &ConnectionStatus{Shared: subject == SharedSubject}
	if c == nil {
		return out, nil
	}
	out.Connected, out.Ended = !c.Ended, c.Ended
	out.Account, out.Issuer, out.Wanted, out.ConnectedBy, out.Renewable = c.Account, c.Issuer, c.Wanted, c.ConnectedBy, c.RefreshToken != ""
	out.ConnectedAt = moment(c.ConnectedAt)
	if st.ExpiresAt > 0 {
		out.ExpiresAt, out.Scope = moment(time.UnixMilli(st.ExpiresAt)), st.Scope
		if !out.Renewable && time.Now().UnixMilli() >= st.ExpiresAt {
			out.Connected, out.Ended = false, true
		}
	}
	if st.Failure != nil {
		out.LastError = st.Failure.Code
	}
	return out, nil
}

// WantedScopes answers the scopes that a new authorization of this subject should ask for
// besides the record's.
func (e *Engine) WantedScopes(ctx context.Context, rec *registry.Record, subject string) []string {
	t, err := e.targetOfSubject(rec, subject)
	if err != nil {
		return nil
	}
	c, _, err := e.connection(ctx, t)
	if err != nil || c == nil {
		return nil
	}
	out := slices.Clone(c.Wanted)
	if len(out) > 0 { // a wider token keeps what it had
		for _, s := range c.Scopes {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

func (e *Engine) targetOfSubject(rec *registry.Record, subject string) (*target, error) {
	p := e.plan(rec)
	if p.refusal != nil {
		return nil, p.refusal
	}
	return connectionTarget(rec, p.grant, p.origin, subject), nil
}

func (e *Engine) connection(ctx context.Context, t *target) (*Connection, *minterState, error) {
	st := &minterState{}
	if err := e.callMinter(ctx, t.identity, "status", e.keyring.Seal(nil, "status", t.identity), st); err != nil {
		return nil, nil, unreachableConnection(err)
	}
	c, err := e.openConnection(st, t.identity, t.subject)
	return c, st, err
}

func unreachableConnection(err error) error {
	p := problem.New(http.StatusServiceUnavailable, codeConnectionUnavailable, "The connection cannot be read or changed now.")
	p.RetryAfter = 5
	return p.Because(err)
}

// Exchange performs an authorization code grant for a record. The client's secret is the
// record's unless the grant brings its own.
func (e *Engine) Exchange(ctx context.Context, rec *registry.Record, g oauth.Grant, own bool, who *access.Principal) (*oauth.Token, error) {
	if !own {
		full, err := e.grantOf(&target{rec: rec, grant: g})
		if err != nil {
			return nil, err
		}
		g = *full
	}
	caller := callerOf(who)
	return e.mint(ctx, &g, Mint{ServerID: rec.ServerID, Server: rec.Slug, Cause: CauseConnect, CallerID: caller.ID, CallerName: caller.Name, KeyID: caller.KeyID})
}

// connectRequest changes the connection in a MINTER object.
type connectRequest struct {
	Connection Connection `json:"connection"`
	Token      stored     `json:"token"`
	Origin     string     `json:"origin"`
	Server     string     `json:"server"` // slug, for the log
	Epoch      int64      `json:"epoch,omitempty"`
}

func (e *Engine) tellConnection(ctx context.Context, t *target, action string, req connectRequest) (a purgeAnswer, err error) {
	req.Origin, req.Server, req.Epoch = t.origin, t.rec.Slug, t.epoch
	body, err := json.Marshal(req)
	if err != nil {
		return a, err
	}
	if err := e.callMinter(ctx, t.identity, action, e.keyring.Seal(body, action, t.identity), &a); err != nil {
		return a, unreachableConnection(err)
	}
	return a, nil
}

func (e *Engine) changeConnection(ctx context.Context, t *target, action string, req connectRequest) error {
	a, err := e.tellConnection(ctx, t, action, req)
	if err != nil {
		return err
	}
	e.slot(t).begin(a.Generation)
	return nil
}

// serveConnection changes the object's connection.
func (e *Engine) serveConnection(ctx context.Context, a platform.Actor, action string, req *connectRequest) (*purgeAnswer, error) {
	t := &target{identity: a.Name, issuerAt: "subject " + req.Connection.Subject, origin: req.Origin, subject: req.Connection.Subject}
	wants := false
	st, err := e.updateMinter(ctx, a.Storage, func(st *minterState) error {
		old, err := e.openConnection(st, a.Name, t.subject)
		if err != nil && action != "connect" {
			return err
		}
		switch action {
		case "want":
			if old == nil {
				return nil
			}
			for _, s := range req.Connection.Wanted {
				wants = wants || !slices.Contains(old.Scopes, s)
				if !slices.Contains(old.Wanted, s) && len(old.Wanted) < maxScopes {
					old.Wanted = append(old.Wanted, s)
				}
			}
			return e.keepConnection(st, a.Name, old)
		case "disconnect":
			st.void()
			st.Connection = nil
		default:
			st.void()
			v := req.Token
			st.Epoch, st.Voided = max(st.Epoch, req.Epoch), false
			v.Generation, v.Epoch = st.Generation, st.Epoch
			st.Sealed, st.Fingerprint, st.Scope = e.store.seal(&v, t), fingerprintOf(v.Token), v.Scope
			st.IssuedAt, st.ExpiresAt, st.Cause, st.SecretUsed = v.IssuedAt, v.ExpiresAt, v.Cause, v.SecretUsed
			if err := e.keepConnection(st, a.Name, &req.Connection); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if action != "want" {
		// The store's copy is of the old connection; the object has the new token.
		e.entomb(ctx, t, st.Generation, req.Server)
	}
	return &purgeAnswer{Generation: st.Generation, Wants: wants}, nil
}

func (e *Engine) keepConnection(st *minterState, identity string, c *Connection) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	st.Connection = e.keyring.Seal(b, "connection", identity, c.Subject)
	return nil
}

// openConnection answers the connection in an object's state, nil if there is none. One
// that was sealed for another object or subject does not open.
func (e *Engine) openConnection(st *minterState, identity, subject string) (*Connection, error) {
	if st.Connection == nil {
		return nil, nil
	}
	b, err := e.keyring.Open(st.Connection, "connection", identity, subject)
	if err != nil {
		return nil, problem.New(http.StatusServiceUnavailable, oauth.CodeSecretUnreadable, "A stored connection cannot be opened with the gateway's sealing keys. Restore the key, or connect again.").Because(err)
	}
	c := &Connection{}
	if err := json.Unmarshal(b, c); err != nil {
		return nil, err
	}
	return c, nil
}
