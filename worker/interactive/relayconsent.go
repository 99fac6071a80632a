package interactive

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// relayAuthorize serves the authorization endpoint: GET asks for consent, POST takes it.
func (h *Handler) relayAuthorize(w http.ResponseWriter, r *http.Request, rec *registry.Record, issuer string) error {
	switch r.Method {
	case http.MethodGet:
		return h.relayAsk(w, r, rec, issuer)
	case http.MethodPost:
		return h.relayConsent(w, r, rec)
	}
	return problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "Authorize with GET.")
}

func (h *Handler) relayAsk(w http.ResponseWriter, r *http.Request, rec *registry.Record, issuer string) error {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.New(http.StatusBadRequest, "invalid_request", "The request is malformed.")
	}
	for name, values := range q {
		if len(values) > 1 && name != "resource" || len(values[0]) > maxParameter {
			return problem.New(http.StatusBadRequest, "invalid_request", "A parameter is too long or occurs twice.")
		}
	}
	// Until the client and its redirect URI are known to belong together nothing is sent there.
	c, err := h.relayClientOf(r.Context(), q.Get("client_id"), rec)
	if err != nil {
		return err
	}
	if !c.allows(q.Get("redirect_uri")) {
		return problem.New(http.StatusBadRequest, "invalid_redirect_uri", "The redirect URI is not exactly one that the client has registered.")
	}
	req := &relayRequest{
		ServerID: rec.ServerID, ClientID: digest(q.Get("client_id")), ClientName: c.Name, RedirectURI: q.Get("redirect_uri"), State: q.Get("state"),
		Challenge: q.Get("code_challenge"), Issuer: issuer, Expires: time.Now().Add(relayTicketLife).Unix(),
	}
	if code := h.relayProblem(r, q, rec); code != "" {
		h.relayBack(w, r, req, "", code)
		return nil
	}
	p, _ := h.present(r)
	may := p != nil && p.MayCall(rec)
	if may {
		req.Named = p.ID
	}
	half := h.consentHalf(r)
	b, err := json.Marshal(req)
	if err != nil {
		return err
	}
	ticket := base64.RawURLEncoding.EncodeToString(h.Keyring.Seal(b, "relay ticket", digest(half)))
	http.SetCookie(w, h.consentCookie(r, half))
	name := c.Name
	if name == "" {
		name = "An application without a name"
	}
	pairs := []string{"Application", name + " (by its own word)"}
	if c.host != "" {
		pairs = append(pairs, "Published by", c.host)
	}
	inside := []piece{
		paragraph("“" + name + "” asks to use the MCP server " + rec.ServerName + " through this gateway in your name."),
		facts(append(pairs, "Sends you back to", redirectHost(req.RedirectURI), "MCP server", rec.ServerName+" at "+hostOf(rec.URL))...),
		paragraph("Allow it only if you have just begun this in that application yourself."),
	}
	self := r.URL.Path + "?" + q.Encode()
	fields := []piece{hidden("ticket", ticket)}
	instead := h.signIn(r, self, "Sign in with your organization instead")
	switch {
	case may:
		inside = append(inside, paragraph("Signed in as "+p.Name+"."))
		fields = append(fields, details("Use an access key instead", keyInput(false)))
		instead = ""
	case p != nil:
		inside = append(inside, paragraph("Signed in as "+p.Name+", who may not use this server."))
		fields = append(fields, keyInput(true))
	default:
		fields = append(fields, keyInput(true))
	}
	fields = append(fields, button("decision", "allow", "Allow"), deny)
	inside = append(inside, form(r.URL.Path, fields...), instead)
	h.page(w, http.StatusOK, "Allow access?", inside...)
	return nil
}

// present answers who is in this browser: a visitor of the pages, else who is signed in to the
// UI. What a client is given by the bearer of a key lasts until the key's own end.
func (h *Handler) present(r *http.Request) (*access.Principal, access.SignedIn) {
	p, in := h.visitor(r)
	if p == nil {
		p, in = h.Sessions.Browser(r)
	}
	if in.Person == nil {
		in.Since = time.Time{}
	}
	return p, in
}

// relayProblem answers the error code of a request that the client may be told of
// (RFC 6749 §4.1.2.1).
func (h *Handler) relayProblem(r *http.Request, q url.Values, rec *registry.Record) string {
	challenge, err := base64.RawURLEncoding.DecodeString(q.Get("code_challenge"))
	switch {
	case q.Get("response_type") != "code":
		return "unsupported_response_type"
	case q.Get("code_challenge_method") != "S256" || err != nil || len(challenge) != sha256.Size:
		return "invalid_request" // no downgrade to plain, and never without PKCE
	}
	base := h.base(r)
	for _, resource := range q["resource"] {
		resource = strings.TrimSuffix(resource, "/")
		if resource != base+"/mcp/"+rec.Slug && resource != base+"/"+rec.Slug+"/mcp" {
			return "invalid_target"
		}
	}
	return ""
}

// consentHalf answers the browser's half of a ticket. A browser has one, so that several clients
// can ask in it at once.
func (h *Handler) consentHalf(r *http.Request) string {
	if c, err := r.Cookie(h.consentCookie(r, "x").Name); err == nil && len(c.Value) == len(random()) {
		return c.Value
	}
	return random()
}

