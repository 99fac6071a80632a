package issuerapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/issuer"
	"github.com/grantway/grantway/worker/problem"
)

// shownSignIn is the sign-in without its secret.
type shownSignIn struct {
	Version   int64          `json:"version,omitempty"`
	Issuer    string         `json:"issuer"`
	ClientID  string         `json:"client_id"`
	HasSecret bool           `json:"has_secret"`
	Scopes    []string       `json:"scopes,omitempty"`
	NameClaim string         `json:"name_claim,omitempty"`
	Grants    []issuer.Grant `json:"grants"`
}

func signInOf(s directory.Settings) shownSignIn {
	out := shownSignIn{Version: s.Version, Grants: []issuer.Grant{}}
	if i := s.SignIn; i != nil {
		out.Issuer, out.ClientID, out.HasSecret, out.Scopes, out.NameClaim, out.Grants = i.Issuer, i.ClientID, len(i.Secret) > 0, i.Scopes, i.NameClaim, i.Grants
	}
	return out
}

// GetSignIn serves GET /v1/settings/sign-in.
func (h *Handler) GetSignIn(w http.ResponseWriter, r *http.Request) error {
	s, err := h.Directory.Settings(r.Context())
	if err != nil {
		return err
	}
	return answerSignIn(w, s)
}

func answerSignIn(w http.ResponseWriter, s directory.Settings) error {
	b, err := json.Marshal(signInOf(s))
	if err != nil {
		return err
	}
	w.Header().Set("ETag", directory.ETag(s.Version))
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
	return nil
}

// PutSignIn serves PUT /v1/settings/sign-in: {issuer, client_id, client_secret, scopes,
// name_claim, grants}. A blank client_secret keeps the stored one while issuer and client_id
// stay; a blank issuer turns signing in off. Every session of a person ends.
func (h *Handler) PutSignIn(w http.ResponseWriter, r *http.Request) error {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return problem.New(http.StatusBadRequest, "unreadable_body", "The request's body broke off.").Because(err)
	}
	var in struct {
		shownSignIn
		Secret string `json:"client_secret"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return problem.New(http.StatusBadRequest, "invalid_json", "The body must be an object with known fields only.").Because(err)
	}
	old, err := h.Directory.Settings(r.Context())
	if err != nil {
		return err
	}
	next := old
	next.SignIn = nil
	if in.Issuer != "" {
		s := &issuer.SignIn{Issuer: in.Issuer, ClientID: in.ClientID, Scopes: in.Scopes, NameClaim: in.NameClaim, Grants: in.Grants, Since: time.Now().UTC()}
		if fields := append(s.Check(h.AllowLoopback), h.resolve(r.Context(), s.Grants, "")...); len(fields) > 0 {
			p := problem.New(http.StatusUnprocessableEntity, "invalid_record", "Some fields are not valid.")
			p.Fields = fields
			return p
		}
		switch {
		case in.Secret != "":
			s.Secret = h.Keyring.Seal([]byte(in.Secret), "sign-in secret", s.Issuer, s.ClientID)
		case old.SignIn != nil && old.SignIn.Issuer == s.Issuer && old.SignIn.ClientID == s.ClientID:
			s.Secret = old.SignIn.Secret
		}
		next.SignIn = s
	}
	e := audit.Entry{Time: time.Now(), Action: "settings.update", Target: audit.Target{Type: "settings", Name: "sign_in"}, Outcome: audit.OK, RequestID: problem.RequestID(r.Context())}
	if p := access.FromContext(r.Context()); p != nil {
		e.Actor = audit.Actor{ID: p.ID, Name: p.Name}
	}
	if e.Before, e.After, err = audit.Changes(signInOf(old), signInOf(next)); err != nil {
		return err
	}
	s, err := h.Directory.WriteSettings(r.Context(), next, old.Version, e)
	if err != nil {
		return err
	}
	h.Changed(s)
	return answerSignIn(w, s)
}
