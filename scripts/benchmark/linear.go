package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// warmRequests bring an instance to its working size before its memory is read.
const warmRequests = 2_000

// linearMemory sends many requests to one instance of the module and reads the size of its linear memory before and
// after, in bytes.
func linearMemory(ctx context.Context, config targetConfig, requests int) (before, after int64, err error) {
	p, err := startInProcess(ctx, config, 1, nil)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, p.stop(ctx)) }()
	t := &target{name: "one instance", url: p.url}
	if err := t.register(config); err != nil {
		return 0, 0, err
	}
	address := strings.TrimPrefix(t.url, "http://")
	l := load{address: address, requests: [][]byte{callRequest(address, t.path, config.Key)}, connections: 8}
	for _, step := range []struct {
		requests int
		into     *int64
	}{{warmRequests, &before}, {requests, &after}} {
		l.total = step.requests
		if _, err := l.run(ctx); err != nil {
			return 0, 0, err
		}
		*step.into = p.host.Stats().LinearMemory
	}
	fmt.Printf("soak     %-30s %d requests, linear memory %.1f MiB before, %.1f MiB after\n", t.name, requests, mebibytes(before), mebibytes(after))
	return before, after, nil
}

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
