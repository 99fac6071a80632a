package worker

import (
	"context"
	"net/http"
	"strings"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/admin"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/seal"
	"github.com/grantway/grantway/worker/usage"
)

// wireDirectory wires what the other owners' services are given: the sealing key,
// the way to the Directory, the trail.
func (g *Gateway) wireDirectory() *problem.Problem {
	if p := g.wireKeyring(); p != nil {
		return p
	}
	if g.platform.Env("GRANTWAY_ADMIN_KEY") == "" {
		return missing("GRANTWAY_ADMIN_KEY", "a long random text, by which the first administrator signs in")
	}
	g.directory = directory.NewClient(g.platform)
	g.source = registry.NewSource(g.platform, g.directory)
	g.keys = access.NewKeys(g.platform, g.directory)
	g.sessions = access.NewSessions(g.platform, g.keys, g.keyring)
	g.authenticator = g.sessions
	g.trail = &trail{
		audit: audit.NewRecorder(g.platform, g.directory),
		usage: usage.NewRecorder(g.platform, g.directory, g.keys.TakeUsed),
	}
	g.sessions.Refused = g.trail.refused
	g.objects[platform.Directory] = directory.NewObject(g.platform, g.keyring)
	g.chores = append(g.chores, g.directory.Keep)
	return nil
}

// wireAdmin wires the management API.
func (g *Gateway) wireAdmin() {
	g.admin = admin.New(admin.Config{
		Platform:      g.platform,
		Directory:     g.directory,
		Source:        g.source,
		Keys:          g.keys,
		Sessions:      g.sessions,
		Keyring:       g.keyring,
		Audit:         g.trail.audit,
		Usage:         g.trail.usage,
		AllowLoopback: g.settings.AllowLoopback,
		PurgeTokens: func(ctx context.Context, rec *registry.Record) error {
			if g.tokens.ByEpoch(rec) {
				return nil // no other record leads to them
			}
			_, err := g.tokens.Purge(ctx, rec)
			return err
		},
		SettingsChanged: g.settingsChanged,
	})
	g.routes["v1"] = g.admin
	g.routes["openapi.json"] = http.HandlerFunc(admin.OpenAPI)
}

// wireKeyring reads GRANTWAY_SEALING_KEY and GRANTWAY_SEALING_KEY_PREVIOUS.
func (g *Gateway) wireKeyring() *problem.Problem {
	if g.keyring != nil {
		return nil
	}
	if g.platform.Env("GRANTWAY_SEALING_KEY") == "" {
		return missing("GRANTWAY_SEALING_KEY", "32 random bytes in base64, such as `openssl rand -base64 32` prints")
	}
	var previous []string
	for s := range strings.SplitSeq(g.platform.Env("GRANTWAY_SEALING_KEY_PREVIOUS"), ",") {
		if s = strings.TrimSpace(s); s != "" {
			previous = append(previous, s)
		}
	}
	k, err := seal.NewKeyring(g.platform.Env("GRANTWAY_SEALING_KEY"), previous...)
	if err != nil {
		return problem.New(http.StatusServiceUnavailable, "misconfigured", "GRANTWAY_SEALING_KEY or GRANTWAY_SEALING_KEY_PREVIOUS is not usable: "+err.Error()+".")
	}
	g.keyring = k
	return nil
}

// missing is the problem of a variable that is not set.
func missing(variable, want string) *problem.Problem {
	return problem.New(http.StatusServiceUnavailable, "misconfigured", variable+" is not set. Set it to "+want+".")
}
