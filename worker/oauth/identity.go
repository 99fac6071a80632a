package oauth

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Identity is the enterprise's identity provider, as the gateway knows it
// (Identity Assertion JWT Authorization Grant; MCP enterprise-managed authorization).
type Identity struct {
	TokenURL string `json:"token_url"`
	ClientID string `json:"client_id"`
	Secret   string `json:"secret,omitempty"`
}

const (
	tokenTypeAccess = "urn:ietf:params:oauth:token-type:access_token"
	tokenTypeIDJAG  = "urn:ietf:params:oauth:token-type:id-jag"
)

// assertIdentity exchanges the caller's JWT for an identity assertion that only the
// server's own issuer accepts, for this client and resource (RFC 8693 §2.1). It asks anew for
// every grant: an assertion is short-lived and is never kept. The error is a *Failure.
func (e *Endpoint) assertIdentity(ctx context.Context, g *Grant) (string, error) {
	i := g.Identity
	switch {
	case g.Issuer == "":
		return "", fail(Misconfigured, "credentials_incomplete", "Server "+g.Server+" has no issuer, which the identity assertion must name. Nothing was sent.")
	case i.ClientID == "" || i.Secret == "":
		return "", fail(Misconfigured, "credentials_incomplete", "Server "+g.Server+" has no identity_client_id or identity_client_secret. Nothing was sent.")
	}
	if err := CheckURL(i.TokenURL, e.AllowLoopback); err != nil {
		return "", fail(Misconfigured, "token_url_refused", "The identity provider of server "+g.Server+" is not called: "+err.Error()+".")
	}
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "requested_token_type": {tokenTypeIDJAG},
		"audience": {g.Issuer}, "subject_token": {g.Subject}, "subject_token_type": {tokenTypeAccess},
	}
	if g.SubjectType != "" {
		form.Set("subject_token_type", g.SubjectType)
	}
	if g.Resource != "" {
		form.Set("resource", g.Resource)
	}
	if len(g.Scopes) > 0 {
		form.Set("scope", strings.Join(g.Scopes, " "))
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", FailureOf(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", UserAgent)
	r.SetBasicAuth(url.QueryEscape(i.ClientID), url.QueryEscape(i.Secret))
	resp, err := Guard(e.HTTP, e.AllowLoopback).RoundTrip(r)
	if err != nil {
		return "", FailureOf(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, whole, err := readLimited(resp.Body, e.BodyLimit)
	if err != nil {
		return "", FailureOf(err)
	}
	members, ok := object(body)
	if resp.StatusCode != http.StatusOK {
		f := errorFailure(resp.StatusCode, errorCode(members), retryAfter(resp.Header, time.Now()))
		f.Message = "The identity provider does not vouch for this caller: " + f.Message
		return "", f
	}
	var assertion, issued string
	if !whole || !ok || !text(members["access_token"], &assertion) || assertion == "" || len(assertion) > MaxTokenLength {
		return "", fail(Misconfigured, "idp_invalid_response", "The identity provider's answer is not a token exchange response (RFC 8693 §2.2.1). Check identity_token_url.")
	}
	if !text(members["issued_token_type"], &issued) || issued != tokenTypeIDJAG {
		return "", fail(Misconfigured, "idp_invalid_response", "The identity provider issued another kind of token than an identity assertion (ID-JAG).")
	}
	return assertion, nil
}
