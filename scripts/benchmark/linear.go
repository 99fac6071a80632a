package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	host "github.com/grantway/grantway/hostsim"
)

// warmRequests bring an instance to its working size before its memory is read.
const warmRequests = 2_000

// linearMemory sends many requests to one instance of the module, on hostsim in this process, and reads the size of its
// linear memory before and after, in bytes.
func linearMemory(ctx context.Context, config targetConfig, requests int) (before, after int64, err error) {
	module, err := os.ReadFile(config.Module)
	if err != nil {
		return 0, 0, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return 0, 0, err
	}
	h, err := host.Open(ctx, module,
		host.WithEnv(map[string]string{
			"GRANTWAY_ADMIN_KEY": config.Key, "GRANTWAY_SEALING_KEY": config.SealingKey, "GRANTWAY_ALLOW_LOOPBACK": "true",
		}),
		host.WithInstances(1), host.WithRecycling(0, 0),
		host.WithCompileCache(filepath.Join(cache, "grantway", "wazero")), host.WithLog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, h.Close(context.WithoutCancel(ctx))) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, 0, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	defer server.Close()
	t := &target{name: "one instance", url: "http://" + listener.Addr().String()}
	if err := t.register(config); err != nil {
		return 0, 0, err
	}
	address := strings.TrimPrefix(t.url, "http://")
	l := load{address: address, request: callRequest(address, t.path, config.Key), connections: 8}
	for _, step := range []struct {
		requests int
		into     *int64
	}{{warmRequests, &before}, {requests, &after}} {
		l.requests = step.requests
		if _, err := l.run(ctx); err != nil {
			return 0, 0, err
		}
		*step.into = h.Stats().LinearMemory
	}
	fmt.Printf("soak     %-30s %d requests, linear memory %.1f MiB before, %.1f MiB after\n", t.name, requests, mebibytes(before), mebibytes(after))
	return before, after, nil
}

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
