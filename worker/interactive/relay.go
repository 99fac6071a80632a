package interactive

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

// The relay is an authorization server for one interactive MCP server at the gateway, for
// MCP clients that know nothing but OAuth. It authorizes the client at the gateway in the
// name of the bearer of an access key, and the gateway at the upstream in between, if that
// has not been done. A client never gets a token of the upstream, and never anything without
// the person's consent to this very client (the confused deputy of the MCP specification).
const (
	relayCodeLife    = time.Minute
	relayTokenLife   = time.Hour
	relayRefreshLife = 30 * 24 * time.Hour
	relayTicketLife  = 10 * time.Minute
	maxRedirects     = 10  // redirect URIs of one client
	maxRedirect      = 512 // length of one, in bytes
	maxClientName    = 100
	maxClientID      = 4 << 10
)

// Prefixes tell what the gateway has issued apart.
const (
	relayClientPrefix  = "gwc_"
	relayTokenPrefix   = "gwt_"
	relayRefreshPrefix = "gwr_"
)

// relayClient is a client that has registered. It is kept in its client_id alone, sealed.
type relayClient struct {
	Name      string   `json:"n"`
	Redirects []string `json:"r"`
	ServerID  string   `json:"s"`
	Nonce     string   `json:"i"`
}

// relayRequest is an authorization request that was found good.
type relayRequest struct {
	ServerID    string `json:"server_id"`
	ClientID    string `json:"client_id"` // SHA-256 of it
	ClientName  string `json:"client_name"`
	RedirectURI string `json:"redirect_uri"`
	State       string `json:"state"`
	Challenge   string `json:"challenge"`
	Issuer      string `json:"issuer"`
	KeyHash     []byte `json:"key_hash,omitempty"` // whose consent it is
	Expires     int64  `json:"expires"`            // Unix s
}

// relayGrant is what a code or refresh token stands for.
type relayGrant struct {
	ServerID    string `json:"s"`
	ClientID    string `json:"c"`
	KeyHash     []byte `json:"k"`
	RedirectURI string `json:"r,omitempty"`
	Challenge   string `json:"h,omitempty"`
	Expires     int64  `json:"e,omitempty"` // of an access token, Unix s
}

// Relay serves /{server}/authorize, /{server}/token and /{server}/register, and the same
// without a server where there is just one it can mean. It answers false for other paths.
func (h *Handler) Relay(w http.ResponseWriter, r *http.Request) bool {
	path := strings.Trim(r.URL.Path, "/")
	server, action, two := strings.Cut(path, "/")
	if !two {
		server, action = "", path
	}
	var serve func(http.ResponseWriter, *http.Request, *registry.Record, string) error
	switch action {
	case "authorize":
		serve = h.relayAuthorize
	case "token":
		serve = h.relayToken
	case "register":
		serve = h.relayRegister
	default:
		return false
	}
	rec, err := h.relayServer(r.Context(), server)
	if err == nil {
		issuer := h.base(r)
		if server != "" {
			issuer += "/" + server
		}
		err = serve(w, r, rec, issuer)
	}
	switch {
	case err == nil:
	case action == "authorize":
		h.failPage(w, r, err)
	default:
		relayFail(w, r, err)
	}
	return true
}

// relayServer answers the interactive server with this name, or the only one there is.
func (h *Handler) relayServer(ctx context.Context, ref string) (*registry.Record, error) {
	if ref != "" {
		rec, err := h.Source.Lookup(ctx, ref)
		if isNotFound(err) {
			return nil, problem.New(http.StatusNotFound, "server_not_found", "There is no such MCP server.")
		}
		if err != nil {
			return nil, problem.New(http.StatusServiceUnavailable, "directory_unavailable", "The server's record cannot be read now.").Because(err)
		}
		return rec, check(rec)
	}
	all, err := h.Source.All(ctx)
	if err != nil {
		return nil, problem.New(http.StatusServiceUnavailable, "directory_unavailable", "The servers' records cannot be read now.").Because(err)
	}
	var found []*registry.Record
	var names []string
	for _, rec := range all {
		if check(rec) == nil {
			found, names = append(found, rec), append(names, rec.Slug)
		}
	}
	switch len(found) {
	case 0:
		return nil, problem.New(http.StatusNotFound, "no_interactive_server", "No server here uses the interactive flow.")
	case 1:
		return found[0], nil
	}
	return nil, problem.New(http.StatusNotFound, "server_ambiguous", "Several servers use the interactive flow; put one in front of the path: "+strings.Join(names[:min(len(names), 20)], ", ")+".")
}

