package settings_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/settings"
)

func load(t *testing.T, env map[string]string) *settings.Settings {
	t.Helper()
	s, problems := settings.Load(func(name string) string { return env[name] })
	require.Empty(t, problems)
	return s
}

func TestEveryVariableHasADefaultWithinItsBounds(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range settings.Table() {
		assert.True(t, strings.HasPrefix(v.Name, "GRANTWAY_"), v.Name)
		assert.True(t, v.Min <= v.Default && v.Default <= v.Max, v.Name)
		assert.NotEmpty(t, v.Description, v.Name)
		for _, name := range []string{v.Name, v.Alias} {
			assert.False(t, name != "" && seen[name], name)
			seen[name] = true
		}
	}
	for _, name := range []string{
		"MCP_OAUTH2_TOKEN_EXPIRY_BUFFER_SECONDS", "MCP_OAUTH2_TOKEN_CACHE_MAX_SIZE", "MCP_OAUTH2_TOKEN_CACHE_DEFAULT_TTL", "MCP_OAUTH2_TOKEN_CACHE_MIN_TTL",
	} {
		assert.True(t, seen[name], "LiteLLM's %s", name)
	}
	s := load(t, nil)
	assert.Equal(t, 10*time.Second, s.ExpiryMargin)
	assert.Equal(t, 64<<10, s.IdPBodyLimit)
	assert.False(t, s.AllowLoopback)
}

func TestEachVariableSetsItsOwnField(t *testing.T) {
	base := *load(t, nil)
	for _, v := range settings.Table() {
		value := strconv.FormatFloat(v.Min, 'f', -1, 64)
		if v.Min == v.Default {
			value = strconv.FormatFloat(v.Max, 'f', -1, 64)
		}
		changed := load(t, map[string]string{v.Name: value})
		assert.NotEqual(t, base, *changed, v.Name)
		if v.Alias != "" {
			assert.Equal(t, changed, load(t, map[string]string{v.Alias: value}), v.Alias)
			assert.Equal(t, changed, load(t, map[string]string{v.Alias: "3", v.Name: value}), "the own name wins over %s", v.Alias)
		}
	}
}

func TestAValueThatCannotBeUsedIsNamed(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"text":         {"GRANTWAY_IDP_TIMEOUT_SECONDS": "ten"},
		"NaN":          {"GRANTWAY_IDP_TIMEOUT_SECONDS": "NaN"},
		"infinite":     {"GRANTWAY_IDP_TIMEOUT_SECONDS": "Inf"},
		"too small":    {"GRANTWAY_IDP_TIMEOUT_SECONDS": "-1"},
		"too large":    {"GRANTWAY_IDP_TIMEOUT_SECONDS": "1e9"},
		"with a unit":  {"GRANTWAY_IDP_TIMEOUT_SECONDS": "10s"},
		"half a byte":  {"GRANTWAY_IDP_BODY_BYTES": "1024.5"},
		"a bad switch": {"GRANTWAY_ALLOW_LOOPBACK": "perhaps"},
		"by its alias": {"MCP_OAUTH2_TOKEN_CACHE_MAX_SIZE": "many"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := settings.Load(func(name string) string { return env[name] })
			require.Len(t, problems, 1)
			for variable := range env {
				assert.Contains(t, problems[0].Error(), variable)
			}
		})
	}
}

func TestValues(t *testing.T) {
	values := settings.Values(func(name string) string {
		if name == "GRANTWAY_BACKOFF_JITTER" {
			return "0.25"
		}
		return ""
	})
	assert.Len(t, values, len(settings.Table()))
	assert.Contains(t, values, settings.Value{Name: "GRANTWAY_BACKOFF_JITTER", Value: "0.25", Default: "0.2", Description: "Part of a pause by which it is made longer at random."})
}
