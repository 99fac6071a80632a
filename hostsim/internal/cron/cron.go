// Package cron knows when a cron expression is due: five fields (minute, hour, day
// of month, month, day of week), each "*", numbers, ranges, lists and steps, in UTC, as
// Cloudflare's cron triggers have them. When both day fields are restricted, a day
// that matches either is due (as in crontab(5)).
package cron

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/grantway/grantway/hostsim/internal/clock"
)

// ErrExpression reports a malformed expression.
var ErrExpression = errors.New("cron: malformed expression")

// Schedule is a parsed expression. Each field is a set of bits.
type Schedule struct {
	minute, hour, day, month, weekday uint64
	anyDay, anyWeekday                bool
}

// Parse reads an expression.
func Parse(expression string) (Schedule, error) {
	fields := strings.Fields(expression)
	if len(fields) != 5 {
		return Schedule{}, fmt.Errorf("%w: %d fields in place of 5", ErrExpression, len(fields))
	}
	s := Schedule{anyDay: fields[2] == "*", anyWeekday: fields[4] == "*"}
	for i, f := range []struct {
		to       *uint64
		low, top int
	}{{&s.minute, 0, 59}, {&s.hour, 0, 23}, {&s.day, 1, 31}, {&s.month, 1, 12}, {&s.weekday, 0, 7}} {
		set, err := parseField(fields[i], f.low, f.top)
		if err != nil {
			return Schedule{}, err
		}
		*f.to = set
	}
	if s.weekday&(1<<7) != 0 { // Sunday is 0 and 7
		s.weekday |= 1
	}
	return s, nil
}

func parseField(field string, low, top int) (set uint64, err error) {
	for part := range strings.SplitSeq(field, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
				return 0, fmt.Errorf("%w: step %q", ErrExpression, part)
			}
		}
		from, to := low, top
		if span != "*" {
			first, last, ranged := strings.Cut(span, "-")
			if from, err = strconv.Atoi(first); err != nil {
				return 0, fmt.Errorf("%w: %q", ErrExpression, part)
			}
			switch {
			case ranged:
				if to, err = strconv.Atoi(last); err != nil {
					return 0, fmt.Errorf("%w: %q", ErrExpression, part)
				}
			case !stepped:
				to = from
			}
		}
		if from < low || to > top || from > to {
			return 0, fmt.Errorf("%w: %q is not within %d-%d", ErrExpression, part, low, top)
		}
		for n := from; n <= to; n += step {
			set |= 1 << n
		}
	}
	return set, nil
}

// dueDay reports whether the day of t is one of the schedule's.
func (s Schedule) dueDay(t time.Time) bool {
	day, weekday := s.day&(1<<t.Day()) != 0, s.weekday&(1<<int(t.Weekday())) != 0
	if s.anyDay || s.anyWeekday {
		return day && weekday
	}
	return day || weekday
}

// searchYears is how far Next looks: every possible date comes within it.
const searchYears = 9

// Next is the first due minute after t; the zero time if there is none, as on 30
// February.
func (s Schedule) Next(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Minute).Add(time.Minute)
	for end := t.AddDate(searchYears, 0, 0); t.Before(end); {
		switch {
		case s.month&(1<<int(t.Month())) == 0:
			t = time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		case !s.dueDay(t):
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, time.UTC)
		case s.hour&(1<<t.Hour()) == 0:
			t = t.Truncate(time.Hour).Add(time.Hour)
		case s.minute&(1<<t.Minute()) == 0:
			t = t.Add(time.Minute)
		default:
			return t
		}
	}
	return time.Time{}
}

// Run calls f at each due time until ctx is done, never twice at once: a time that
// comes while f runs is left out.
func Run(ctx context.Context, c *clock.Clock, s Schedule, f func(context.Context)) {
	moved := make(chan struct{}, 1)
	defer c.OnAdvance(func() {
		select {
		case moved <- struct{}{}:
		default:
		}
	})()
	next := s.Next(c.Now())
	for !next.IsZero() {
		if wait := next.Sub(c.Now()); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			case <-moved:
				timer.Stop()
			}
			continue
		}
		f(ctx)
		if ctx.Err() != nil {
			return
		}
		next = s.Next(c.Now())
	}
	<-ctx.Done()
}
