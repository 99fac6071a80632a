package admin

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/schema"
	"github.com/grantway/grantway/worker/settings"
)

// plainSettings are the settings that can be changed.
type plainSettings struct {
	BootstrapKeyDisabled bool   `json:"bootstrap_key_disabled"`
	AuditRetentionDays   int    `json:"audit_retention_days"`
	UsageRetentionDays   int    `json:"usage_retention_days"`
	PublicURL            string `json:"public_url"`
	Currency             string `json:"currency"`
}

func plain(s directory.Settings) plainSettings {
	return plainSettings{s.BootstrapKeyDisabled, s.AuditRetentionDays, s.UsageRetentionDays, s.PublicURL, s.Currency}
}

type settingsAnswer struct {
	Version int64 `json:"version"`
	plainSettings
	Sealing     sealingAnswer    `json:"sealing"`
	Environment []settings.Value `json:"environment"`
}

type sealingAnswer struct {
	CurrentKeyID   string         `json:"current_key_id"`
	SecretsByKeyID map[string]int `json:"secrets_by_key_id"`
	Reseal         resealAnswer   `json:"reseal"`
}

type resealAnswer struct {
	State      string                    `json:"state"`
	Done       int                       `json:"done"`
	Total      int                       `json:"total"`
	Failed     []directory.ResealFailure `json:"failed"`
	StartedAt  *time.Time                `json:"started_at"`
	FinishedAt *time.Time                `json:"finished_at"`
}

func shownReseal(s directory.Reseal) resealAnswer {
	return resealAnswer{s.State, s.Done, s.Total, s.Failed, s.StartedAt, s.FinishedAt}
}

func (a *API) showSettings(w http.ResponseWriter, r *http.Request, s directory.Settings) error {
	state, byKey, err := a.Directory.Reseal(r.Context())
	if err != nil {
		return err
	}
	out := settingsAnswer{
		Version: s.Version, plainSettings: plain(s),
		Sealing:     sealingAnswer{SecretsByKeyID: byKey, Reseal: shownReseal(state)},
		Environment: settings.Values(a.Platform.Env),
	}
	if a.Keyring != nil {
		out.Sealing.CurrentKeyID = a.Keyring.KeyID()
	}
	return answerVersion(w, http.StatusOK, s.Version, out)
}

func (a *API) getSettings(w http.ResponseWriter, r *http.Request) error {
	s, err := a.Directory.Settings(r.Context())
	if err != nil {
		return err
	}
	return a.showSettings(w, r, s)
}

func (a *API) updateSettings(w http.ResponseWriter, r *http.Request) error {
	var in map[string]json.RawMessage
	if err := readAs(r, "Settings", schema.Change, &in); err != nil {
		return err
	}
	s, err := a.changeSettings(r, "", func(s directory.Settings) any { return plain(s) }, func(s *directory.Settings) error {
		usual := directory.DefaultSettings()
		for name, field := range map[string]struct{ field, usual any }{
			"bootstrap_key_disabled": {&s.BootstrapKeyDisabled, usual.BootstrapKeyDisabled},
			"audit_retention_days":   {&s.AuditRetentionDays, usual.AuditRetentionDays},
			"usage_retention_days":   {&s.UsageRetentionDays, usual.UsageRetentionDays},
			"public_url":             {&s.PublicURL, ""},
			"currency":               {&s.Currency, ""},
		} {
			raw, sent := in[name]
			if !sent {
				continue
			}
			if string(raw) == "null" {
				var err error
				if raw, err = json.Marshal(field.usual); err != nil {
					return err
				}
			}
			if err := json.Unmarshal(raw, field.field); err != nil {
				return err
			}
		}
		if u, err := url.Parse(s.PublicURL); s.PublicURL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
			return invalid([]problem.Field{{Path: "public_url", Code: "invalid_url", Message: "Must be an absolute http or https URL."}})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.showSettings(w, r, s)
}

// changeSettings changes a part of the settings, which the audit log names and shows by shown; again if somebody else's
// change came in between and the request has no If-Match.
func (a *API) changeSettings(r *http.Request, part string, shown func(directory.Settings) any, change func(*directory.Settings) error) (directory.Settings, error) {
	for try := 1; ; try++ {
		old, err := a.Directory.Settings(r.Context())
		if err != nil {
			return old, err
		}
		conditional, err := ifMatch(r, old.Version)
		if err != nil {
			return old, err
		}
		next := old
		if err := change(&next); err != nil {
			return old, err
		}
		e, err := changed(entry(r, "settings.update", audit.Target{Type: "settings", Name: part}), shown(old), shown(next))
		if err != nil {
			return old, err
		}
		s, err := a.Directory.WriteSettings(r.Context(), next, old.Version, e)
		if conflicted(err) && !conditional && try < editTries {
			continue
		}
		if err == nil {
			a.SettingsChanged(s)
		}
		return s, err
	}
}

func (a *API) getReseal(w http.ResponseWriter, r *http.Request) error {
	state, _, err := a.Directory.Reseal(r.Context())
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, shownReseal(state))
}

func (a *API) startReseal(w http.ResponseWriter, r *http.Request) error {
	state, err := a.Directory.StartReseal(r.Context(), entry(r, "settings.reseal", audit.Target{Type: "settings"}))
	if err != nil {
		return err
	}
	return answer(w, http.StatusAccepted, shownReseal(state))
}

func (a *API) republish(w http.ResponseWriter, r *http.Request) error {
	servers, keys, err := a.Directory.Republish(r.Context())
	if err != nil {
		return err
	}
	a.Audit.Record(r.Context(), entry(r, "settings.republish", audit.Target{Type: "settings"}))
	return answer(w, http.StatusAccepted, map[string]int{"servers": servers, "keys": keys})
}
