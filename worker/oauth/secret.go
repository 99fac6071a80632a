package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/seal"
)

// SealSecret seals one secret of the record with this id for storage, bound to
// the record and to the secret's name. now becomes RotatedAt.
func SealSecret(k *seal.Keyring, serverID, name, plain string, now time.Time) registry.SealedSecret {
	return registry.SealedSecret{
		Sealed:      k.Seal([]byte(plain), "record", serverID, name),
		Fingerprint: k.Fingerprint([]byte(plain)),
		RotatedAt:   now.UTC(),
	}
}

// SealSecrets seals several secrets, by name. Empty ones are left out.
func SealSecrets(k *seal.Keyring, serverID string, plain map[string]string, now time.Time) map[string]registry.SealedSecret {
	out := make(map[string]registry.SealedSecret, len(plain))
	for name, text := range plain {
		if text != "" {
			out[name] = SealSecret(k, serverID, name, text, now)
		}
	}
	return out
}

// ResealSecret seals a stored secret anew with the keyring's current key. The
// fingerprint and the time of rotation stay, so that tokens stay reachable.
func ResealSecret(k *seal.Keyring, serverID, name string, s registry.SealedSecret) (registry.SealedSecret, error) {
	plain, err := k.Open(s.Sealed, "record", serverID, name)
	if err != nil {
		return s, err
	}
	s.Sealed = k.Seal(plain, "record", serverID, name)
	return s, nil
}

// SecretsOf opens the secrets of a record, by name. One that does not open is a
// *problem.Problem with code secret_unreadable that names the record and the
// secret: a secret is never used as it is stored.
func SecretsOf(k *seal.Keyring, rec *registry.Record) (map[string]string, error) {
	out := make(map[string]string, len(rec.Secrets))
	for name := range rec.Secrets {
		plain, err := SecretOf(k, rec, name)
		if err != nil {
			return nil, err
		}
		out[name] = plain
	}
	return out, nil
}

// SecretOf opens one secret of a record; "" if it has none of this name.
func SecretOf(k *seal.Keyring, rec *registry.Record, name string) (string, error) {
	s, ok := rec.Secrets[name]
	if !ok {
		return "", nil
	}
	plain, err := k.Open(s.Sealed, "record", rec.ServerID, name)
	if err != nil {
		why := "it is damaged"
		if errors.Is(err, seal.ErrUnknownKey) {
			why = "it was sealed with key " + seal.KeyIDOf(s.Sealed) + ", which is neither GRANTWAY_SEALING_KEY nor one of GRANTWAY_SEALING_KEY_PREVIOUS"
		}
		return "", problem.New(http.StatusServiceUnavailable, CodeSecretUnreadable,
			fmt.Sprintf("The stored secret %s of server %s cannot be opened: %s. Nothing was sent. Restore the key or enter the secret again.", name, rec.Slug, why)).Because(err)
	}
	return string(plain), nil
}
