package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"

	"github.com/grantway/grantway/scripts/contract/host"
	"github.com/grantway/grantway/worker"
	"github.com/grantway/grantway/worker/platform/gocrypto"
	"github.com/grantway/grantway/worker/platform/memory"
)

// gateway is a running gateway with a front that adds the access key, which the suite cannot send.
type gateway struct {
	url   string
	key   string
	front *httptest.Server
	stop  func()
}

func startGateway(name string) (*gateway, error) {
	secret := make([]byte, 32)
	rand.Read(secret)
	g := &gateway{key: "gw_" + rand.Text()}
	env := map[string]string{
		"GRANTWAY_SEALING_KEY":    base64.StdEncoding.EncodeToString(secret),
		"GRANTWAY_ADMIN_KEY":      g.key,
		"GRANTWAY_ALLOW_LOOPBACK": "1",
	}
	if name == "memory" {
		p := memory.New(env)
		p.Signer = &gocrypto.Crypto{}
		program := worker.New(p)
		p.Objects = program
		s := httptest.NewServer(program)
		g.url, g.stop = s.URL, s.CloseClientConnections
	} else {
		h, err := host.Start(name, host.Options{Env: env})
		if err != nil {
			return nil, err
		}
		g.url, g.stop = h.URL(), func() {
			if err := h.Stop(); err != nil {
				fmt.Println("stop:", err)
			}
		}
	}
	target, err := url.Parse(g.url)
	if err != nil {
		return nil, err
	}
	g.front = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the suite tests what the gateway does with it
			r.Out.Header.Set("X-Grantway-Key", g.key)
		},
		FlushInterval: -1,
	})
	return g, nil
}

func (g *gateway) close() {
	g.front.CloseClientConnections()
	g.stop()
}

// register creates a server record.
func (g *gateway) register(record map[string]any) error {
	b, err := json.Marshal(record)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPost, g.url+"/v1/mcp/server", bytes.NewReader(b))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Grantway-Key", g.key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("create the record: %d %s", resp.StatusCode, text)
	}
	return nil
}
