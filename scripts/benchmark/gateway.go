package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	host "github.com/grantway/grantway/hostsim"
)

// inProcess is the module on hostsim in this process, where its memory can be looked at.
type inProcess struct {
	host   *host.Host
	server *http.Server
	url    string
}

func startInProcess(ctx context.Context, config targetConfig, instances int, more map[string]string) (*inProcess, error) {
	module, err := os.ReadFile(config.Module)
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	environment := map[string]string{
		"GRANTWAY_ADMIN_KEY": config.Key, "GRANTWAY_SEALING_KEY": config.SealingKey, "GRANTWAY_ALLOW_LOOPBACK": "true",
	}
	maps.Copy(environment, more)
	h, err := host.Open(ctx, module, host.WithEnv(environment), host.WithInstances(instances), host.WithRecycling(0, 0),
		host.WithCompileCache(filepath.Join(cache, "grantway", "wazero")), host.WithLog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, h.Close(ctx))
	}
	p := &inProcess{host: h, server: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}, url: "http://" + listener.Addr().String()}
	go p.server.Serve(listener)
	return p, nil
}

func (p *inProcess) stop(ctx context.Context) error {
	return errors.Join(p.server.Close(), p.host.Close(context.WithoutCancel(ctx)))
}

// ask sends JSON with a key and decodes the answer, which must have the wanted status.
func ask(ctx context.Context, method, url, key string, body any, want int, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := askClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != want {
		return fmt.Errorf("%s %s: status %d: %.300s", method, request.URL.Path, response.StatusCode, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// askClient keeps as many connections as the largest burst has callers.
var askClient = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 1000, IdleConnTimeout: time.Minute}}
