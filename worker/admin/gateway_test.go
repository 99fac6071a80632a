package admin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker"
	"github.com/grantway/grantway/worker/openapi/conform"
	"github.com/grantway/grantway/worker/platform/gocrypto"
	"github.com/grantway/grantway/worker/platform/memory"
)

const (
	adminKey   = "bootstrap-key-of-this-test"
	sealingKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

// gateway is one instance on an in-memory platform. Every answer that it gives to
// do is checked against /openapi.json.
type gateway struct {
	t testing.TB
	*memory.Platform
	program *worker.Gateway
}

func newGateway(t testing.TB) *gateway {
	t.Helper()
	p := memory.New(map[string]string{"GRANTWAY_ADMIN_KEY": adminKey, "GRANTWAY_SEALING_KEY": sealingKey})
	p.Signer = &gocrypto.Crypto{}
	g := &gateway{t: t, Platform: p, program: worker.New(p)}
	p.Objects = g.program
	t.Cleanup(p.Wait)
	return g
}

// another answers a second instance of the gateway on the same stores, with
// environment variables of its own (name, value pairs).
func (g *gateway) another(vars ...string) *gateway {
	env := map[string]string{}
	for k, v := range g.Vars {
		env[k] = v
	}
	for i := 0; i < len(vars); i += 2 {
		env[vars[i]] = vars[i+1]
	}
	return &gateway{t: g.t, Platform: g.Platform, program: worker.New(instance{g.Platform, env})}
}

// instance is the shared platform with an environment of its own.
type instance struct {
	*memory.Platform
	env map[string]string
}

func (i instance) Env(name string) string { return i.env[name] }

type reply struct {
	*http.Response
	t    testing.TB
	text string
}

// json answers the reply's body as an object.
func (r reply) json() map[string]any {
	r.t.Helper()
	var m map[string]any
	require.NoError(r.t, json.Unmarshal([]byte(r.text), &m), r.text)
	return m
}

// code answers the problem's code.
func (r reply) code() string {
	r.t.Helper()
	e, _ := r.json()["error"].(map[string]any)
	s, _ := e["code"].(string)
	return s
}

// fields answers the problem's fields, path → code.
func (r reply) fields() map[string]string {
	r.t.Helper()
	e, _ := r.json()["error"].(map[string]any)
	list, _ := e["fields"].([]any)
	out := map[string]string{}
	for _, f := range list {
		m := f.(map[string]any)
		out[m["path"].(string)] = m["code"].(string)
	}
	return out
}

// do sends a request with the bootstrap key; headers are name, value pairs.
func (g *gateway) do(method, path, body string, headers ...string) reply {
	g.t.Helper()
	r := httptest.NewRequest(method, "https://gateway.test"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+adminKey)
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	g.program.ServeHTTP(w, r)
	res := w.Result()
	b, err := io.ReadAll(res.Body)
	require.NoError(g.t, err)
	out := reply{res, g.t, string(b)}
	if plain, _, _ := strings.Cut(path, "?"); strings.HasPrefix(plain, "/v1/") {
		assert.NoError(g.t, conform.Check(method, plain, out.StatusCode, out.Header, b))
	}
	return out
}

// must is do for a request that has to succeed.
func (g *gateway) must(status int, method, path, body string, headers ...string) reply {
	g.t.Helper()
	r := g.do(method, path, body, headers...)
	require.Equal(g.t, status, r.StatusCode, "%s %s: %s", method, path, r.text)
	return r
}

// create creates a server and answers its record.
func (g *gateway) create(body string) map[string]any {
	g.t.Helper()
	return g.must(http.StatusCreated, "POST", "/v1/mcp/server", body).json()
}
