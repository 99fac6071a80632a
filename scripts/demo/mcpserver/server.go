package mcpserver

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

const (
	// Path of the endpoint without sessions.
	Path = "/mcp"
	// SessionPath of the endpoint with sessions.
	SessionPath = "/session/mcp"
	// MetadataPath is where protected-resource metadata begins; the path of the resource follows (RFC 9728 §3.1).
	MetadataPath = "/.well-known/oauth-protected-resource"
)

// Scopes that requests need.
const (
	// ScopeRead is needed by every request.
	ScopeRead = "mcp:read"
	// ScopeCall is needed besides by tools/call.
	ScopeCall = "mcp:call"
)

// Options configure a [Server].
type Options struct {
	// BaseURL is the origin under which clients reach the server, without a final slash. REQUIRED by New; Listen fills it in.
	BaseURL string
	// Issuer of the access tokens. REQUIRED.
	Issuer string
	// KeysURL of the issuer's key set (RFC 7517). REQUIRED unless Keys is set.
	KeysURL string
	// Keys replaces fetching KeysURL. OPTIONAL.
	Keys func() (jose.JSONWebKeySet, error)
	// Audiences that a token may name; nil: the URLs of the two endpoints.
	Audiences []string
	// Revoked says whether the token with this jti was revoked. OPTIONAL: a plain JWT check cannot know.
	Revoked func(id string) bool
	// Credentials are accepted in place of an access token: values by the header that carries them, whole. OPTIONAL.
	Credentials map[string]string
	// Middleware stands in front of everything, for instance to inject faults. OPTIONAL.
	Middleware func(http.Handler) http.Handler
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Server is the MCP server. It is safe for concurrent use.
type Server struct {
	options Options
	handler http.Handler
	keys    keyCache

	mu       sync.Mutex
	requests []Request
	refused  int
}

// New makes a server.
func New(options Options) (*Server, error) {
	if !strings.Contains(options.BaseURL, "://") || strings.HasSuffix(options.BaseURL, "/") {
		return nil, errors.New("mcpserver: BaseURL must be an absolute URL without final slash")
	}
	if options.Issuer == "" || options.KeysURL == "" && options.Keys == nil {
		return nil, errors.New("mcpserver: Issuer and KeysURL or Keys are required")
	}
	if options.Audiences == nil {
		options.Audiences = []string{options.BaseURL + Path, options.BaseURL + SessionPath}
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Server{options: options}
	s.keys = keyCache{load: options.Keys, now: options.Now}
	if s.keys.load == nil {
		s.keys.load = func() (jose.JSONWebKeySet, error) { return fetchKeys(options.KeysURL) }
	}
	server := newToolServer()
	mux := http.NewServeMux()
	for path, stateless := range map[string]bool{Path: true, SessionPath: false} {
		endpoint := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server },
			&mcp.StreamableHTTPOptions{Stateless: stateless, PropagateRequestCancellation: true})
		mux.Handle(path, s.authorize(path, endpoint))
		mux.Handle(MetadataPath+path, auth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{
			Resource:               options.BaseURL + path,
			AuthorizationServers:   []string{options.Issuer},
			ScopesSupported:        []string{ScopeRead, ScopeCall},
			BearerMethodsSupported: []string{"header"},
			ResourceName:           "Grantway demo MCP server",
		}))
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	s.handler = s.record(mux)
	if options.Middleware != nil {
		s.handler = s.record(options.Middleware(mux))
	}
	return s, nil
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// URL of the endpoint without sessions. It is also the resource identifier (RFC 8707).
func (s *Server) URL() string { return s.options.BaseURL + Path }

// SessionURL of the endpoint with sessions.
func (s *Server) SessionURL() string { return s.options.BaseURL + SessionPath }

// Listening is a Server on a loopback port.
type Listening struct {
	*Server
	http *http.Server
}

// Listen starts a server on address, "127.0.0.1:0" for a free port.
func Listen(address string, options Options) (*Listening, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	if options.BaseURL == "" {
		options.BaseURL = "http://" + listener.Addr().String()
	}
	server, err := New(options)
	if err != nil {
		listener.Close()
		return nil, err
	}
	l := &Listening{Server: server, http: &http.Server{Handler: server, ReadHeaderTimeout: time.Minute}}
	go l.http.Serve(listener)
	return l, nil
}

// Close stops the server and breaks off its connections.
func (l *Listening) Close() error { return l.http.Close() }
