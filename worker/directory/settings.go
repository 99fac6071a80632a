package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/issuer"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

// keySettings holds the Settings.
const keySettings = "settings"

// Settings are what an administrator sets through the API.
type Settings struct {
	Version              int64     `json:"version"`
	BootstrapKeyDisabled bool      `json:"bootstrap_key_disabled"`
	AuditRetentionDays   int       `json:"audit_retention_days"`
	UsageRetentionDays   int       `json:"usage_retention_days"`
	PublicURL            string    `json:"public_url,omitempty"`
	Currency             string    `json:"currency,omitempty"`
	BootstrapSignedIn    time.Time `json:"bootstrap_signed_in_since"` // sessions of the bootstrap key before it have ended

	Issuers []issuer.Issuer `json:"jwt_issuers,omitempty"` // whose access tokens are accepted
	SignIn  *issuer.SignIn  `json:"sign_in,omitempty"`     // where people sign in to the UI
}

// DefaultSettings are in force until the first change.
func DefaultSettings() Settings { return Settings{AuditRetentionDays: 90, UsageRetentionDays: 400} }

type (
	nothing    struct{}
	settingsIn struct {
		Settings Settings
		Expect   int64
		Audit    []audit.Entry
	}
)

// Settings answers the settings.
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	return call[Settings](ctx, c, "settings.get", true, nothing{})
}

// WriteSettings changes the settings whose version is expect.
func (c *Client) WriteSettings(ctx context.Context, s Settings, expect int64, entries ...audit.Entry) (Settings, error) {
	return call[Settings](ctx, c, "settings.write", false, settingsIn{s, expect, entries})
}

// Bootstrap answers the state of the bootstrap key.
func (c *Client) Bootstrap(ctx context.Context) (access.Bootstrap, error) {
	s, err := c.Settings(ctx)
	return s.Bootstrap(), err
}

// Bootstrap is what the settings say of the bootstrap key.
func (s Settings) Bootstrap() access.Bootstrap {
	return access.Bootstrap{Disabled: s.BootstrapKeyDisabled, SignedInSince: s.BootstrapSignedIn, Version: s.Version}
}

func (t *transaction) settings(ctx context.Context) (Settings, error) {
	b, err := t.get(ctx, keySettings)
	if err != nil {
		return Settings{}, err
	}
	return parseSettings(b)
}

func parseSettings(b []byte) (Settings, error) {
	s := DefaultSettings()
	if b == nil {
		return s, nil
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("directory: settings: %w", err)
	}
	return s, nil
}

func (o *Object) getSettings(ctx context.Context, st platform.Storage, _ nothing) (Settings, error) {
	b, err := get(ctx, st, keySettings)
	if err != nil {
		return Settings{}, err
	}
	return parseSettings(b)
}

func (o *Object) writeSettings(ctx context.Context, st platform.Storage, in settingsIn) (Settings, error) {
	var s Settings
	err := o.alter(ctx, st, in.Audit, func(t *transaction, seq int64, _ *change) error {
		old, err := t.settings(ctx)
		if err != nil {
			return err
		}
		if old.Version != in.Expect {
			return conflict(old.Version)
		}
		s = in.Settings
		s.Version = seq
		if s.BootstrapKeyDisabled && !old.BootstrapKeyDisabled {
			n, err := o.otherAdmins(ctx, st, nil, time.Now())
			if err != nil {
				return err
			}
			if n == 0 {
				return problem.New(http.StatusConflict, "last_admin", "Make an admin key first: with the bootstrap key disabled nobody could administer the gateway.")
			}
		}
		b, err := json.Marshal(s)
		if err != nil {
			return err
		}
		t.put(keySettings, b)
		t.put(keyOutboxBootstrap, formatSeq(seq))
		return nil
	})
	if err != nil {
		return Settings{}, err
	}
	return s, nil
}
