package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/registry"
)

// Registration is a client that the gateway has registered (RFC 7591 §3.2.1).
type Registration struct {
	ClientID string              `json:"client_id"`
	Secret   string              `json:"client_secret,omitempty"`
	Method   registry.ClientAuth `json:"method"`
	Expires  time.Time           `json:"expires"` // of the secret; zero: never
}

// Metadata is what the gateway says of itself as an interactive client: in its client
// metadata document, and when it registers.
type Metadata struct {
	ClientID        string   `json:"client_id,omitempty"`
	ClientName      string   `json:"client_name"`
	ClientURI       string   `json:"client_uri,omitempty"`
	RedirectURIs    []string `json:"redirect_uris"`
	GrantTypes      []string `json:"grant_types"`
	ResponseTypes   []string `json:"response_types"`
	ApplicationType string   `json:"application_type"`
	AuthMethod      string   `json:"token_endpoint_auth_method"`
	Scope           string   `json:"scope,omitempty"`
}

// NewMetadata describes the gateway at this URL.
func NewMetadata(base, redirectURI string) Metadata {
	kind := "web"
	if u, err := url.Parse(base); err == nil && u.Scheme == "http" {
		kind = "native" // OpenID Connect Registration §2: http is for native clients on this machine
	}
	return Metadata{
		ClientName: "Grantway", ClientURI: base, RedirectURIs: []string{redirectURI}, ApplicationType: kind,
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"}, AuthMethod: string(registry.ClientAuthNone),
	}
}

// ChooseMethod answers how a client with or without a secret authenticates at a server
// that supports these methods (RFC 8414 §2: basic if it does not say).
func ChooseMethod(supported []string, secret bool) registry.ClientAuth {
	if !secret {
		return registry.ClientAuthNone
	}
	if len(supported) == 0 || slices.Contains(supported, string(registry.ClientSecretBasic)) {
		return registry.ClientSecretBasic
	}
	return registry.ClientSecretPost
}

// registrationMethod is the method to register for: with a secret where the server
// offers it.
func registrationMethod(supported []string) registry.ClientAuth {
	if len(supported) == 0 {
		return registry.ClientSecretBasic
	}
	for _, m := range []registry.ClientAuth{registry.ClientSecretBasic, registry.ClientSecretPost, registry.ClientAuthNone} {
		if slices.Contains(supported, string(m)) {
			return m
		}
	}
	return registry.ClientSecretBasic
}

// Register registers the gateway at an authorization server (RFC 7591 §3.1). supported are
// the methods of its token endpoint. The error is a *Failure.
func (e *Endpoint) Register(ctx context.Context, registrationURL string, m Metadata, supported []string) (*Registration, error) {
	if err := CheckURL(registrationURL, e.AllowLoopback); err != nil {
		return nil, fail(Misconfigured, "registration_failed", "The registration endpoint is not called: "+err.Error()+".")
	}
	m.AuthMethod = string(registrationMethod(supported))
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, registrationURL, bytes.NewReader(body))
	if err != nil {
		return nil, FailureOf(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", UserAgent)
	resp, err := Guard(e.HTTP, e.AllowLoopback).RoundTrip(r)
	if err != nil {
		return nil, FailureOf(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, whole, err := readLimited(resp.Body, e.BodyLimit)
	if err != nil {
		return nil, FailureOf(err)
	}
	members, ok := object(answer)
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK || !whole || !ok {
		f := fail(Misconfigured, "registration_failed", "The authorization server does not register the gateway as a client (HTTP "+itoa(resp.StatusCode)+"). Register one there and enter its client_id.")
		if resp.StatusCode >= 500 {
			f.Class = Unavailable
		}
		f.Status, f.OAuthError = resp.StatusCode, errorCode(members)
		return nil, f
	}
	out := &Registration{Method: registry.ClientAuth(m.AuthMethod)}
	var method string
	if !text(members["client_id"], &out.ClientID) || out.ClientID == "" || len(out.ClientID) > 4096 || strings.ContainsAny(out.ClientID, "\r\n") {
		return nil, fail(Misconfigured, "registration_failed", "The authorization server's registration answer has no client_id.")
	}
	_ = text(members["client_secret"], &out.Secret)
	if text(members["token_endpoint_auth_method"], &method) && method != "" {
		out.Method = registry.ClientAuth(method)
	}
	switch out.Method {
	case registry.ClientSecretBasic, registry.ClientSecretPost:
		if out.Secret == "" {
			out.Method = registry.ClientAuthNone
		}
	case registry.ClientAuthNone:
		out.Secret = ""
	default:
		return nil, fail(Misconfigured, "registration_failed", "The authorization server registered the gateway for a client authentication that was not asked for.")
	}
	if life, ok := expiresIn(members["client_secret_expires_at"]); ok && life > 0 {
		out.Expires = time.Unix(int64(life/time.Second), 0)
	}
	return out, nil
}

// Revoke asks the authorization server to forget a refresh token (RFC 7009 §2.1). What it
// answers does not matter: the gateway forgets it in any case.
func (e *Endpoint) Revoke(ctx context.Context, revocationURL, refreshToken, clientID, secret string, method registry.ClientAuth) error {
	if err := CheckURL(revocationURL, e.AllowLoopback); err != nil {
		return err
	}
	form := url.Values{"token": {refreshToken}, "token_type_hint": {"refresh_token"}}
	if method != registry.ClientSecretBasic {
		form.Set("client_id", clientID)
	}
	if method == registry.ClientSecretPost {
		form.Set("client_secret", secret)
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, revocationURL, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", UserAgent)
	if method == registry.ClientSecretBasic {
		r.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(secret))
	}
	resp, err := Guard(e.HTTP, e.AllowLoopback).RoundTrip(r)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
