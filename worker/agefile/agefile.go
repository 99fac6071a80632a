// Package agefile writes files in the age format, version 1 (age-encryption.org/v1),
// to one X25519 recipient. Such a file is opened with `age --decrypt` or any other
// implementation; the tests open it with filippo.io/age. That library itself would add
// 130 kB to the module, most of it for what is not needed here: decryption,
// passphrases, other recipients.
package agefile

import (
	"bytes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// ErrRecipient means that the text is not an X25519 recipient (age1…).
var ErrRecipient = errors.New("agefile: not an age X25519 recipient")

const chunkSize = 64 << 10

// Encrypt answers plain encrypted to a recipient.
func Encrypt(recipient string, plain []byte) ([]byte, error) {
	raw, err := decodeRecipient(recipient)
	if err != nil {
		return nil, err
	}
	theirs, err := ecdh.X25519().NewPublicKey(raw)
	if err != nil {
		return nil, ErrRecipient
	}
	ours, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	shared, err := ours.ECDH(theirs)
	if err != nil {
		return nil, ErrRecipient // a point of low order
	}
	fileKey := make([]byte, 16)
	_, _ = rand.Read(fileKey)
	share := ours.PublicKey().Bytes()
	wrap, err := seal(shared, append(bytes.Clone(share), raw...), "age-encryption.org/v1/X25519")
	if err != nil {
		return nil, err
	}
	b64 := base64.RawStdEncoding.EncodeToString
	var out bytes.Buffer
	out.WriteString("age-encryption.org/v1\n-> X25519 " + b64(share) + "\n")
	out.WriteString(b64(wrap.Seal(nil, make([]byte, chacha20poly1305.NonceSize), fileKey, nil)) + "\n---")
	macKey, err := hkdf.Key(sha256.New, fileKey, nil, "header", sha256.Size)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, macKey)
	mac.Write(out.Bytes())
	out.WriteString(" " + b64(mac.Sum(nil)) + "\n")

	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	out.Write(nonce)
	payload, err := seal(fileKey, nonce, "payload")
	if err != nil {
		return nil, err
	}
	counter := make([]byte, chacha20poly1305.NonceSize) // 11 bytes big endian, then 1 for the last chunk
	for {
		n := min(len(plain), chunkSize)
		chunk := plain[:n]
		if plain = plain[n:]; len(plain) == 0 {
			counter[11] = 1
		}
		out.Write(payload.Seal(nil, counter, chunk, nil))
		if len(plain) == 0 {
			return out.Bytes(), nil
		}
		for i := 10; i >= 0; i-- {
			if counter[i]++; counter[i] != 0 {
				break
			}
		}
	}
}

func seal(secret, salt []byte, info string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, salt, info, chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.New(key)
}

// decodeRecipient reads Bech32 (BIP 173) with the prefix age.
func decodeRecipient(s string) ([]byte, error) {
	const alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	data, ok := strings.CutPrefix(s, "age1")
	if !ok || len(data) != 58 { // 32 bytes in groups of 5 bits, and the checksum
		return nil, ErrRecipient
	}
	check := uint32(1)
	step := func(v byte) {
		top := check >> 25
		check = (check&0x1ffffff)<<5 ^ uint32(v)
		for i, g := range [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				check ^= g
			}
		}
	}
	for _, v := range []byte{'a' >> 5, 'g' >> 5, 'e' >> 5, 0, 'a' & 31, 'g' & 31, 'e' & 31} {
		step(v)
	}
	var out []byte
	acc, bits := uint32(0), 0
	for i := range len(data) {
		v := strings.IndexByte(alphabet, data[i])
		if v < 0 {
			return nil, ErrRecipient
		}
		step(byte(v))
		if i >= len(data)-6 {
			continue
		}
		acc, bits = acc<<5|uint32(v), bits+5
		if bits >= 8 {
			bits -= 8
			out = append(out, byte(acc>>bits))
			acc &= 1<<bits - 1
		}
	}
	if check != 1 || acc != 0 || len(out) != 32 {
		return nil, ErrRecipient
	}
	return out, nil
}
