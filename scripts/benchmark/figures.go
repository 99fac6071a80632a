package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grantway/grantway/scripts/demo/authserver"
	"github.com/grantway/grantway/scripts/demo/mcpserver"
)

// The token engine's promises, kept by the real module over several instances, a real authorization server and a real MCP
// server that checks each token.
const (
	figureInstances = 4
	coldCallers     = 1_000
	revokedCallers  = 200
	loadCallers     = 8
	outage          = 60 * time.Second
	rotation        = 10 * time.Second
	// shortLife puts the whole outage into the window of early refresh, so that mints are tried all the time.
	shortLife = 100 * time.Second
)

// figure is one promise and what was seen.
type figure struct {
	what, promise, seen string
	kept                bool
}

// figureWorld is a gateway of several instances with what stands behind it.
type figureWorld struct {
	gateway *inProcess
	idp     *authserver.Listening
	mcp     *mcpserver.Listening
	key     string
	keys    []string // of callers
}

// scene is one server record with a client of its own.
type scene struct {
	world    *figureWorld
	client   authserver.Client
	record   map[string]any
	serverID string
}

func measureFigures(ctx context.Context, config targetConfig) (figures []figure, err error) {
	gateway, err := startInProcess(ctx, config, figureInstances, map[string]string{
		"GRANTWAY_TOKEN_EARLY_REFRESH_FRACTION": "0.9", "GRANTWAY_TOKEN_EARLY_REFRESH_MAX_SECONDS": "3600", "GRANTWAY_TOKEN_REFRESH_JITTER": "0",
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, gateway.stop(ctx)) }()
	w := &figureWorld{gateway: gateway, key: config.Key}
	if w.idp, err = authserver.Listen("127.0.0.1:0", authserver.Options{}); err != nil {
		return nil, err
	}
	defer w.idp.Close()
	w.mcp, err = mcpserver.Listen("127.0.0.1:0", mcpserver.Options{Issuer: w.idp.Issuer(), KeysURL: w.idp.KeysURL(), Revoked: w.idp.Revoked})
	if err != nil {
		return nil, err
	}
	defer w.mcp.Close()
	for i := range 5 {
		var created struct {
			Key string `json:"key"`
		}
		err := ask(ctx, http.MethodPost, gateway.url+"/v1/keys", w.key, map[string]any{"name": fmt.Sprint("caller ", i), "role": "caller", "all_servers": true}, http.StatusCreated, &created)
		if err != nil {
			return nil, err
		}
		w.keys = append(w.keys, created.Key)
	}
	for _, measure := range []func(context.Context, *figureWorld) (figure, error){coldFigure, revokedFigure, rotationFigure, outageFigure} {
		f, err := measure(ctx, w)
		if err != nil {
			return figures, err
		}
		fmt.Printf("figure   %s: %s\n", f.what, f.seen)
		figures = append(figures, f)
	}
	return figures, nil
}

func (w *figureWorld) newScene(ctx context.Context, lifetime time.Duration) (*scene, error) {
	s := &scene{world: w, client: authserver.Client{
		ID: "client-" + rand.Text(), Secrets: []string{rand.Text()}, DefaultAudience: w.mcp.URL(), TokenLifetime: lifetime,
	}}
	w.idp.Register(s.client)
	s.record = map[string]any{
		"server_name": "figure-" + strings.ToLower(rand.Text()[:12]), "url": w.mcp.URL(), "transport": "http",
		"auth_type": "oauth2", "oauth2_flow": "client_credentials", "token_url": w.idp.TokenEndpoint(), "max_concurrent_requests": coldCallers,
		"credentials": map[string]any{"client_id": s.client.ID, "client_secret": s.client.Secrets[0]},
	}
	var created struct {
		ServerID string `json:"server_id"`
	}
	err := ask(ctx, http.MethodPost, w.gateway.url+"/v1/mcp/server", w.key, s.record, http.StatusCreated, &created)
	s.serverID = created.ServerID
	return s, err
}

// call the tool echo once, as one of the callers.
func (s *scene) call(ctx context.Context, caller int) error {
	body := map[string]any{"server_id": s.serverID, "name": "echo", "arguments": map[string]any{"message": "m"}}
	return ask(ctx, http.MethodPost, s.world.gateway.url+"/mcp-rest/tools/call", s.world.keys[caller%len(s.world.keys)], body, http.StatusOK, nil)
}

func (s *scene) mints() int { return s.world.idp.Stats().Mints[s.client.ID] }

// outcome counts calls and keeps the first failure.
type outcome struct {
	calls, failed atomic.Int64
	first         atomic.Pointer[error]
}

