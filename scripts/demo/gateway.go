package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

type gatewayOptions struct {
	command, address, data, module, ui string
	adminKey                           string
}

// gateway is Grantway in a process of its own.
type gateway struct {
	url     string
	process *exec.Cmd
	ended   chan error
}

// startGateway starts the host with an empty data folder and new keys, and waits until it answers.
func startGateway(ctx context.Context, options gatewayOptions) (*gateway, error) {
	if err := os.RemoveAll(options.data); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(options.data), 0o755); err != nil {
		return nil, err
	}
	sealingKey := make([]byte, 32)
	rand.Read(sealingKey)
	command := exec.Command(options.command, "serve", "--addr", options.address, "--data", options.data,
		"--module", options.module, "--ui", options.ui)
	command.Env = append(os.Environ(),
		"GRANTWAY_SEALING_KEY="+base64.StdEncoding.EncodeToString(sealingKey),
		"GRANTWAY_ADMIN_KEY="+options.adminKey,
		"GRANTWAY_ALLOW_LOOPBACK=true",
	)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	// Its own process group, so that Ctrl-C reaches it through us and in order.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the gateway: %w", err)
	}
	g := &gateway{url: "http://" + options.address, process: command, ended: make(chan error, 1)}
	go func() {
		err := command.Wait()
		if err == nil {
			err = errors.New("exit status 0")
		}
		g.ended <- err
	}()
	if err := g.healthy(ctx); err != nil {
		g.stop()
		return nil, err
	}
	return g, nil
}

func (g *gateway) healthy(ctx context.Context) error {
	deadline := time.Now().Add(startTimeout)
	client := &http.Client{Timeout: 5 * time.Second}
	for {
		response, err := client.Get(g.url + "/healthz")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("status %d", response.StatusCode)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the gateway is not healthy after %s: %w", startTimeout, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-g.ended:
			g.ended <- err
			return fmt.Errorf("the gateway ended before it answered: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// stop asks the gateway to end and waits for it, ten seconds at most.
func (g *gateway) stop() {
	g.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.ended:
	case <-time.After(10 * time.Second):
		g.process.Process.Kill()
		<-g.ended
	}
}
