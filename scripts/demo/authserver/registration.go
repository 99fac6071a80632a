package authserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// maxClientMetadata bounds client metadata, in bytes.
const maxClientMetadata = 64 << 10

// clientMetadata is what a client says of itself (RFC 7591 §2).
type clientMetadata struct {
	ClientID     string              `json:"client_id,omitempty"`
	ClientSecret string              `json:"client_secret,omitempty"`
	IssuedAt     int64               `json:"client_id_issued_at,omitempty"`
	SecretExpiry *int64              `json:"client_secret_expires_at,omitempty"`
	Name         string              `json:"client_name,omitempty"`
	RedirectURIs []string            `json:"redirect_uris,omitempty"`
	Grants       []string            `json:"grant_types,omitempty"`
	Responses    []string            `json:"response_types,omitempty"`
	Method       string              `json:"token_endpoint_auth_method,omitempty"`
	Scope        string              `json:"scope,omitempty"`
	Keys         *jose.JSONWebKeySet `json:"jwks,omitempty"`
	KeysURL      string              `json:"jwks_uri,omitempty"`
}

func (m *clientMetadata) client() Client {
	client := Client{ID: m.ClientID, Method: m.Method, Grants: m.Grants, RedirectURIs: m.RedirectURIs, KeysURL: m.KeysURL}
	if client.Grants == nil {
		client.Grants = []string{GrantAuthorizationCode}
	}
	if m.ClientSecret != "" {
		client.Secrets = []string{m.ClientSecret}
	}
	if m.Scope != "" {
		client.Scopes = strings.Fields(m.Scope)
	}
	if m.Keys != nil {
		client.Keys = *m.Keys
	}
	return client
}

// serveRegistration is the client registration endpoint (RFC 7591 §3).
func (s *Server) serveRegistration(w http.ResponseWriter, r *http.Request) {
	refuse := func(code, description string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description})
	}
	var metadata clientMetadata
	if err := json.NewDecoder(io.LimitReader(r.Body, maxClientMetadata)).Decode(&metadata); err != nil {
		refuse("invalid_client_metadata", "the body is not client metadata in JSON")
		return
	}
	if metadata.Method == "" {
		metadata.Method = MethodBasic
	}
	metadata.ClientID = "dcr-" + rand.Text()
	metadata.ClientSecret = ""
	switch metadata.Method {
	case MethodNone:
	case MethodBasic, MethodPost, MethodSecret:
		never := int64(0)
		metadata.ClientSecret, metadata.SecretExpiry = "cs-"+rand.Text()+rand.Text(), &never
	case MethodKey:
		if metadata.KeysURL == "" && (metadata.Keys == nil || len(metadata.Keys.Keys) == 0) {
			refuse("invalid_client_metadata", "private_key_jwt needs jwks or jwks_uri")
			return
		}
	default:
		refuse("invalid_client_metadata", "unknown token_endpoint_auth_method")
		return
	}
	client := metadata.client()
	if slices.Contains(client.Grants, GrantAuthorizationCode) && len(metadata.RedirectURIs) == 0 {
		refuse("invalid_redirect_uri", "the authorization code grant needs redirect_uris")
		return
	}
	for _, scope := range client.Scopes {
		if scope != oidc.ScopeOpenID && !slices.Contains(s.options.Scopes, scope) {
			refuse("invalid_client_metadata", "unknown scope "+scope)
			return
		}
	}
	metadata.IssuedAt, metadata.Grants = s.options.Now().Unix(), client.Grants
	s.Register(client)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(metadata)
}

// fetchClientMetadata reads the metadata document that a client publishes under its client_id
// (draft-ietf-oauth-client-id-metadata-document §4).
func fetchClientMetadata(ctx context.Context, id string) (Client, error) {
	var metadata clientMetadata
	err := fetchJSON(ctx, id, &metadata)
	switch {
	case err != nil:
		return Client{}, err
	case metadata.ClientID != id:
		return Client{}, fmt.Errorf("metadata document: client_id differs from its URL")
	case metadata.Method == "":
		metadata.Method = MethodNone
	case metadata.Method != MethodNone && metadata.Method != MethodKey:
		return Client{}, fmt.Errorf("metadata document: a published client has no secret")
	}
	metadata.ClientSecret = ""
	return metadata.client(), nil
}

// fetchJSON reads what a client publishes. This server is for loopback, so http is accepted.
func fetchJSON(ctx context.Context, url string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", url, response.StatusCode)
	}
	return json.NewDecoder(io.LimitReader(response.Body, maxClientMetadata)).Decode(into)
}
