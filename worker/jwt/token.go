package jwt

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
)

// MaxLength bounds a compact token, in bytes: it arrives in a header.
const MaxLength = 16 << 10

// Token is a parsed token. Nothing in it may be believed before Verify has succeeded.
type Token struct {
	Algorithm string // alg
	KeyID     string // kid, "" if it has none
	Type      string // typ in lower case without "application/", "" if it has none
	Claims    Claims

	input     string // what is signed (RFC 7515 §5.1)
	signature []byte
}

// Claims are the registered claims (RFC 7519 §4.1), and all claims as they were sent.
type Claims struct {
	Issuer    string
	Subject   string
	Audience  []string
	Expires   time.Time // zero: absent
	NotBefore time.Time
	IssuedAt  time.Time
	All       map[string]json.RawMessage
}

// Text answers a claim that is a string, or "".
func (c *Claims) Text(name string) string {
	var s string
	if raw := c.All[name]; len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// Texts answers a claim that is a string, split at spaces, or an array of strings.
func (c *Claims) Texts(name string) []string {
	raw := c.All[name]
	if len(raw) == 0 {
		return nil
	}
	if raw[0] == '"' {
		return strings.Fields(c.Text(name))
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	return list
}

// Has reports whether a claim is, or contains, this text. true and false match a
// boolean claim.
func (c *Claims) Has(name, value string) bool {
	raw := c.All[name]
	if string(raw) == value && (value == "true" || value == "false") {
		return true
	}
	if c.Text(name) == value && value != "" {
		return true
	}
	for _, s := range c.Texts(name) {
		if s == value {
			return true
		}
	}
	return false
}

// Answers reports whether the claims of an ID token, whose signature, issuer and times were
// verified, are for this client and the request with this nonce (OpenID Connect Core
// §3.1.3.7, steps 3 to 5 and 11).
func (c *Claims) Answers(client, nonce string) bool {
	azp := c.Text("azp")
	return subtle.ConstantTimeCompare([]byte(c.Text("nonce")), []byte(nonce)) == 1 && (azp == client || azp == "" && len(c.Audience) == 1)
}

// ErrMalformed means that a text is not a token that this package reads. It never
// quotes the text.
var ErrMalformed = errors.New("jwt: not a signed token in compact serialization")

// Looks reports whether s has the outer form of a compact token.
func Looks(s string) bool {
	return len(s) <= MaxLength && strings.HasPrefix(s, "eyJ") && strings.Count(s, ".") == 2
}

// Parse reads a token and checks nothing about who made it.
func Parse(compact string) (*Token, error) {
	if len(compact) > MaxLength {
		return nil, ErrMalformed
	}
	head, rest, ok := strings.Cut(compact, ".")
	body, sig, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || strings.Contains(sig, ".") || sig == "" {
		return nil, ErrMalformed
	}
	t := &Token{input: compact[:len(head)+1+len(body)]}
	header, err := members(head)
	if err != nil {
		return nil, err
	}
	for _, name := range [...]string{"crit", "b64", "zip", "enc"} {
		if _, there := header[name]; there {
			return nil, ErrMalformed
		}
	}
	if !text(header, "alg", &t.Algorithm) || t.Algorithm == "" || !text(header, "kid", &t.KeyID) || !text(header, "typ", &t.Type) {
		return nil, ErrMalformed
	}
	t.Type = strings.TrimPrefix(strings.ToLower(t.Type), "application/")
	if t.signature, err = decode(sig); err != nil {
		return nil, ErrMalformed
	}
	c := &t.Claims
	if c.All, err = members(body); err != nil {
		return nil, err
	}
	if !text(c.All, "iss", &c.Issuer) || !text(c.All, "sub", &c.Subject) || !audience(c.All["aud"], &c.Audience) ||
		!date(c.All, "exp", &c.Expires) || !date(c.All, "nbf", &c.NotBefore) || !date(c.All, "iat", &c.IssuedAt) {
		return nil, ErrMalformed
	}
	return t, nil
}

// decode is base64url without padding (RFC 7515 §2), in its one canonical form.
func decode(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // the decoder would skip them
		return nil, ErrMalformed
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}

func members(part string) (map[string]json.RawMessage, error) {
	b, err := decode(part)
	if err != nil {
		return nil, ErrMalformed
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(b, &m) != nil || m == nil {
		return nil, ErrMalformed
	}
	return m, nil
}

// text reads a member that is a string or absent.
func text(m map[string]json.RawMessage, name string, into *string) bool {
	raw, there := m[name]
	if !there {
		return true
	}
	return len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, into) == nil
}

func audience(raw json.RawMessage, into *[]string) bool {
	if len(raw) == 0 {
		return true
	}
	if raw[0] == '"' {
		var one string
		if json.Unmarshal(raw, &one) != nil {
			return false
		}
		*into = []string{one}
		return true
	}
	return raw[0] == '[' && json.Unmarshal(raw, into) == nil
}

// date reads a NumericDate (RFC 7519 §2): a number of seconds; a fraction is cut off.
func date(m map[string]json.RawMessage, name string, into *time.Time) bool {
	raw, there := m[name]
	if !there {
		return true
	}
	var x float64
	if len(raw) == 0 || raw[0] == '"' || string(raw) == "null" || json.Unmarshal(raw, &x) != nil || math.Abs(x) > 1<<40 {
		return false
	}
	*into = time.Unix(int64(x), 0)
	return true
}
