package access_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/seal"
)

// KV at the edge goes on answering for up to a minute what it held. What an instance has ended itself does not
// begin again there.

const bootstrapKey = "the-bootstrap-key-of-this-test"

type noOrigin struct{}

func (noOrigin) FindKey(context.Context, string) (*access.Key, error) { return nil, access.ErrNoKey }
func (noOrigin) Bootstrap(context.Context) (access.Bootstrap, error)  { return access.Bootstrap{}, nil }

func newSessions(t *testing.T, p *memory.Platform) *access.Sessions {
	t.Helper()
	k, err := seal.NewKeyring(seal.GenerateKey())
	require.NoError(t, err)
	s := access.NewSessions(p, access.NewKeys(p, noOrigin{}), k)
	s.Secure = func(*http.Request) bool { return false }
	s.PeopleSince = func(context.Context) (time.Time, error) { return time.Unix(1, 0), nil }
	return s
}

func with(c *http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "http://127.0.0.1/", nil)
	if c != nil {
		r.AddCookie(c)
	}
	return r
}

// hide makes KV CONFIG answer as before it held these keys.
func hide(t *testing.T, p *memory.Platform, prefix string) {
	t.Helper()
	kv := p.KV(platform.Config)
	keys, _, err := kv.List(t.Context(), prefix, 10, "")
	require.NoError(t, err)
	require.NotEmpty(t, keys)
	for _, k := range keys {
		require.NoError(t, kv.Delete(t.Context(), k))
	}
}

func TestASessionThatWasSignedOutStaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		in  func(*access.Sessions) (*http.Cookie, error)
		out func(*access.Sessions, *http.Request, *access.Principal) (*http.Cookie, error)
		key string
	}{
		"one session": {
			func(s *access.Sessions) (*http.Cookie, error) {
				_, c, err := s.SignIn(with(nil), bootstrapKey)
				return c, err
			},
			func(s *access.Sessions, r *http.Request, p *access.Principal) (*http.Cookie, error) {
				return s.SignOut(r, p.Session())
			}, "session-ended/",
		},
		"every session of a person": {
			func(s *access.Sessions) (*http.Cookie, error) {
				return s.SignInPerson(with(nil), &access.Principal{ID: "jwt:one", Role: access.RoleAdmin})
			},
			func(s *access.Sessions, r *http.Request, p *access.Principal) (*http.Cookie, error) {
				return s.SignOutPerson(r, p)
			}, "person-left/",
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := memory.New(map[string]string{"GRANTWAY_ADMIN_KEY": bootstrapKey})
			s := newSessions(t, p)
			cookie, err := c.in(s)
			require.NoError(t, err, name)
			time.Sleep(time.Second)
			r := with(cookie)
			who, err := s.Authenticate(r)
			require.NoError(t, err, name)
			p.Wait()
			_, err = c.out(s, r, who)
			require.NoError(t, err, name)
			hide(t, p, c.key)
			for range 60 {
				_, err = s.Authenticate(with(cookie))
				assert.Error(t, err, name)
				p.Wait()
				time.Sleep(time.Second)
			}
		})
	}
}

func TestTheBootstrapKeyThatWasSwitchedOffStaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memory.New(map[string]string{"GRANTWAY_ADMIN_KEY": bootstrapKey})
		k := access.NewKeys(p, noOrigin{})
		kv := p.KV(platform.Config)
		require.NoError(t, kv.Put(t.Context(), access.KVBootstrap, []byte(`{"disabled":false,"version":7}`), 0))
		_, err := k.Verify(t.Context(), bootstrapKey)
		require.NoError(t, err)
		k.BootstrapEdited(access.Bootstrap{Disabled: true, Version: 8})
		for range 60 {
			_, err = k.Verify(t.Context(), bootstrapKey)
			assert.Error(t, err, "KV still says that it is on")
			p.Wait()
			time.Sleep(time.Second)
		}
		require.NoError(t, kv.Put(t.Context(), access.KVBootstrap, []byte(`{"disabled":false,"version":9}`), 0))
		time.Sleep(5 * time.Second)
		_, err = k.Verify(t.Context(), bootstrapKey)
		assert.NoError(t, err, "another instance has switched it on again")
		p.Wait()
	})
}
