// Package issuer accepts callers by the JSON Web Tokens of configured issuers: OAuth
// access tokens (RFC 9068), obtained by a person or by client credentials, and the
// tokens of Cloudflare Access for administrators.
//
// An issuer is trusted for what its entry says and no more: its keys come from its own
// metadata or the configured address, its tokens must be meant for this gateway, and
// what a token's bearer may do follows from the entry's grants alone.
package issuer

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/jwt"
	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
)

// Limits of the configuration.
const (
	MaxIssuers = 20
	MaxGrants  = 100 // per issuer
	maxList    = 100 // audiences, scopes, servers or groups in one list
	maxText    = 2048
)

// Issuer is one trusted issuer, as the settings hold it.
type Issuer struct {
	// Issuer is iss, compared as text, and the base of the issuer's metadata.
	Issuer string `json:"issuer"`
	// KeysURL is the address of the key set; "" means: from the metadata (RFC 8414, OpenID
	// Connect Discovery).
	KeysURL string `json:"jwks_url,omitempty"`
	// Audiences are accepted besides the URL of the endpoint called.
	Audiences []string `json:"audiences,omitempty"`
	// Algorithms allowed; empty: ES256, RS256, PS256, EdDSA.
	Algorithms []string `json:"algorithms,omitempty"`
	// Scopes are named in the metadata and in challenges for callers to ask for.
	Scopes []string `json:"scopes_supported,omitempty"`
	// NameClaim is the claim shown as the caller's name; "": sub.
	NameClaim string `json:"name_claim,omitempty"`
	// CloudflareAccess takes the token from Cf-Access-Jwt-Assertion instead of
	// Authorization. Audiences must then hold the application's AUD tag.
	CloudflareAccess bool `json:"cloudflare_access,omitempty"`
	// Grants say what callers may do; those that match are added up. A token that matches
	// none is refused.
	Grants []Grant `json:"grants"`
}

// Grant is what the bearers of a claim may do.
type Grant struct {
	Claim      string      `json:"claim,omitempty"` // such as scope, groups, email; "": every token
	Value      string      `json:"value,omitempty"` // is, or is one of, the claim's
	Role       access.Role `json:"role,omitempty"`  // "": caller
	AllServers bool        `json:"all_servers,omitempty"`
	Servers    []string    `json:"servers,omitempty"` // server ids
	Groups     []string    `json:"groups,omitempty"`  // access groups
}

// Check answers what is wrong with a list of issuers, all at once.
func Check(list []Issuer, allowLoopback bool) []problem.Field {
	var out []problem.Field
	add := func(path, code, message string) {
		out = append(out, problem.Field{Path: path, Code: code, Message: message})
	}
	if len(list) > MaxIssuers {
		add("jwt_issuers", "too_many", "At most "+strconv.Itoa(MaxIssuers)+" issuers.")
		return out
	}
	seen := map[string]bool{}
	for i := range list {
		s := &list[i]
		at := "jwt_issuers[" + strconv.Itoa(i) + "]."
		if err := oauth.CheckURL(s.Issuer, allowLoopback); err != nil || strings.Contains(s.Issuer, "?") || len(s.Issuer) > maxText {
			add(at+"issuer", "invalid_url", "Must be the issuer's https URL without a query.")
		}
		if seen[s.Issuer] {
			add(at+"issuer", "duplicate", "This issuer is in the list twice.")
		}
		seen[s.Issuer] = true
		if s.KeysURL != "" && (oauth.CheckURL(s.KeysURL, allowLoopback) != nil || len(s.KeysURL) > maxText) {
			add(at+"jwks_url", "invalid_url", "Must be an https URL of a public host.")
		}
		for _, a := range s.Algorithms {
			if !slices.Contains(jwt.Algorithms, a) {
				add(at+"algorithms", "unsupported_algorithm", "Only "+strings.Join(jwt.Algorithms, ", ")+" can be allowed.")
				break
			}
		}
		if s.CloudflareAccess && len(s.Audiences) == 0 {
			add(at+"audiences", "required", "Cloudflare Access needs the application's AUD tag.")
		}
		if len(s.Audiences) > maxList || len(s.Scopes) > maxList || len(s.Grants) > MaxGrants || !short(s.Audiences) || !short(s.Scopes) {
			add(at+"audiences", "too_many", "A list or text is too long.")
		}
		for _, scope := range s.Scopes {
			if len(oauth.ScopeList(scope, 2)) != 1 || strings.ContainsAny(scope, " ") || scope == "offline_access" {
				add(at+"scopes_supported", "invalid_scope", "Each must be one scope token (RFC 6749 §3.3), and not offline_access.")
				break
			}
		}
		if len(s.Grants) == 0 {
			add(at+"grants", "required", "Without a grant no token of this issuer may do anything.")
		}
		for j, g := range s.Grants {
			at := at + "grants[" + strconv.Itoa(j) + "]."
			if (g.Claim == "") != (g.Value == "") || len(g.Claim) > 200 || len(g.Value) > maxText {
				add(at+"value", "required", "Give claim and value, or neither for every token.")
			}
			if g.Role != "" && g.Role != access.RoleCaller && g.Role != access.RoleViewer && g.Role != access.RoleAdmin {
				add(at+"role", "invalid_value", "Must be caller, viewer or admin.")
			}
			if g.Claim == "" && g.Role != "" && g.Role != access.RoleCaller && !s.CloudflareAccess {
				add(at+"role", "too_wide", "Every token of an issuer cannot be an administrator's: name a claim.")
			}
			if len(g.Servers) > maxList || len(g.Groups) > maxList || !short(g.Servers) || !short(g.Groups) {
				add(at+"servers", "too_many", "A list or text is too long.")
			}
		}
	}
	return out
}

func short(list []string) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return s == "" || len(s) > maxText })
}

// principal answers what the bearer of a verified token may do, or nil if no grant
// matches.
func (s *Issuer) principal(t *jwt.Token, raw string) *access.Principal {
	subject := t.Claims.Subject
	for _, other := range [...]string{"client_id", "azp"} {
		if subject == "" {
			subject = t.Claims.Text(other)
		}
	}
	if subject == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(s.Issuer))
	p := &access.Principal{
		ID: access.TokenHolder + hex.EncodeToString(sum[:8]) + ":" + subject, Subject: subject, Name: subject, Role: access.RoleCaller, JWT: raw,
	}
	if s.NameClaim != "" {
		if name := t.Claims.Text(s.NameClaim); name != "" {
			p.Name = name[:min(len(name), 200)]
		}
	}
	matched := false
	for _, g := range s.Grants {
		if g.Claim != "" && !t.Claims.Has(g.Claim, g.Value) {
			continue
		}
		matched = true
		if rank(g.Role) > rank(p.Role) {
			p.Role = g.Role
		}
		p.AllServers = p.AllServers || g.AllServers
		p.Servers = append(p.Servers, g.Servers...)
		p.Groups = append(p.Groups, g.Groups...)
	}
	if !matched {
		return nil
	}
	return p
}

func rank(r access.Role) int {
	switch r {
	case access.RoleAdmin:
		return 2
	case access.RoleViewer:
		return 1
	}
	return 0
}

// wanted answers the scopes that would match a grant, for the challenge of a token that
// has none of them.
func (s *Issuer) wanted() []string {
	var out []string
	for _, g := range s.Grants {
		if (g.Claim == "scope" || g.Claim == "scp") && !slices.Contains(out, g.Value) {
			out = append(out, g.Value)
		}
	}
	return out
}
