package authserver

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Paths below the issuer's own path.
const (
	authorizationPath = "/authorize"
	tokenPath         = "/token"
	introspectionPath = "/introspect"
	revocationPath    = "/revoke"
	keysPath          = "/jwks"
	registrationPath  = "/register"
	consentPath       = "/consent"
)

// Server is the authorization server. It is safe for concurrent use.
type Server struct {
	options Options
	handler http.Handler
	faults  faults

	mu             sync.Mutex
	clients        map[string]Client
	keys           []signingKey // the first one signs
	issued         map[string]issuedToken
	codes          map[string]authorizationCode
	asked          map[string]authorizationCode // requests that wait for the person
	refreshTokens  map[string]refreshToken
	usedAssertions map[assertionID]time.Time
	tokenRequests  int
	mints          map[string]int
}

// New makes a server for options, whose Issuer is required.
func New(options Options) (*Server, error) {
	issuer, err := url.Parse(options.Issuer)
	if err != nil || issuer.Host == "" || issuer.RawQuery != "" || issuer.Fragment != "" || strings.HasSuffix(issuer.Path, "/") {
		return nil, fmt.Errorf("authserver: issuer %q is not an absolute URL without query, fragment and final slash", options.Issuer)
	}
	s := &Server{
		options:        options.withDefaults(),
		clients:        make(map[string]Client),
		issued:         make(map[string]issuedToken),
		codes:          make(map[string]authorizationCode),
		asked:          make(map[string]authorizationCode),
		refreshTokens:  make(map[string]refreshToken),
		usedAssertions: make(map[assertionID]time.Time),
		mints:          make(map[string]int),
	}
	if err := s.RotateKeys(false); err != nil {
		return nil, err
	}
	for _, client := range options.Clients {
		s.Register(client)
	}
	s.handler = s.routes(issuer.Path)
	return s, nil
}

func (s *Server) routes(base string) http.Handler {
	library := http.StripPrefix(base, op.RegisterServer(&protocol{server: s}, op.Endpoints{
		Authorization: op.NewEndpoint(authorizationPath),
		Token:         op.NewEndpoint(tokenPath),
		Introspection: op.NewEndpoint(introspectionPath),
		Revocation:    op.NewEndpoint(revocationPath),
		JwksURI:       op.NewEndpoint(keysPath),
	}))
	mux := http.NewServeMux()
	// RFC 8414 §3.1 puts the well-known part in front of the issuer's path, OpenID Connect Discovery behind it.
	mux.HandleFunc("GET /.well-known/oauth-authorization-server"+base, s.serveMetadata)
	mux.HandleFunc("GET /.well-known/openid-configuration"+base, s.serveMetadata)
	if base != "" {
		mux.HandleFunc("GET "+base+"/.well-known/openid-configuration", s.serveMetadata)
	}
	mux.Handle("POST "+base+tokenPath, s.countTokenRequests(s.faults.middleware(challengeBasic(library))))
	mux.HandleFunc("GET "+base+tokenPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
	})
	if s.options.Registration {
		mux.HandleFunc("POST "+base+registrationPath, s.serveRegistration)
	}
	if len(s.options.People) > 0 {
		mux.HandleFunc("GET "+base+consentPath, s.serveConsent)
		mux.HandleFunc("POST "+base+consentPath, s.serveDecision)
	}
	mux.Handle("/", library)
	return mux
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Issuer is the issuer identifier.
func (s *Server) Issuer() string { return s.options.Issuer }

// TokenEndpoint is the URL of the token endpoint.
func (s *Server) TokenEndpoint() string { return s.options.Issuer + tokenPath }

// KeysURL is the URL of the key set.
func (s *Server) KeysURL() string { return s.options.Issuer + keysPath }

// Register adds a client, or replaces the one with the same ID.
func (s *Server) Register(client Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[client.ID] = client
}

// RotateSecret adds a secret to a client. Without overlap the earlier ones are refused from now on; with it they stay
// until [Server.RotateSecret] is called again without.
func (s *Server) RotateSecret(clientID, secret string, overlap bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	client := s.clients[clientID]
	if overlap {
		client.Secrets = append(slices.Clone(client.Secrets), secret)
	} else {
		client.Secrets = []string{secret}
	}
	s.clients[clientID] = client
}

