package directory

import (
	"context"
	"errors"
	"time"

	"github.com/grantway/grantway/worker/platform"
)

// Keep is the Directory's housekeeping: it finishes interrupted publications and
// re-sealing, and takes away what is older than its retention. Twice at once is safe.
func (c *Client) Keep(ctx context.Context) error {
	_, err := call[nothing](ctx, c, "keep", true, nothing{})
	return err
}

func (o *Object) keep(ctx context.Context, st platform.Storage, _ nothing) (nothing, error) {
	s, err := o.getSettings(ctx, st, nothing{})
	if err != nil {
		return nothing{}, err
	}
	var errs []error
	// A gateway that publishes in another form than the last one writes everything anew.
	if form, err := get(ctx, st, keyForm); err != nil {
		errs = append(errs, err)
	} else if string(form) != publishedForm {
		if _, err := o.republish(ctx, st, nothing{}); err != nil {
			errs = append(errs, err)
		}
	}
	if err := o.drain(ctx, st); err != nil {
		errs = append(errs, unavailable().Because(err))
	}
	now := time.Now()
	day := 24 * time.Hour
	if _, err := o.trimAudit(ctx, st, trimIn{now.Add(-time.Duration(s.AuditRetentionDays) * day)}); err != nil {
		errs = append(errs, err)
	}
	if err := o.trimUsage(ctx, st, now, time.Duration(s.UsageRetentionDays)*day); err != nil {
		errs = append(errs, err)
	}
	o.runReseal(ctx, st)
	return nothing{}, errors.Join(errs...)
}
