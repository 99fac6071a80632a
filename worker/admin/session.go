package admin

import (
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/schema"
)

type sessionAnswer struct {
	ID         string          `json:"id"`
	Principal  principalAnswer `json:"principal"`
	CreatedAt  time.Time       `json:"created_at"`
	ExpiresAt  time.Time       `json:"expires_at"`
	CSRFHeader string          `json:"csrf_header"`
}

type principalAnswer struct {
	ID    string      `json:"id"`
	KeyID string      `json:"key_id,omitempty"`
	Name  string      `json:"name"`
	Role  access.Role `json:"role"`
}

func shownSession(p *access.Principal) sessionAnswer {
	s := p.Session()
	return sessionAnswer{s.ID, principalAnswer{p.ID, p.KeyID, p.Name, p.Role}, s.CreatedAt, s.ExpiresAt, access.CSRFHeader}
}

// signIn is for anyone: it checks the key itself.
func (a *API) signIn(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Key string `json:"key"`
	}
	if err := readAs(r, "SignIn", schema.Whole, &in); err != nil {
		return err
	}
	p, cookie, err := a.Sessions.SignIn(r, in.Key)
	if err != nil {
		e, derr := detailed(entry(r, "session.create", audit.Target{Type: "session"}), map[string]string{"code": problem.From(err).Code})
		if derr == nil {
			a.Audit.RecordRefused(r.Context(), e, problem.From(err).Code)
		}
		return err
	}
	e := entry(r, "session.create", audit.Target{Type: "session", Name: p.Name})
	e.Actor.ID, e.Actor.Name = p.ID, p.Name
	a.Audit.Record(r.Context(), e)
	http.SetCookie(w, cookie)
	w.Header().Set("Cache-Control", "no-store")
	return answer(w, http.StatusOK, shownSession(p))
}

func (a *API) getSession(w http.ResponseWriter, r *http.Request) error {
	p := access.FromContext(r.Context())
	if p.Session() == nil {
		return problem.New(http.StatusNotFound, "no_session", "This request presents a key, not a session.")
	}
	return answer(w, http.StatusOK, shownSession(p))
}

func (a *API) signOut(w http.ResponseWriter, r *http.Request) error {
	q := query{r: r}
	everywhere := q.flag("everywhere")
	if err := q.done(); err != nil {
		return err
	}
	p := access.FromContext(r.Context())
	e := entry(r, "session.delete", audit.Target{Type: "session", Name: p.Name})
	if everywhere != nil && *everywhere && (p.Session() == nil || p.Session().Person == nil) {
		var err error
		if e, err = detailed(e, map[string]bool{"everywhere": true}); err != nil {
			return err
		}
		if err := a.endSessions(r, p, e); err != nil {
			return err
		}
		http.SetCookie(w, a.Sessions.RemovalCookie(r))
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if p.Session() == nil {
		return problem.New(http.StatusNotFound, "no_session", "This request presents a key, not a session.")
	}
	var cookie *http.Cookie
	var err error
	if everywhere != nil && *everywhere {
		cookie, err = a.Sessions.SignOutPerson(r, p)
	} else {
		cookie, err = a.Sessions.SignOut(r, p.Session())
	}
	if err != nil {
		return err
	}
	a.Audit.Record(r.Context(), e)
	http.SetCookie(w, cookie)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// endSessions ends every session of the principal's key.
func (a *API) endSessions(r *http.Request, p *access.Principal, e audit.Entry) error {
	for try := 1; ; try++ {
		now := time.Now().UTC()
		var err error
		if p.KeyID == "" {
			var s directory.Settings
			if s, err = a.Directory.Settings(r.Context()); err != nil {
				return err
			}
			s.BootstrapSignedIn = now
			if s, err = a.Directory.WriteSettings(r.Context(), s, s.Version, e); err == nil {
				a.SettingsChanged(s)
				return nil
			}
		} else {
			old, _, gerr := a.Directory.GetKey(r.Context(), p.KeyID)
			if gerr != nil {
				return gerr
			}
			k := *old
			k.SignedInSince = now
			var written directory.KeysWritten
			if written, err = a.Directory.WriteKeys(r.Context(), []directory.KeyWrite{{Key: &k, Expect: old.Version}}, e); err == nil {
				a.Keys.Edited(old, written.After[0], written.Seq)
				return nil
			}
		}
		if !conflicted(err) || try == editTries {
			return err
		}
	}
}