// consentCookie keeps the browser's half. It is Lax, so that it comes along when a client's page
// leads here and is not replaced by another; a form of another site does not bring it.
func (h *Handler) consentCookie(r *http.Request, value string) *http.Cookie {
	c := &http.Cookie{Name: "grantway_consent", Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(relayTicketLife / time.Second)}
	if h.Sessions.Secure(r) {
		c.Name, c.Secure = "__Host-"+c.Name, true
	}
	return c
}

func (h *Handler) relayConsent(w http.ResponseWriter, r *http.Request, rec *registry.Record) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	if !access.SameOrigin(r) {
		return problem.New(http.StatusForbidden, "csrf_rejected", "This form was not sent by the gateway's own page.")
	}
	stale := problem.New(http.StatusBadRequest, "consent_expired", "This page is too old or was opened in another browser. Begin again in the application.")
	cookie, err := r.Cookie(h.consentCookie(r, "x").Name)
	if err != nil {
		return stale
	}
	sealed, err := base64.RawURLEncoding.DecodeString(r.PostForm.Get("ticket"))
	if err != nil {
		return stale
	}
	b, err := h.Keyring.Open(sealed, "relay ticket", digest(cookie.Value))
	req := &relayRequest{}
	if err != nil || json.Unmarshal(b, req) != nil || req.ServerID != rec.ServerID || time.Now().Unix() >= req.Expires {
		return stale
	}
	if r.PostForm.Get("decision") != "allow" {
		h.relayBack(w, r, req, "", "access_denied")
		return nil
	}
	p, err := h.consenting(w, r, req)
	if err != nil {
		return err
	}
	if !p.MayCall(rec) {
		return problem.New(http.StatusForbidden, "forbidden", "You may not use this server.")
	}
	h.record(r, "relay.consent", p, rec, audit.OK)
	st, err := h.Engine.ConnectionStatus(r.Context(), rec, p.ID)
	if err != nil {
		return err
	}
	if st.Connected && len(st.Wanted) == 0 {
		h.relayCode(w, r, rec, req)
		return nil
	}
	s, err := h.start(r, rec, p, p.ID, "", req)
	if err != nil {
		return err
	}
	http.SetCookie(w, s.Cookie)
	h.leave(w, s.URL, s.Host)
	return nil
}

// consenting answers who consents, and keeps that in the request: the bearer of the key in the
// form, else who the page said is signed in. Another one, who has signed in meanwhile, has not
// been asked.
func (h *Handler) consenting(w http.ResponseWriter, r *http.Request, req *relayRequest) (p *access.Principal, err error) {
	if key := r.PostForm.Get("key"); key != "" {
		p, req.By, err = h.admit(w, r, key)
		req.By.Since = time.Time{}
		return p, err
	}
	if req.Named == "" {
		return nil, problem.New(http.StatusForbidden, "unauthorized", "Sign in, or give an access key, to allow this.")
	}
	p, req.By = h.present(r)
	if p == nil || p.ID != req.Named {
		return nil, problem.New(http.StatusForbidden, "unauthorized", "The page asked somebody who is not signed in here any more. Begin again in the application.")
	}
	return p, nil
}

// relayCode gives the client a code for what was consented to.
func (h *Handler) relayCode(w http.ResponseWriter, r *http.Request, rec *registry.Record, req *relayRequest) {
	code := random()
	g := relayGrant{SignedIn: req.By, ServerID: rec.ServerID, ClientID: req.ClientID, RedirectURI: req.RedirectURI, Challenge: req.Challenge}
	if err := h.store.put(r.Context(), kindCode, code, "", g, relayCodeLife); err != nil {
		h.relayBack(w, r, req, "", "server_error")
		return
	}
	h.relayBack(w, r, req, code, "")
}

// relayBack sends the browser back to the client, with a code or an error. The redirect
// URI is one that the client has registered.
func (h *Handler) relayBack(w http.ResponseWriter, r *http.Request, req *relayRequest, code, failure string) {
	u, err := url.Parse(req.RedirectURI)
	if err != nil || !redirectable(req.RedirectURI) {
		h.page(w, http.StatusBadRequest, "This did not work", paragraph("The application's redirect URI is malformed."))
		return
	}
	q := u.Query()
	if code != "" {
		q.Set("code", code)
	} else {
		q.Set("error", failure)
	}
	if req.State != "" {
		q.Set("state", req.State)
	}
	q.Set("iss", req.Issuer)
	u.RawQuery = q.Encode()
	if r.Method == http.MethodGet {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Location", u.String())
		w.WriteHeader(http.StatusFound)
		return
	}
	h.leave(w, u.String(), redirectHost(req.RedirectURI))
}

func redirectHost(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "?"
	}
	if u.Host == "" {
		return "an application on this device (" + u.Scheme + ")"
	}
	host := u.Host
	if name, _, err := net.SplitHostPort(host); err == nil && loopbackHost(name) || loopbackHost(host) {
		return "an application on this device (" + host + ")"
	}
	return host
}

func hostOf(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "?"
	}
	return u.Host
}
