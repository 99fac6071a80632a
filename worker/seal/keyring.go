// Package seal encrypts what the gateway keeps at rest: the secrets of server
// records, access tokens in the shared store, internal messages to a Durable
// Object.
//
// A sealed value is
//
//	version (1 byte, 1) | key id (4 bytes) | nonce (12 bytes) | AES-256-GCM ciphertext and tag
//
// The associated data are the first five bytes and the caller's parts, each with
// its length before it, so that a value opens only in the row, and for the host,
// for which it was sealed. Nothing here ever opens "as it is": a value that does
// not authenticate is an error.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	// KeySize is the size of a sealing key in bytes.
	KeySize = 32
	// Overhead is how much longer a sealed value is than the plain one, in bytes.
	Overhead = headerSize + nonceSize + tagSize

	version    = 1
	keyIDSize  = 4
	headerSize = 1 + keyIDSize
	nonceSize  = 12
	tagSize    = 16
)

var (
	// ErrUnknownKey means that the value was sealed with a key that this keyring
	// does not hold: the key was lost, or a previous one was removed too early.
	ErrUnknownKey = errors.New("seal: sealed with a key that is not configured")
	// ErrCorrupt means that the value is damaged, cut short, or was sealed for
	// another row or host.
	ErrCorrupt = errors.New("seal: sealed value does not authenticate")
)

// Keyring seals with the current key and opens with it and the previous ones.
// It is safe for concurrent use.
type Keyring struct {
	current     *key
	keys        map[[keyIDSize]byte]*key
	fingerprint []byte
}

type key struct {
	id   [keyIDSize]byte
	aead cipher.AEAD
}

// NewKeyring makes a keyring of base64 keys (standard or URL alphabet, padding
// optional) of 32 bytes each. Its errors never contain a key.
func NewKeyring(current string, previous ...string) (*Keyring, error) {
	raw, err := decodeKey(current)
	if err != nil {
		return nil, fmt.Errorf("current key: %w", err)
	}
	k := &Keyring{keys: map[[keyIDSize]byte]*key{}}
	if k.current, err = newKey(raw); err != nil {
		return nil, err
	}
	k.keys[k.current.id] = k.current
	if k.fingerprint, err = hkdf.Key(sha256.New, raw, nil, "grantway fingerprint v1", KeySize); err != nil {
		return nil, err
	}
	for i, text := range previous {
		raw, err := decodeKey(text)
		if err != nil {
			return nil, fmt.Errorf("previous key %d: %w", i+1, err)
		}
		old, err := newKey(raw)
		if err != nil {
			return nil, err
		}
		k.keys[old.id] = old
	}
	return k, nil
}

// GenerateKey makes a new key in the form that NewKeyring takes.
func GenerateKey() string {
	var b [KeySize]byte
	_, _ = rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

func decodeKey(text string) ([]byte, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("not base64")
	}
	if len(raw) != KeySize {
		return nil, fmt.Errorf("%d bytes, want %d", len(raw), KeySize)
	}
	return raw, nil
}

func newKey(raw []byte) (*key, error) {
	enc, err := hkdf.Key(sha256.New, raw, nil, "grantway seal v1", KeySize)
	if err != nil {
		return nil, err
	}
	id, err := hkdf.Key(sha256.New, raw, nil, "grantway key id v1", keyIDSize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(enc)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &key{id: [keyIDSize]byte(id), aead: aead}, nil
}

// KeyID names the key that Seal uses: 8 hexadecimal digits that say nothing of
// the key itself.
func (k *Keyring) KeyID() string { return hex.EncodeToString(k.current.id[:]) }

// KeyIDs names every key that Open can use, the current one first.
func (k *Keyring) KeyIDs() []string {
	ids := []string{k.KeyID()}
	for id := range k.keys {
		if id != k.current.id {
			ids = append(ids, hex.EncodeToString(id[:]))
		}
	}
	return ids
}

// KeyIDOf names the key with which a value was sealed, or "" if it is not a
// sealed value.
func KeyIDOf(sealed []byte) string {
	if len(sealed) < Overhead || sealed[0] != version {
		return ""
	}
	return hex.EncodeToString(sealed[1:headerSize])
}

// Seal encrypts plain and binds it to the aad parts.
func (k *Keyring) Seal(plain []byte, aad ...string) []byte {
	out := make([]byte, headerSize+nonceSize, Overhead+len(plain))
	out[0] = version
	copy(out[1:], k.current.id[:])
	nonce := out[headerSize:]
	_, _ = rand.Read(nonce)
	return k.current.aead.Seal(out, nonce, plain, associated(out[:headerSize], aad))
}

// Open decrypts a value that Seal made with the same aad parts. It answers an
// error that wraps ErrUnknownKey or ErrCorrupt.
func (k *Keyring) Open(sealed []byte, aad ...string) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != version {
		return nil, ErrCorrupt
	}
	by := k.keys[[keyIDSize]byte(sealed[1:headerSize])]
	if by == nil {
		return nil, fmt.Errorf("%w (key id %s)", ErrUnknownKey, KeyIDOf(sealed))
	}
	nonce, text := sealed[headerSize:headerSize+nonceSize], sealed[headerSize+nonceSize:]
	plain, err := by.aead.Open(nil, nonce, text, associated(sealed[:headerSize], aad))
	if err != nil {
		return nil, ErrCorrupt
	}
	return plain, nil
}

// associated joins the header and the parts so that no two lists of parts give
// the same bytes.
func associated(header []byte, parts []string) []byte {
	n := len(header)
	for _, p := range parts {
		n += 4 + len(p)
	}
	out := append(make([]byte, 0, n), header...)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

// Fingerprint is a keyed hash of a secret (HMAC-SHA-256, 32 hexadecimal digits):
// equal secrets have equal fingerprints under one sealing key, and the secret
// cannot be guessed from it without that key. It changes when the current sealing
// key does, so it is stored beside the secret and not computed again to compare.
func (k *Keyring) Fingerprint(secret []byte) string {
	mac := hmac.New(sha256.New, k.fingerprint)
	mac.Write(secret)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
