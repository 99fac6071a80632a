package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// serveNative is the measure for hostsim: a native Go reverse proxy that does the same job. It checks the caller's key,
// takes the caller's credentials away, and adds an access token from a cached client_credentials grant.
func serveNative(ctx context.Context, config targetConfig) error {
	target, err := url.Parse(config.Upstream)
	if err != nil {
		return err
	}
	tokens := oauth2.ReuseTokenSource(nil, (&clientcredentials.Config{
		ClientID: config.ClientID, ClientSecret: config.ClientSecret, TokenURL: config.TokenURL, AuthStyle: oauth2.AuthStyleInHeader,
	}).TokenSource(ctx))
	known := sha256.Sum256([]byte(config.Key))
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL, r.Out.Host = target, ""
			for _, name := range []string{"Authorization", "Cookie", "X-Grantway-Key"} {
				r.Out.Header.Del(name)
			}
			if token, err := tokens.Token(); err == nil {
				token.SetAuthHeader(r.Out)
			}
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute},
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		given := sha256.Sum256([]byte(key))
		if subtle.ConstantTimeCompare(given[:], known[:]) != 1 {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(readyPrefix + "http://" + listener.Addr().String())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		return err
	}
	return nil
}