// relayMetadata is RFC 8414 §2.
type relayMetadata struct {
	Issuer           string   `json:"issuer"`
	Authorization    string   `json:"authorization_endpoint"`
	Token            string   `json:"token_endpoint"`
	Registration     string   `json:"registration_endpoint"`
	ResponseTypes    []string `json:"response_types_supported"`
	ResponseModes    []string `json:"response_modes_supported"`
	GrantTypes       []string `json:"grant_types_supported"`
	ChallengeMethods []string `json:"code_challenge_methods_supported"`
	AuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	Iss              bool     `json:"authorization_response_iss_parameter_supported"`
}

// RelayMetadata serves /.well-known/oauth-authorization-server and
// /.well-known/openid-configuration, each with /{server} behind it.
func (h *Handler) RelayMetadata(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if r.Method == http.MethodOptions {
		w.Header().Set("Access-Control-Allow-Methods", "GET")
		w.Header().Set("Access-Control-Allow-Headers", "MCP-Protocol-Version")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_, server, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/.well-known/"), "/")
	server = strings.TrimSuffix(server, "/")
	if s, ok := strings.CutSuffix(server, "/mcp"); ok { // LiteLLM's form
		server = s
	}
	if _, err := h.relayServer(r.Context(), server); err != nil {
		problem.Write(w, r, err)
		return
	}
	issuer := h.base(r)
	if server != "" {
		issuer += "/" + server
	}
	b, err := json.Marshal(relayMetadata{
		Issuer: issuer, Authorization: issuer + "/authorize", Token: issuer + "/token", Registration: issuer + "/register",
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, GrantTypes: []string{"authorization_code", "refresh_token"},
		ChallengeMethods: []string{"S256"}, AuthMethods: []string{"none"}, Iss: true,
	})
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=60")
	_, _ = w.Write(b)
}

// RelayIssuer answers the relay's issuer identifier for a server, "" if it has none.
func (h *Handler) RelayIssuer(ctx context.Context, base, server string) string {
	if server == "" {
		return ""
	}
	if _, err := h.relayServer(ctx, server); err != nil {
		return ""
	}
	return base + "/" + server
}

// relayFail answers in the form of RFC 6749 §5.2.
func relayFail(w http.ResponseWriter, r *http.Request, err error) {
	p := problem.From(err)
	code := p.Code
	if p.Status >= 500 {
		code = "server_error"
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	b, merr := json.Marshal(map[string]string{"error": code, "error_description": p.Message, "request_id": problem.RequestID(r.Context())})
	if merr != nil {
		b = []byte(`{"error":"server_error"}`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(b)
}

func oauthError(code, message string) *problem.Problem {
	return problem.New(http.StatusBadRequest, code, message)
}

// preflightRelay answers browsers that ask before a token or registration request.
func preflightRelay(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if r.Method != http.MethodOptions {
		return false
	}
	w.Header().Set("Access-Control-Allow-Methods", "POST")
	w.Header().Set("Access-Control-Allow-Headers", "Content-Type, MCP-Protocol-Version")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// relayRegister serves RFC 7591 for public clients.
func (h *Handler) relayRegister(w http.ResponseWriter, r *http.Request, rec *registry.Record, _ string) error {
	if preflightRelay(w, r) {
		return nil
	}
	if r.Method != http.MethodPost {
		return problem.New(http.StatusMethodNotAllowed, "invalid_request", "Register with POST.")
	}
	var in struct {
		Name      string   `json:"client_name"`
		Redirects []string `json:"redirect_uris"`
		Method    string   `json:"token_endpoint_auth_method"`
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	if err != nil || json.Unmarshal(b, &in) != nil {
		return oauthError("invalid_client_metadata", "The body is not client metadata (RFC 7591 §2).")
	}
	if len(in.Redirects) == 0 || len(in.Redirects) > maxRedirects {
		return oauthError("invalid_redirect_uri", "Give one to ten redirect_uris.")
	}
	for _, u := range in.Redirects {
		if !redirectable(u) {
			return oauthError("invalid_redirect_uri", "A redirect URI must be https, http on this machine, or of an application's own scheme, without fragment and user name.")
		}
	}
	in.Name = printable(in.Name, maxClientName)
	sealed, err := json.Marshal(relayClient{in.Name, in.Redirects, rec.ServerID, random()[:12]})
	if err != nil {
		return err
	}
	id := relayClientPrefix + base64.RawURLEncoding.EncodeToString(h.Keyring.Seal(sealed, "relay client"))
	if len(id) > maxClientID {
		return oauthError("invalid_redirect_uri", "The redirect URIs are too long.")
	}
	return reply(w, http.StatusCreated, map[string]any{
		"client_id": id, "client_id_issued_at": time.Now().Unix(), "client_name": in.Name, "redirect_uris": in.Redirects,
		"token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	})
}

// redirectable says whether a client may have this redirect URI. A scheme that a browser
// would run or read is none.
func redirectable(s string) bool {
	u, err := url.Parse(s)
	if err != nil || len(s) > maxRedirect || u.Fragment != "" || strings.Contains(s, "#") || u.User != nil || u.Scheme == "" || strings.ContainsAny(s, "\r\n\t \\") {
		return false
	}
	switch u.Scheme {
	case "https":
		return u.Host != ""
	case "http":
		return loopbackHost(u.Host)
	case "javascript", "data", "file", "blob", "about", "vbscript", "filesystem", "view-source", "ws", "wss", "ftp", "chrome", "resource", "intent", "mailto", "tel", "sms":
		return false
	}
	return true
}

func printable(s string, longest int) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069 {
			return -1 // no control and no direction overrides
		}
		return c
	}, s)
	for len(s) > longest {
		s = s[:longest]
		s = strings.ToValidUTF8(s, "")
	}
	return s
}

func (h *Handler) relayClientOf(id string, rec *registry.Record) (*relayClient, error) {
	bad := problem.New(http.StatusBadRequest, "invalid_client", "This client is not registered for this server: register it first.")
	sealed, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(id, relayClientPrefix))
	if err != nil || !strings.HasPrefix(id, relayClientPrefix) || len(id) > maxClientID {
		return nil, bad
	}
	b, err := h.Keyring.Open(sealed, "relay client")
	c := &relayClient{}
	if err != nil || json.Unmarshal(b, c) != nil || c.ServerID != rec.ServerID {
		return nil, bad
	}
	return c, nil
}

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
	c, err := h.relayClientOf(q.Get("client_id"), rec)
	if err != nil {
		return err
	}
	if !slices.Contains(c.Redirects, q.Get("redirect_uri")) {
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
	half := random()
	b, err := json.Marshal(req)
	if err != nil {
		return err
	}
	ticket := base64.RawURLEncoding.EncodeToString(h.Keyring.Seal(b, "relay ticket", digest(half)))
	http.SetCookie(w, consentCookie(r, half))
	name := c.Name
	if name == "" {
		name = "An application without a name"
	}
	p := h.visitor(r)
	inside := []piece{
		paragraph("“" + name + "” asks to use the MCP server " + rec.ServerName + " through this gateway in your name."),
		facts("Application", name+" (by its own word)", "Sends you back to", redirectHost(req.RedirectURI), "MCP server", rec.ServerName+" at "+hostOf(rec.URL)),
		paragraph("Allow it only if you have just begun this in that application yourself."),
	}
	fields := []piece{hidden("ticket", ticket)}
	if p != nil && p.MayCall(rec) && len(h.visitorKey(r)) > 0 {
		inside = append(inside, paragraph("Signed in as "+p.Name+"."))
	} else {
		fields = append(fields, keyInput())
	}
	fields = append(fields, button("decision", "allow", "Allow"), button("decision", "deny", "Deny"))
	inside = append(inside, form(r.URL.Path, fields...))
	h.page(w, http.StatusOK, "Allow access?", inside...)
	return nil
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

func consentCookie(r *http.Request, value string) *http.Cookie {
	c := &http.Cookie{Name: "grantway_consent", Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: int(relayTicketLife / time.Second)}
	if access.Secure(r) {
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
	cookie, err := r.Cookie(consentCookie(r, "x").Name)
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
	p := h.visitor(r)
	if key := r.PostForm.Get("key"); key != "" {
		if p, err = h.admit(w, r, key); err != nil {
			return err
		}
		sum := sha256.Sum256([]byte(strings.TrimSpace(key)))
		req.KeyHash = sum[:]
	} else if p != nil {
		req.KeyHash = h.visitorKey(r)
	}
	if p == nil || len(req.KeyHash) == 0 {
		return problem.New(http.StatusForbidden, "unauthorized", "Sign in with an access key to allow this.")
	}
	if !p.MayCall(rec) {
		return problem.New(http.StatusForbidden, "forbidden", "Your access key may not use this server.")
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

func (h *Handler) visitorKey(r *http.Request) []byte {
	v := h.visit(r)
	if v == nil {
		return nil
	}
	return v.KeyHash
}

// relayCode gives the client a code for what was consented to.
func (h *Handler) relayCode(w http.ResponseWriter, r *http.Request, rec *registry.Record, req *relayRequest) {
	code := random()
	g := relayGrant{ServerID: rec.ServerID, ClientID: req.ClientID, KeyHash: req.KeyHash, RedirectURI: req.RedirectURI, Challenge: req.Challenge}
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

// relayToken serves the token endpoint (RFC 6749 §4.1.3, §6).
func (h *Handler) relayToken(w http.ResponseWriter, r *http.Request, rec *registry.Record, _ string) error {
	if preflightRelay(w, r) {
		return nil
	}
	if r.Method != http.MethodPost {
		return problem.New(http.StatusMethodNotAllowed, "invalid_request", "Ask for tokens with POST.")
	}
	if err := readForm(w, r); err != nil {
		return oauthError("invalid_request", "The form is malformed or too large.")
	}
	for _, values := range r.PostForm {
		if len(values) > 1 {
			return oauthError("invalid_request", "A parameter occurs twice.")
		}
	}
	f := r.PostForm
	if _, err := h.relayClientOf(f.Get("client_id"), rec); err != nil {
		p := *problem.From(err)
		p.Status = http.StatusUnauthorized
		return &p
	}
	var g relayGrant
	switch f.Get("grant_type") {
	case "authorization_code":
		if err := h.relayTake(r.Context(), kindCode, f.Get("code"), &g); err != nil {
			return err
		}
		verifier := sha256.Sum256([]byte(f.Get("code_verifier")))
		want := base64.RawURLEncoding.EncodeToString(verifier[:])
		if g.RedirectURI != f.Get("redirect_uri") || len(f.Get("code_verifier")) < 43 || subtle.ConstantTimeCompare([]byte(want), []byte(g.Challenge)) != 1 {
			return oauthError("invalid_grant", "redirect_uri or code_verifier does not belong to this code.")
		}
	case "refresh_token":
		if err := h.relayTake(r.Context(), kindRefresh, f.Get("refresh_token"), &g); err != nil {
			return err
		}
	default:
		return oauthError("unsupported_grant_type", "Only authorization_code and refresh_token are supported.")
	}
	if g.ServerID != rec.ServerID || g.ClientID != digest(f.Get("client_id")) {
		return oauthError("invalid_grant", "The grant belongs to another client or server.")
	}
	p, err := h.relayPrincipal(r.Context(), &g)
	if err != nil || !p.MayCall(rec) {
		return oauthError("invalid_grant", "The access key behind this grant may not use the server any more.")
	}
	refresh := relayRefreshPrefix + random()
	next := relayGrant{ServerID: g.ServerID, ClientID: g.ClientID, KeyHash: g.KeyHash}
	if err := h.store.put(r.Context(), kindRefresh, refresh, "", next, relayRefreshLife); err != nil {
		return err
	}
	next.Expires = time.Now().Add(relayTokenLife).Unix()
	b, err := json.Marshal(next)
	if err != nil {
		return err
	}
	h.record(r, "relay.token", p, rec, audit.OK)
	return reply(w, http.StatusOK, map[string]any{
		"access_token": relayTokenPrefix + base64.RawURLEncoding.EncodeToString(h.Keyring.Seal(b, "relay token")),
		"token_type":   "Bearer", "expires_in": int(relayTokenLife / time.Second), "refresh_token": refresh,
	})
}

func (h *Handler) relayTake(ctx context.Context, k kind, ticket string, g *relayGrant) error {
	if ticket == "" || len(ticket) > 256 {
		return oauthError("invalid_grant", "The code or refresh token is missing or malformed.")
	}
	err := h.store.take(ctx, k, ticket, "", g)
	if errors.Is(err, errNone) {
		return oauthError("invalid_grant", "The code or refresh token is not known, expired, or was used before.")
	}
	return err
}

func (h *Handler) relayPrincipal(ctx context.Context, g *relayGrant) (*access.Principal, error) {
	if len(g.KeyHash) != sha256.Size {
		return nil, errNone
	}
	return h.Sessions.ByHash(ctx, [sha256.Size]byte(g.KeyHash))
}

// Authenticate accepts the relay's access tokens, at the endpoint of the server that they
// were issued for and nowhere else. It answers neither principal nor error for a request
// without one.
func (h *Handler) Authenticate(r *http.Request) (*access.Principal, error) {
	authorization := r.Header["Authorization"]
	if len(authorization) != 1 || r.Header.Get("X-Grantway-Key") != "" || r.Header.Get("X-Litellm-Api-Key") != "" {
		return nil, nil
	}
	scheme, text, _ := strings.Cut(authorization[0], " ")
	text = strings.TrimSpace(text)
	if !strings.EqualFold(scheme, "Bearer") || !strings.HasPrefix(text, relayTokenPrefix) {
		return nil, nil
	}
	invalid := access.Unauthorized("The access token is not valid for this endpoint, or has expired.")
	invalid.Code = "invalid_token"
	invalid.Header = http.Header{"Www-Authenticate": {`Bearer error="invalid_token"`}}
	sealed, err := base64.RawURLEncoding.DecodeString(text[len(relayTokenPrefix):])
	if err != nil || len(text) > 2048 {
		return nil, invalid
	}
	b, err := h.Keyring.Open(sealed, "relay token")
	var g relayGrant
	if err != nil || json.Unmarshal(b, &g) != nil || time.Now().Unix() >= g.Expires {
		return nil, invalid
	}
	server, ok := serverIn(r.URL.Path)
	if !ok {
		return nil, invalid
	}
	rec, err := h.Source.Lookup(r.Context(), server)
	if err != nil || rec.ServerID != g.ServerID {
		return nil, invalid
	}
	p, err := h.relayPrincipal(r.Context(), &g)
	if err != nil {
		return nil, err
	}
	if !p.MayCall(rec) {
		return nil, invalid
	}
	// The token calls this server in its bearer's name and does nothing else.
	q := *p
	q.Role, q.AllServers, q.Servers, q.Groups = access.RoleCaller, false, []string{rec.ServerID}, nil
	return &q, nil
}

// serverIn takes the server out of /mcp/{server} or /{server}/mcp.
func serverIn(path string) (string, bool) {
	head, rest, two := strings.Cut(strings.Trim(path, "/"), "/")
	switch {
	case !two || rest == "" || strings.Contains(rest, "/"):
		return "", false
	case head == "mcp":
		return rest, true
	}
	return head, rest == "mcp"
}

var _ Engine = (*token.Engine)(nil)
