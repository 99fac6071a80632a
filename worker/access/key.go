package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"
	"time"
)

// Key is an access key without its secret, as the Directory and KV CONFIG hold it
// and as the API shows it (Hash and Previous apart).
type Key struct {
	ID                string              `json:"id"` // UUID
	Name              string              `json:"name"`
	Owner             string              `json:"owner,omitempty"`
	Role              Role                `json:"role"`
	Disabled          bool                `json:"disabled,omitempty"`
	ExpiresAt         *time.Time          `json:"expires_at"`
	AllServers        bool                `json:"all_servers,omitempty"`
	Servers           []string            `json:"servers,omitempty"` // server ids
	Groups            []string            `json:"groups,omitempty"`
	Tools             map[string][]string `json:"tools,omitempty"` // server id → tools
	RequestsPerMinute int                 `json:"requests_per_minute,omitempty"`
	ReadOnly          bool                `json:"read_only,omitempty"` // comes from a configuration file of record
	Version           int64               `json:"version"`
	CreatedAt         time.Time           `json:"created_at"`
	CreatedBy         string              `json:"created_by,omitempty"`
	UpdatedAt         time.Time           `json:"updated_at"`

	Prefix            string     `json:"prefix"`              // first characters of the secret
	Hash              string     `json:"hash"`                // SHA-256 of the secret, hexadecimal
	PreviousHash      string     `json:"previous_hash"`       // of the secret before the last rotation, or ""
	PreviousExpiresAt *time.Time `json:"previous_expires_at"` // when that one ends
	// SignedInSince ends the browser sessions of this key that began before it.
	SignedInSince time.Time `json:"signed_in_since"`
}

// An access key is "gw_", then 256 random bits in base64url (43 characters), then
// the CRC-32 of those characters in base64url (6 characters), so that a mistyped or
// invented key is refused without asking any store.
const (
	keyPrefix    = "gw_"
	keyBits      = 43
	keyCheck     = 6
	keyLength    = len(keyPrefix) + keyBits + keyCheck
	shownOfKey   = 7
	MaxPresented = 512 // longest text that is looked at as a key, in bytes
)

// NewSecret makes the secret of an access key. Only its hash is ever stored.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	body := base64.RawURLEncoding.EncodeToString(b[:])
	return keyPrefix + body + checksum(body)
}

func checksum(body string) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body))))
}

// WellFormed reports whether s has the form of an access key.
func WellFormed(s string) bool {
	if len(s) != keyLength || !strings.HasPrefix(s, keyPrefix) {
		return false
	}
	body := s[len(keyPrefix) : len(keyPrefix)+keyBits]
	return checksum(body) == s[len(keyPrefix)+keyBits:]
}

// HashOf answers the SHA-256 of a secret, in hexadecimal.
func HashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// SetSecret makes secret the current one. The one before works until overlap has
// passed; 0 ends it at once.
func (k *Key) SetSecret(secret string, overlap time.Duration, now time.Time) {
	k.PreviousHash, k.PreviousExpiresAt = "", nil
	if overlap > 0 && k.Hash != "" {
		end := now.Add(overlap)
		k.PreviousHash, k.PreviousExpiresAt = k.Hash, &end
	}
	k.Hash, k.Prefix = HashOf(secret), PrefixOf(secret)
}

// Hashes answers the hashes under which the key is found.
func (k *Key) Hashes() []string {
	if k.PreviousHash != "" {
		return []string{k.Hash, k.PreviousHash}
	}
	return []string{k.Hash}
}

// Status answers active, disabled or expired.
func (k *Key) Status(now time.Time) string {
	switch {
	case k.Disabled:
		return "disabled"
	case k.ExpiresAt != nil && !now.Before(*k.ExpiresAt):
		return "expired"
	}
	return "active"
}

// Principal answers who a caller with this key is.
func (k *Key) Principal() *Principal {
	return &Principal{
		ID: "key:" + k.ID, KeyID: k.ID, Name: k.Name, Role: k.Role, AllServers: k.AllServers, Servers: k.Servers,
		Groups: k.Groups, Tools: k.Tools, RequestsPerMinute: k.RequestsPerMinute,
	}
}

// PrefixOf answers the characters of a secret by which people recognise it.
func PrefixOf(secret string) string { return secret[:min(len(secret), shownOfKey)] }

// ValidHash reports whether s has the form of HashOf's answer.
func ValidHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && s == strings.ToLower(s)
}
