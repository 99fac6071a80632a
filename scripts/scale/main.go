// Command scale fills a gateway with servers and access keys and prints what reading,
// listing and changing one costs as they grow. It wants a gateway without other
// configuration, and leaves what it has made.
//
//	go run ./scripts/scale --url http://127.0.0.1:8787 --key-file .grantway/admin.key --steps 100,1000,10000
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

type gateway struct{ url, key string }

func run() error {
	url := flag.String("url", "http://127.0.0.1:8787", "`URL` of the gateway")
	keyFile := flag.String("key-file", ".grantway/admin.key", "`file` with the admin key")
	steps := flag.String("steps", "100,1000,10000", "`numbers` of servers, and of keys, at which to measure")
	flag.Parse()
	key, err := os.ReadFile(*keyFile)
	if err != nil {
		return err
	}
	g := &gateway{*url, strings.TrimSpace(string(key))}
	fmt.Println("| servers and keys | read a server | first page | page by name, filtered | list of keys | change a server | rename a server | make a key | first use of a key |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	have := 0
	for _, text := range strings.Split(*steps, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return err
		}
		if err := g.fill(have, n); err != nil {
			return err
		}
		have = n
		if err := g.measure(n); err != nil {
			return err
		}
	}
	return nil
}

// fill makes servers by import, 290 at a time, and as many keys with them.
func (g *gateway) fill(from, to int) error {
	const batch = 145
	for ; from < to; from += batch {
		type entry = map[string]any
		var servers, keys []entry
		for i := from; i < min(to, from+batch); i++ {
			servers = append(servers, entry{"server_name": fmt.Sprintf("Server %05d", i), "slug": fmt.Sprintf("s%05d", i), "url": fmt.Sprintf("https://s%05d.example/mcp", i), "auth_type": "none", "description": strings.Repeat("x", 200)})
			keys = append(keys, entry{"name": fmt.Sprintf("key %05d", i), "servers": []string{fmt.Sprintf("s%05d", i)}, "hash": fmt.Sprintf("%064x", i+1), "prefix": "gw_xxxx"})
		}
		if _, _, err := g.do("POST", "/v1/import", entry{"grantway": 1, "servers": servers, "keys": keys}); err != nil {
			return err
		}
	}
	return nil
}

func (g *gateway) measure(n int) error {
	ref := fmt.Sprintf("/v1/mcp/server/s%05d", n/2)
	median := func(f func(i int) (time.Duration, error)) (string, error) {
		var all []time.Duration
		for i := range 9 {
			d, err := f(i)
			if err != nil {
				return "", err
			}
			all = append(all, d)
		}
		slices.Sort(all)
		return fmt.Sprintf("%.1f ms", float64(all[4].Microseconds())/1000), nil
	}
	get := func(path string) func(int) (time.Duration, error) {
		return func(int) (time.Duration, error) {
			_, d, err := g.do("GET", path, nil)
			return d, err
		}
	}
	cells := []string{strconv.Itoa(n)}
	var secrets []string
	for _, f := range []func(int) (time.Duration, error){
		get(ref),
		get("/v1/mcp/server?limit=50"),
		get("/v1/mcp/server?limit=50&sort=-server_name&q=99"),
		get("/v1/keys?limit=50"),
		func(i int) (time.Duration, error) {
			_, d, err := g.do("PUT", ref, map[string]any{"description": fmt.Sprint("change ", i)})
			return d, err
		},
		func(i int) (time.Duration, error) {
			// A new alias takes one published copy back and writes another.
			began := time.Now()
			_, _, err := g.do("PUT", ref, map[string]any{"alias": fmt.Sprintf("alias %d %d", n, i)})
			return time.Since(began), err
		},
		func(i int) (time.Duration, error) {
			b, d, err := g.do("POST", "/v1/keys", map[string]any{"name": fmt.Sprint("measured ", i), "role": "viewer"})
			if err != nil {
				return 0, err
			}
			var k struct {
				Key string `json:"key"`
			}
			secrets = append(secrets, "")
			err = json.Unmarshal(b, &k)
			secrets[len(secrets)-1] = k.Key
			return d, err
		},
		func(i int) (time.Duration, error) {
			_, d, err := (&gateway{g.url, secrets[i]}).do("GET", "/v1/session", nil)
			if err != nil && strings.Contains(err.Error(), "no_session") {
				err = nil // authenticated, and without a session, as it should be
			}
			return d, err
		},
	} {
		c, err := median(f)
		if err != nil {
			return err
		}
		cells = append(cells, c)
	}
	fmt.Println("| " + strings.Join(cells, " | ") + " |")
	return nil
}

func (g *gateway) do(method, path string, in any) ([]byte, time.Duration, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, 0, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, g.url+path, body)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Authorization", "Bearer "+g.key)
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	took := time.Since(began)
	if err == nil && res.StatusCode >= 400 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, res.Status, b)
	}
	return b, took, err
}
