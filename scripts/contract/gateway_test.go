package contract

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hostName is the host under test.
var hostName = func() string {
	if name := os.Getenv("CONTRACT_HOST"); name != "" {
		return name
	}
	return "memory"
}()

// patience is how long a case waits for what must come. It is for a busy machine; the bounds that the documentation gives are
// checked, on a clock of their own, by the tests of the packages that keep them.
const patience = 2 * time.Minute

// gateway is a running gateway.
type gateway struct {
	url      string
	adminKey string
	// instances of the program that may serve, at most.
	instances int
	// moduleHash is the SHA-256 of the module that runs, in hexadecimal.
	moduleHash string
}

var shared struct {
	sync.Mutex
	gateway *gateway
	stop    func() error
}

// theGateway is one gateway for all tests that do not need one of their own.
func theGateway(t *testing.T) *gateway {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.gateway == nil {
		shared.gateway, shared.stop = startGateway(t, goodEnvironment())
	}
	return shared.gateway
}

func TestMain(m *testing.M) {
	status := m.Run()
	if status == 0 {
		for _, line := range notCovered() {
			fmt.Fprintln(os.Stderr, "not covered:", line)
			status = 1
		}
	}
	for _, stop := range []func() error{shared.stop, common.stop, realms.stop, removeCommand} {
		if stop == nil {
			continue
		}
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the gateway:", err)
			status = 1
		}
	}
	os.Exit(status)
}

// goodEnvironment is a complete one, with new keys.
func goodEnvironment() map[string]string {
	sealingKey := make([]byte, 32)
	rand.Read(sealingKey)
	return map[string]string{
		"GRANTWAY_SEALING_KEY":    base64.StdEncoding.EncodeToString(sealingKey),
		"GRANTWAY_ADMIN_KEY":      "gw_" + rand.Text() + rand.Text(),
		"GRANTWAY_ALLOW_LOOPBACK": "true",
		// Instances hear of a purge elsewhere after these.
		"GRANTWAY_FAILURE_RECHECK_SECONDS": "0.1",
		"GRANTWAY_TOKEN_RECHECK_SECONDS":   "1",
	}
}

// startGateway starts a gateway with this environment and nothing else.
func startGateway(t *testing.T, environment map[string]string) (*gateway, func() error) {
	t.Helper()
	g := &gateway{adminKey: environment["GRANTWAY_ADMIN_KEY"], instances: 1}
	switch hostName {
	case "memory":
		return g, g.startMemory(environment)
	case "hostsim":
		return g, g.startHostsim(t, environment)
	case "workerd":
		return g, g.startWorkerd(t, environment)
	default:
		require.FailNow(t, "unknown host", "CONTRACT_HOST=%s", hostName)
		return nil, nil
	}
}

// answer of the gateway.
type answer struct {
	*http.Response
	text []byte
}

func (a answer) object(t *testing.T) map[string]any {
	t.Helper()
	out := make(map[string]any)
	require.NoError(t, json.Unmarshal(a.text, &out), "%s", a.text)
	return out
}

// problem checks the shape of an error and answers its code.
func (a answer) problem(t *testing.T) string {
	t.Helper()
	assert.Equal(t, "application/json", a.Header.Get("Content-Type"))
	problem, ok := a.object(t)["error"].(map[string]any)
	require.True(t, ok, "%s", a.text)
	for _, member := range []string{"code", "message", "request_id"} {
		assert.NotEmpty(t, problem[member], member)
	}
	code, _ := problem["code"].(string)
	assert.Regexp(t, "^[a-z0-9_]+$", code)
	return code
}

// send a request; body may be nil, text or anything that encodes to JSON. Headers are names and values in turn.
func (g *gateway) send(ctx context.Context, method, path string, body any, headers ...string) (answer, error) {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = bytes.NewReader([]byte(b))
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		reader = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, g.url+path, reader)
	if err != nil {
		return answer{}, err
	}
	if reader != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
	}
	response, err := observed(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil {
		misfits.check(request, response, text)
	}
	return answer{response, text}, err
}

// anonymous sends without a key.
func (g *gateway) anonymous(t *testing.T, method, path string, body any, headers ...string) answer {
	t.Helper()
	a, err := g.send(t.Context(), method, path, body, headers...)
	require.NoError(t, err)
	return a
}

// admin sends with the administrator's key.
func (g *gateway) admin(t *testing.T, method, path string, body any, headers ...string) answer {
	t.Helper()
	return g.anonymous(t, method, path, body, append([]string{"Authorization", "Bearer " + g.adminKey}, headers...)...)
}

// connect an MCP client, as a caller with this key does it.
func (g *gateway) connect(t *testing.T, path, key string) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "contract", Version: "1.0.0"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: g.url + path, HTTPClient: &http.Client{Transport: callerTransport(key)}, DisableStandaloneSSE: true,
	}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { session.Close() })
	return session
}

// callerTransport adds a caller's key and other things that must not reach the upstream.
type callerTransport string

func (key callerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(key))
	r.Header.Set("Cookie", "caller-cookie=1")
	r.Header.Set("X-Caller-Secret", "caller-secret")
	return observed(r)
}
