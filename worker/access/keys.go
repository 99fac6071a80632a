package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

// Keys authenticates callers by access key.
type Keys struct {
	bootstrap [sha256.Size]byte
	enabled   bool
}

var _ Authenticator = (*Keys)(nil)

// NewKeys makes the authenticator. The bootstrap admin key is GRANTWAY_ADMIN_KEY.
func NewKeys(p platform.Platform) *Keys {
	k := &Keys{}
	if s := p.Env("GRANTWAY_ADMIN_KEY"); s != "" {
		k.bootstrap, k.enabled = sha256.Sum256([]byte(s)), true
	}
	return k
}

// Presented answers the access key of a request: from Authorization: Bearer,
// X-Grantway-Key or x-litellm-api-key (with or without "Bearer "), or "".
func Presented(r *http.Request) string {
	for _, name := range [...]string{"X-Grantway-Key", "X-Litellm-Api-Key"} {
		if v := r.Header.Get(name); v != "" {
			if s, ok := bearer(v); ok {
				return s
			}
			return v
		}
	}
	s, _ := bearer(r.Header.Get("Authorization"))
	return s
}

func bearer(v string) (string, bool) {
	if len(v) > 7 && strings.EqualFold(v[:7], "bearer ") {
		return strings.TrimSpace(v[7:]), true
	}
	return "", false
}

// Authenticate finds the principal of a request.
func (k *Keys) Authenticate(r *http.Request) (*Principal, error) {
	key := Presented(r)
	if key == "" {
		return nil, Unauthorized("Present an access key: Authorization: Bearer, or X-Grantway-Key.")
	}
	sum := sha256.Sum256([]byte(key))
	if k.enabled && subtle.ConstantTimeCompare(sum[:], k.bootstrap[:]) == 1 {
		return &Principal{ID: "bootstrap", Name: "bootstrap admin", Role: RoleAdmin, AllServers: true}, nil
	}
	return nil, Unauthorized("The access key is not valid.")
}

// Unauthorized is the answer to a caller who is not known (RFC 6750 §3).
func Unauthorized(message string) *problem.Problem {
	p := problem.New(http.StatusUnauthorized, "unauthorized", message)
	p.Header = http.Header{"Www-Authenticate": {`Bearer realm="grantway"`}}
	return p
}
