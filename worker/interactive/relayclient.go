package interactive

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/recall"
	"github.com/grantway/grantway/worker/registry"
)

// relayClient is a client of the relay. One that has registered is kept in its client_id
// alone, sealed; one that publishes what it is has the address of that as its client_id.
type relayClient struct {
	Name      string   `json:"n"`
	Redirects []string `json:"r"`
	ServerID  string   `json:"s"`
	Nonce     string   `json:"i"`

	host string // that publishes it, "" for one that has registered
}

// documentTimes are how long a published client is known: it is read again after five
// minutes, and asked for at most twice a minute while it is not there.
var documentTimes = recall.Times{Fresh: 5 * time.Minute, Stale: 5 * time.Minute, Absent: 30 * time.Second}

const (
	maxDocuments   = 256  // published clients in memory
	maxDocumentURL = 1024 // length of a client_id that is a URL, in bytes
)

// allows says whether the client has this redirect URI: exactly, except that one which a
// published client lists for this device without a port stands for every port (RFC 8252 §7.3).
func (c *relayClient) allows(redirect string) bool {
	if slices.Contains(c.Redirects, redirect) {
		return true
	}
	u, err := url.Parse(redirect)
	if c.host == "" || err != nil || u.Scheme != "http" || u.Port() == "" || !loopbackHost(u.Host) || !redirectable(redirect) {
		return false
	}
	u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	return slices.Contains(c.Redirects, u.String())
}

// published reads the metadata document of a client (draft-ietf-oauth-client-id-metadata-document).
func (h *Handler) published(ctx context.Context, id string) (*relayClient, error) {
	u, err := url.Parse(id)
	if err != nil || len(id) > maxDocumentURL || u.Path == "" || u.Path == "/" || slices.ContainsFunc(strings.Split(u.EscapedPath(), "/"), func(s string) bool { return s == "." || s == ".." }) ||
		strings.Contains(id, "#") || oauth.CheckURL(id, h.Discovery.AllowLoopback) != nil {
		return nil, problem.New(http.StatusBadRequest, "invalid_client", "A client_id that is a URL must be an https URL of a public host, with a path.")
	}
	c, good, err := h.documents.Get(ctx, id, func(ctx context.Context) (*relayClient, bool, error) {
		var m struct {
			ID        string   `json:"client_id"`
			Name      string   `json:"client_name"`
			Redirects []string `json:"redirect_uris"`
			Method    string   `json:"token_endpoint_auth_method"`
			Secret    string   `json:"client_secret"`
		}
		b, err := h.Discovery.Document(ctx, id)
		if err != nil || json.Unmarshal(b, &m) != nil || m.ID != id || m.Secret != "" || m.Method != "" && m.Method != "none" || len(m.Redirects) == 0 || len(m.Redirects) > maxRedirects || !all(m.Redirects, redirectable) {
			return nil, false, nil
		}
		return &relayClient{Name: printable(m.Name, maxClientName), Redirects: m.Redirects, host: u.Host}, true, nil
	})
	if err == nil && !good {
		err = problem.New(http.StatusBadRequest, "invalid_client", "The client's metadata document cannot be read, is another client's, or is not one of a public client with one to ten redirect URIs.")
	}
	return c, err
}

func all(list []string, good func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !good(s) })
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
	if !all(in.Redirects, redirectable) {
		return oauthError("invalid_redirect_uri", "A redirect URI must be https, http on this machine, or of an application's own scheme, without fragment and user name.")
	}
	in.Name = printable(in.Name, maxClientName)
	sealed, err := json.Marshal(relayClient{Name: in.Name, Redirects: in.Redirects, ServerID: rec.ServerID, Nonce: random()[:12]})
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

func (h *Handler) relayClientOf(ctx context.Context, id string, rec *registry.Record) (*relayClient, error) {
	if strings.Contains(id, "://") {
		return h.published(ctx, id)
	}
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
