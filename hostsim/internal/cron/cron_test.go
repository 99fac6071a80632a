package cron_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/hostsim/internal/clock"
	"github.com/grantway/grantway/hostsim/internal/cron"
)

func TestNext(t *testing.T) {
	const from = "2026-11-24 20:27:30" // a Tuesday
	for _, tc := range []struct{ expression, want string }{
		{"* * * * *", "2026-11-24 20:28"},
		{"*/5 * * * *", "2026-11-24 20:30"},
		{"1 * * * *", "2026-11-24 21:01"},
		{"0 4 * * *", "2026-11-25 04:00"},
		{"27 20 * * *", "2026-11-25 20:27"},
		{"0 0 1 * *", "2026-12-01 00:00"},
		{"0 0 1 1 *", "2027-01-01 00:00"},
		{"0 12 * * 1-5", "2026-11-25 12:00"},
		{"0 12 * * 0", "2026-11-29 12:00"},
		{"0 12 * * 7", "2026-11-29 12:00"},
		{"0 12 26 * 3", "2026-11-25 12:00"},
		{"0 12 26 * 5", "2026-11-26 12:00"},
		{"15,45 8-18/2 * * *", "2026-11-25 08:15"},
		{"50/5 20 * * *", "2026-11-24 20:50"},
		{"0 0 29 2 *", "2028-02-29 00:00"},
		{"0 0 31 2 *", ""},
	} {
		s, err := cron.Parse(tc.expression)
		require.NoError(t, err, tc.expression)
		at, err := time.Parse(time.DateTime, from)
		require.NoError(t, err)
		got := ""
		if next := s.Next(at); !next.IsZero() {
			got = next.Format("2006-01-02 15:04")
		}
		assert.Equal(t, tc.want, got, tc.expression)
	}
}

func TestMalformedExpressions(t *testing.T) {
	for _, e := range []string{"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
		"a * * * *", "5-1 * * * *", "*/0 * * * *", "1- * * * *", "-1 * * * *", ", * * * *", "@daily"} {
		_, err := cron.Parse(e)
		require.ErrorIs(t, err, cron.ErrExpression, e)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("*/5 * * * *")
	f.Add("0 12 1-7,15 */2 1-5/2")
	f.Fuzz(func(t *testing.T, expression string) {
		s, err := cron.Parse(expression)
		if err != nil {
			require.ErrorIs(t, err, cron.ErrExpression)
			return
		}
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		if next := s.Next(at); !next.IsZero() {
			require.True(t, next.After(at))
		}
	})
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := cron.Parse("*/10 * * * *")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		runs, ended := 0, make(chan struct{})
		go func() {
			cron.Run(ctx, clock.New(), s, func(context.Context) {
				runs++
				time.Sleep(15 * time.Minute) // the time that comes meanwhile is left out
			})
			close(ended)
		}()
		time.Sleep(61 * time.Minute)
		synctest.Wait()
		cancel()
		<-ended
		require.Equal(t, 3, runs)
	})
}

func TestRunFollowsAMovedClock(t *testing.T) {
	s, err := cron.Parse("0 4 * * *")
	require.NoError(t, err)
	c, ran := clock.New(), make(chan struct{}, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		cron.Run(ctx, c, s, func(context.Context) { ran <- struct{}{} })
		close(ended)
	}()
	require.Eventually(t, func() bool { // the goroutine may not have looked at the clock yet
		c.Advance(24 * time.Hour)
		return len(ran) > 0
	}, time.Minute, time.Millisecond)
	cancel()
	<-ended
}
