package token

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"

	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/registry"
)

// identityOf is the identity key of a token: SHA-256, in hexadecimal, over all that
// makes one token different from another, each part with its length before it.
// Any rotation or change of scope is another key, so an old token is out of reach at once.
func identityOf(g *oauth.Grant, rec *registry.Record, upstreamOrigin string) string {
	h := sha256.New()
	part(h, "grantway token v1")
	part(h, string(g.Flow))
	part(h, g.TokenURL)
	part(h, g.Issuer)
	part(h, g.ClientID)
	part(h, string(g.Method))
	for _, name := range []string{registry.SecretClientSecret, registry.SecretClientSecretNext, registry.SecretClientPrivateKey} {
		part(h, rec.Secrets[name].Fingerprint)
	}
	part(h, g.KeyID)
	part(h, g.AssertionAudience)
	list(h, slices.Sorted(slices.Values(g.Scopes)))
	part(h, g.Audience)
	part(h, g.Resource)
	list(h, slices.Sorted(maps.Keys(g.Extra)))
	for _, name := range slices.Sorted(maps.Keys(g.Extra)) {
		part(h, g.Extra[name])
	}
	part(h, upstreamOrigin)
	part(h, g.SubjectType)
	part(h, g.Subject)
	if byEpoch(g, rec) {
		part(h, rec.ServerID) // the epoch is the server's
	}
	if g.Identity != nil {
		part(h, g.Identity.TokenURL)
		part(h, g.Identity.ClientID)
		part(h, rec.Secrets[registry.SecretIdentityClient].Fingerprint)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func part(h hash.Hash, s string) {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(s)))
	h.Write(n[:])
	h.Write([]byte(s))
}

func list(h hash.Hash, l []string) {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(l)))
	h.Write(n[:])
	for _, s := range l {
		part(h, s)
	}
}
