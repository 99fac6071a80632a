package hostsim

import (
	"fmt"

	"github.com/grantway/grantway/hostsim/internal/ratelimit"
)

// permits makes the rate limiters of the configuration.
func (c *config) permits() (func(binding, key string) (permitted, exists bool), error) {
	limiters := map[string]*ratelimit.Limiter{}
	for name, r := range c.limits {
		l, err := ratelimit.New(r.Limit, r.Period, c.clock)
		if err != nil {
			return nil, fmt.Errorf("hostsim: rate limit %s: %w", name, err)
		}
		limiters[name] = l
	}
	return func(binding, key string) (bool, bool) {
		l := limiters[binding]
		if l == nil {
			return false, false
		}
		return l.Permit(key), true
	}, nil
}
