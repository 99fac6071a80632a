package directory

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecalledSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now, failure := Settings{PublicURL: "https://one.example.com"}, error(nil)
		r := NewRecalledSettings(func(context.Context) (Settings, error) { return now, failure },
			func(ctx context.Context, f func(context.Context)) { go f(context.WithoutCancel(ctx)) })
		get := func() string {
			t.Helper()
			s, err := r.Get(t.Context())
			require.NoError(t, err)
			return s.PublicURL
		}
		assert.Equal(t, "https://one.example.com", get())
		now.PublicURL = "https://two.example.com"
		time.Sleep(settingsStale)
		assert.Equal(t, "https://two.example.com", get(), "an instance that was idle does not answer what was before")

		failure = errors.New("down")
		time.Sleep(settingsKept - time.Second)
		assert.Equal(t, "https://two.example.com", get(), "while the Directory is down")
		time.Sleep(settingsStale)
		_, err := r.Get(t.Context())
		assert.Error(t, err, "not for ever")

		r.Put(Settings{PublicURL: "https://three.example.com"})
		assert.Equal(t, "https://three.example.com", get())
	})
}

// TestSettingsOfADirectoryThatHangs: a caller waits for it for a limited time.
func TestSettingsOfADirectoryThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRecalledSettings(func(ctx context.Context) (Settings, error) {
			<-ctx.Done()
			return Settings{}, ctx.Err()
		}, func(ctx context.Context, f func(context.Context)) { go f(context.WithoutCancel(ctx)) })
		r.Put(Settings{Currency: "EUR"})
		time.Sleep(settingsStale)
		began := time.Now()
		s, err := r.Get(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "EUR", s.Currency)
		assert.Equal(t, settingsWait, time.Since(began))
	})
}