// client finds a registered client, or one that publishes its own metadata under its client_id.
func (s *Server) client(ctx context.Context, id string) (Client, bool) {
	s.mu.Lock()
	client, ok := s.clients[id]
	s.mu.Unlock()
	if !ok && s.options.MetadataDocuments && strings.HasPrefix(id, "http") {
		fetched, err := fetchClientMetadata(ctx, id)
		return fetched, err == nil
	}
	return client, ok
}

func (s *Server) libraryClient(client Client) *libraryClient {
	scopes := client.Scopes
	if scopes == nil {
		scopes = s.options.Scopes
	}
	return &libraryClient{Client: client, scopes: scopes}
}

// Stats is a snapshot of what the token endpoint did.
type Stats struct {
	// TokenRequests that arrived, answered by a fault or not.
	TokenRequests int `json:"token_requests"`
	// Mints counts access tokens by client_id.
	Mints map[string]int `json:"mints"`
}

// Stats since the start.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{TokenRequests: s.tokenRequests, Mints: maps.Clone(s.mints)}
}

func (s *Server) countTokenRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.tokenRequests++
		s.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// challengeBasic adds the challenge that RFC 6749 §5.2 requires of a 401.
func challengeBasic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&challengeWriter{w}, r)
	})
}

type challengeWriter struct{ http.ResponseWriter }

func (w *challengeWriter) WriteHeader(status int) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Listening is a Server on a loopback port.
type Listening struct {
	*Server
	http *http.Server
}

// Listen starts a server on address, "127.0.0.1:0" for a free port. An empty Issuer becomes http://ADDRESS, with the name
// that address has and the port that it became; an Issuer that is only a path is put behind it.
func Listen(address string, options Options) (*Listening, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(options.Issuer, "://") {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			return nil, err
		}
		options.Issuer = "http://" + net.JoinHostPort(host, port) + options.Issuer
	}
	server, err := New(options)
	if err != nil {
		return nil, err
	}
	l := &Listening{Server: server, http: &http.Server{Handler: server, ReadHeaderTimeout: time.Minute}}
	go l.http.Serve(listener)
	return l, nil
}

// Close stops the server and breaks off its connections.
func (l *Listening) Close() error { return l.http.Close() }

// serveMetadata answers RFC 8414 metadata.
func (s *Server) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	methods := []string{MethodNone, MethodBasic, MethodPost, MethodSecret, MethodKey}
	metadata := map[string]any{
		"issuer":                                           s.options.Issuer,
		"authorization_endpoint":                           s.options.Issuer + authorizationPath,
		"token_endpoint":                                   s.TokenEndpoint(),
		"introspection_endpoint":                           s.options.Issuer + introspectionPath,
		"revocation_endpoint":                              s.options.Issuer + revocationPath,
		"jwks_uri":                                         s.KeysURL(),
		"scopes_supported":                                 s.options.Scopes,
		"subject_types_supported":                          []string{"public"},
		"id_token_signing_alg_values_supported":            []jose.SignatureAlgorithm{s.options.Algorithm},
		"response_types_supported":                         []string{"code"},
		"response_modes_supported":                         []string{"query"},
		"grant_types_supported":                            []string{GrantClientCredentials, GrantAuthorizationCode, GrantRefreshToken, GrantJWTBearer, GrantTokenExchange},
		"code_challenge_methods_supported":                 []string{"S256"},
		"token_endpoint_auth_methods_supported":            methods,
		"token_endpoint_auth_signing_alg_values_supported": slices.Concat(secretAlgorithms, keyAlgorithms),
		"authorization_response_iss_parameter_supported":   true,
		"client_id_metadata_document_supported":            s.options.MetadataDocuments,
	}
	if s.options.UserInfoURL != "" {
		metadata["userinfo_endpoint"] = s.options.UserInfoURL
	}
	if s.options.Registration {
		metadata["registration_endpoint"] = s.options.Issuer + registrationPath
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(metadata)
}
