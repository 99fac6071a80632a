package admin

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/seal"
	"github.com/grantway/grantway/worker/uuid"
)

// compose answers the record that old (nil: none yet) becomes by a request body
// of this principal, with its secrets sealed, or everything that is wrong with it.
func (a *API) compose(ctx context.Context, actor string, old *registry.Record, body []byte) (*registry.Record, error) {
	in, problems := registry.ParseInput(body)
	if in == nil {
		return nil, invalid(problems)
	}
	rec, more := registry.Merge(old, in)
	if problems = distinct(problems, more); len(problems) > 0 {
		return nil, invalid(problems)
	}
	now := time.Now().UTC()
	if old == nil {
		rec.ServerID, rec.CreatedAt, rec.CreatedBy = uuid.New(), now, actor
	}
	rec.UpdatedAt, rec.UpdatedBy = now, actor
	if err := a.sealInto(ctx, rec, in, now); err != nil {
		return nil, err
	}
	return rec, nil
}

// distinct joins problems; of several at one path the first, which is the most
// basic one, stays.
func distinct(first, then []problem.Field) []problem.Field {
	for _, p := range then {
		if !slices.ContainsFunc(first, func(q problem.Field) bool { return q.Path == p.Path }) {
			first = append(first, p)
		}
	}
	return first
}

func (a *API) sealInto(ctx context.Context, rec *registry.Record, in *registry.Input, now time.Time) error {
	secrets := maps.Clone(rec.Secrets)
	if secrets == nil {
		secrets = map[string]registry.SealedSecret{}
	}
	put := func(name, plain string) error {
		if a.Keyring == nil {
			return problem.New(http.StatusServiceUnavailable, "sealing_key_missing", "Set GRANTWAY_SEALING_KEY: without it no secret can be kept.")
		}
		next := oauth.SealSecret(a.Keyring, rec.ServerID, name, plain, now)
		if old, ok := secrets[name]; !ok || old.Fingerprint != next.Fingerprint || seal.KeyIDOf(old.Sealed) != a.Keyring.KeyID() {
			secrets[name] = next // else it is the same again, and was not rotated
		}
		return nil
	}
	if in.GenerateKey != "" {
		der, key, err := registry.GenerateClientKey(ctx, a.Platform.Crypto(), in.GenerateKey, in.KeyID)
		if err != nil {
			return err
		}
		rec.ClientKey = key
		if err := put(registry.SecretClientPrivateKey, string(der)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in.Secrets)) {
		s := in.Secrets[name]
		if s == nil {
			delete(secrets, name)
			if name == registry.SecretClientPrivateKey {
				rec.ClientKey = nil
			}
			continue
		}
		plain := *s
		if name == registry.SecretClientPrivateKey {
			der, key, err := registry.ParseClientKey(plain, in.KeyAlgorithm, in.KeyID)
			if err != nil {
				return invalid([]problem.Field{{Path: in.Path(name), Code: "invalid_private_key", Message: err.Error()}})
			}
			rec.ClientKey, plain = key, string(der)
		}
		if err := put(name, plain); err != nil {
			return err
		}
	}
	// The first secret replaces both of a rotation.
	if s := in.Secrets[registry.SecretClientSecret]; s != nil && in.Secrets[registry.SecretClientSecretNext] == nil {
		delete(secrets, registry.SecretClientSecretNext)
	}
	rec.Secrets = secrets
	return a.sealHeaders(rec, put)
}

// sealHeaders takes the values of sensitive static headers out of the record. A
// value of registry.Masked keeps what is stored.
func (a *API) sealHeaders(rec *registry.Record, put func(name, plain string) error) error {
	kept := map[string]string{}
	if _, ok := rec.Secrets[registry.SecretStaticHeaders]; ok && a.Keyring != nil {
		plain, err := oauth.SecretOf(a.Keyring, rec, registry.SecretStaticHeaders)
		if err == nil {
			err = json.Unmarshal([]byte(plain), &kept)
		}
		// What a lost key sealed is in the way only of who wants to keep it.
		if err != nil && slices.Contains(slices.Collect(maps.Values(rec.StaticHeaders)), registry.Masked) {
			return err
		}
	}
	next, changed := map[string]string{}, false
	headers := maps.Clone(rec.StaticHeaders)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		value := headers[name]
		if !registry.SensitiveHeader(name) {
			continue
		}
		if value == registry.Masked {
			var stored bool
			if value, stored = kept[name]; !stored {
				return invalid([]problem.Field{{Path: "static_headers." + name, Code: "required", Message: "No value is stored for this header: give one."}})
			}
		}
		next[name], headers[name] = value, registry.Masked
	}
	changed = !maps.Equal(kept, next)
	rec.StaticHeaders = headers
	switch {
	case len(next) == 0:
		delete(rec.Secrets, registry.SecretStaticHeaders)
	case changed:
		b, err := json.Marshal(next)
		if err != nil {
			return err
		}
		return put(registry.SecretStaticHeaders, string(b))
	}
	return nil
}