func (o *outcome) add(err error) {
	o.calls.Add(1)
	if err != nil {
		o.failed.Add(1)
		o.first.CompareAndSwap(nil, &err)
	}
}

func (o *outcome) String() string {
	text := fmt.Sprintf("%d of %d calls failed", o.failed.Load(), o.calls.Load())
	if first := o.first.Load(); first != nil {
		text += fmt.Sprintf(" (%v)", *first)
	}
	return text
}

// burst calls once by each of many callers at the same time.
func (s *scene) burst(ctx context.Context, callers int) *outcome {
	var o outcome
	var wait sync.WaitGroup
	begin := make(chan struct{})
	for i := range callers {
		wait.Go(func() {
			<-begin
			o.add(s.call(ctx, i))
		})
	}
	close(begin)
	wait.Wait()
	return &o
}

// load calls by a few callers for as long as during takes.
func (s *scene) load(ctx context.Context, during func()) *outcome {
	var o outcome
	var wait sync.WaitGroup
	done := make(chan struct{})
	for i := range loadCallers {
		wait.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					o.add(s.call(ctx, i))
				}
			}
		})
	}
	during()
	close(done)
	wait.Wait()
	return &o
}

func coldFigure(ctx context.Context, w *figureWorld) (figure, error) {
	s, err := w.newScene(ctx, 0)
	if err != nil {
		return figure{}, err
	}
	o := s.burst(ctx, coldCallers)
	return figure{
		what:    fmt.Sprintf("%d cold callers at once over %d instances", coldCallers, figureInstances),
		promise: "1 mint, 0 failed calls",
		seen:    fmt.Sprintf("%d mint, %s", s.mints(), o),
		kept:    s.mints() == 1 && o.failed.Load() == 0,
	}, nil
}

func revokedFigure(ctx context.Context, w *figureWorld) (figure, error) {
	s, err := w.newScene(ctx, 0)
	if err != nil {
		return figure{}, err
	}
	if o := s.burst(ctx, loadCallers*figureInstances); o.failed.Load() > 0 {
		return figure{}, errors.New(o.String())
	}
	before := s.mints()
	w.idp.RevokeAll()
	o := s.burst(ctx, revokedCallers)
	return figure{
		what:    fmt.Sprintf("%d callers at once meet a revoked token", revokedCallers),
		promise: "1 mint, 0 failed calls",
		seen:    fmt.Sprintf("%d mint, %s", s.mints()-before, o),
		kept:    s.mints()-before == 1 && o.failed.Load() == 0,
	}, nil
}

func rotationFigure(ctx context.Context, w *figureWorld) (figure, error) {
	s, err := w.newScene(ctx, 0)
	if err != nil {
		return figure{}, err
	}
	next := rand.Text()
	var change error
	o := s.load(ctx, func() {
		wait(ctx, rotation/3)
		w.idp.RotateSecret(s.client.ID, next, true)
		s.record["credentials"] = map[string]any{"client_id": s.client.ID, "client_secret": next}
		change = ask(ctx, http.MethodPut, w.gateway.url+"/v1/mcp/server/"+s.serverID, w.key, s.record, http.StatusOK, nil)
		wait(ctx, rotation/3)
		w.idp.RotateSecret(s.client.ID, next, false)
		wait(ctx, rotation/3)
	})
	return figure{
		what:    "a client secret is rotated under load",
		promise: "0 failed calls",
		seen:    fmt.Sprintf("%s, %d mints", o, s.mints()),
		kept:    o.failed.Load() == 0,
	}, change
}

func outageFigure(ctx context.Context, w *figureWorld) (figure, error) {
	s, err := w.newScene(ctx, shortLife)
	if err != nil {
		return figure{}, err
	}
	attempts := 0
	o := s.load(ctx, func() {
		wait(ctx, 2*time.Second) // the first token is there
		before := w.idp.Stats().TokenRequests
		w.idp.Fail(authserver.Fault{Times: -1, Status: http.StatusServiceUnavailable})
		wait(ctx, outage)
		attempts = w.idp.Stats().TokenRequests - before
		w.idp.ClearFaults()
		wait(ctx, 5*time.Second)
	})
	return figure{
		what:    fmt.Sprintf("the authorization server is down for %s under load, with a valid token that should be refreshed", outage),
		promise: "0 failed calls; attempts only as the back-off allows",
		seen:    fmt.Sprintf("%s, %d attempts", o, attempts),
		kept:    o.failed.Load() == 0 && attempts < 20,
	}, nil
}

// wait for d, or less when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
