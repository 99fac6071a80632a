package admin

import (
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/issuer"
	"github.com/grantway/grantway/worker/schema"
)

// providerAnswer is the OpenID provider at which people sign in to the UI, without its secret.
type providerAnswer struct {
	Version   int64          `json:"version"`
	Issuer    string         `json:"issuer"`
	ClientID  string         `json:"client_id"`
	HasSecret bool           `json:"has_secret"`
	Scopes    []string       `json:"scopes,omitempty"`
	NameClaim string         `json:"name_claim,omitempty"`
	Grants    []issuer.Grant `json:"grants"`
}

func shownProvider(s directory.Settings) any {
	out := providerAnswer{Version: s.Version, Grants: []issuer.Grant{}}
	if p := s.SignIn; p != nil {
		out.Issuer, out.ClientID, out.HasSecret, out.Scopes, out.NameClaim, out.Grants = p.Issuer, p.ClientID, len(p.Secret) > 0, p.Scopes, p.NameClaim, p.Grants
	}
	return out
}

func (a *API) getProvider(w http.ResponseWriter, r *http.Request) error {
	s, err := a.Directory.Settings(r.Context())
	if err != nil {
		return err
	}
	return answerVersion(w, http.StatusOK, s.Version, shownProvider(s))
}

// updateProvider replaces the provider. A blank client_secret keeps the stored one while issuer and client_id stay; a blank
// issuer turns signing in off. Every session of a person ends.
func (a *API) updateProvider(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		providerAnswer
		Secret string `json:"client_secret"`
	}
	if err := readAs(r, "SignInProvider", schema.Whole, &in); err != nil {
		return err
	}
	var next *issuer.SignIn
	if in.Issuer != "" {
		next = &issuer.SignIn{Issuer: in.Issuer, ClientID: in.ClientID, Scopes: in.Scopes, NameClaim: in.NameClaim, Grants: in.Grants, Since: time.Now().UTC()}
		unknown, err := a.nameServers(r.Context(), next.Grants, "")
		if err != nil {
			return err
		}
		if problems := append(next.Check(a.AllowLoopback), unknown...); len(problems) > 0 {
			return invalid(problems)
		}
		if in.Secret != "" {
			next.Secret = a.Keyring.Seal([]byte(in.Secret), "sign-in secret", next.Issuer, next.ClientID)
		}
	}
	s, err := a.changeSettings(r, "sign_in", shownProvider, func(s *directory.Settings) error {
		old := s.SignIn
		s.SignIn = next
		if next != nil && in.Secret == "" && old != nil && old.Issuer == next.Issuer && old.ClientID == next.ClientID {
			kept := *next
			kept.Secret = old.Secret
			s.SignIn = &kept
		}
		return nil
	})
	if err != nil {
		return err
	}
	return answerVersion(w, http.StatusOK, s.Version, shownProvider(s))
}
