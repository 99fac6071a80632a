package token_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/metrics"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/token"
)

// orphaning is a platform on which the first background work belongs to a request that is no more.
type orphaning struct {
	*memory.Platform
	used atomic.Bool
}

func (p *orphaning) Background(ctx context.Context, f func(context.Context)) {
	if p.used.Swap(true) {
		p.Platform.Background(ctx, f)
		return
	}
	p.Platform.Background(ctx, func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		f(ctx)
	})
}

// What a request begins that is no more, for itself and all who join, ends with it: nobody else is answered with that failure.
func TestWorkOfARequestThatIsNoMore(t *testing.T) {
	for name, edit := range map[string]func(*registry.Record){
		"a token":   func(*registry.Record) {},
		"discovery": func(r *registry.Record) { r.TokenURL, r.Issuer = "", "https://idp.example.com" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.platform.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
					if strings.HasPrefix(r.URL.Path, "/.well-known/oauth-authorization-server") && r.Context().Err() == nil {
						return reply(200, "application/json", `{"issuer":"https://idp.example.com","token_endpoint":"`+tokenURL+`"}`), nil
					}
					return w.network(r)
				})
				p := &orphaning{Platform: w.platform}
				e := token.New(token.Config{Platform: p, Keyring: w.keyring, Settings: w.settings, Metrics: metrics.New(), Audit: w})
				w.instance() // serves the objects
				status, body, err := call(e, w.record(edit))
				require.NoError(t, err)
				assert.Equal(t, http.StatusOK, status)
				assert.Equal(t, "token-1", body)
				assert.Equal(t, 1, w.mintCount())
				w.platform.Wait()
			})
		})
	}
}
