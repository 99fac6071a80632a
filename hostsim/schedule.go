package hostsim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"

	"github.com/grantway/grantway/hostsim/internal/cron"
	"github.com/grantway/grantway/hostsim/internal/instance"
	"github.com/grantway/grantway/wasm/abi"
)

// ErrScheduled reports scheduled work that the guest did not complete.
var ErrScheduled = errors.New("hostsim: scheduled work failed")

// RunScheduled runs the guest's scheduled work now and waits for its end. It does
// what the schedule does at its times.
func (h *Host) RunScheduled(ctx context.Context) error { return h.runScheduled(ctx, "* * * * *") }

func (h *Host) runScheduled(ctx context.Context, expression string) error {
	h.inflight.add()
	defer h.inflight.done()
	done := make(chan error, 1)
	r := &instance.Request{
		Kind: abi.KindScheduled,
		Meta: "CRON https://cron.invalid/?at=" + strconv.FormatInt(h.clock.Now().UnixMilli(), 10) +
			"\n\n\ncron:" + expression,
		Client: &scheduled{done: done},
	}
	if err := h.pool.serve(r, ""); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		r.Cancel()
		return ctx.Err()
	}
}

// scheduled waits for the end of scheduled work; a response of 400 or above is a failure.
type scheduled struct {
	once sync.Once
	done chan error
	err  error
}

func (s *scheduled) Respond(res instance.Response) {
	if res.Stream != nil {
		_ = res.Stream.Close()
	}
	if res.Status >= 400 {
		s.err = fmt.Errorf("%w: status %d", ErrScheduled, res.Status)
	}
}

func (s *scheduled) Write(p instance.Piece) { p.Settle("") }
func (s *scheduled) End()                   { s.once.Do(func() { s.done <- s.err }) }
func (s *scheduled) Fail(code abi.ErrorCode) {
	s.once.Do(func() { s.done <- fmt.Errorf("%w: %s", ErrScheduled, code) })
}

// startSchedule runs each expression at its times until the host is released.
func (h *Host) startSchedule(expressions []string) error {
	var schedules []cron.Schedule
	for _, e := range expressions {
		s, err := cron.Parse(e)
		if err != nil {
			return fmt.Errorf("hostsim: schedule %q: %w", e, err)
		}
		schedules = append(schedules, s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for i, s := range schedules {
		running.Go(func() {
			cron.Run(ctx, h.clock, s, func(ctx context.Context) {
				if h.stopped.Load() {
					return
				}
				if err := h.runScheduled(ctx, expressions[i]); err != nil && ctx.Err() == nil {
					h.pool.log.Host(int(slog.LevelError), "scheduled work failed", "cron", expressions[i], "error", err.Error())
				}
			})
		})
	}
	h.scheduler = func() { cancel(); running.Wait() }
	return nil
}
