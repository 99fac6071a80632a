package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
)

// metadataDocument is the client_id that the scenario auth/basic-cimd wants to see. The suite never fetches it.
const metadataDocument = "https://conformance-test.local/client-metadata.json"

// maxAuthorizations bounds how often the person authorizes the gateway for one request.
const maxAuthorizations = 3

// interactiveScenario says whether a scenario is of the authorization code flow.
func interactiveScenario(name string) bool {
	switch name {
	case "auth/client-credentials-jwt", "auth/client-credentials-basic", "auth/enterprise-managed-authorization", "auth/dpop", "auth/dpop-nonce", "auth/wif-jwt-bearer":
		return false
	}
	return strings.HasPrefix(name, "auth/")
}

// authorized repeats a request while the gateway answers that a person must authorize it first; the person does.
func (g *gateway) authorized(request func() error) error {
	var err error
	for range maxAuthorizations + 1 {
		if err = request(); err == nil || !needsPerson(err) {
			return err
		}
		if aerr := g.authorize(); aerr != nil {
			return fmt.Errorf("%w; %w", err, aerr)
		}
	}
	return err
}

func needsPerson(err error) bool {
	for _, code := range []string{"interactive_authorization_required", "interactive_step_up_required", "connection_ended", "upstream_unauthorized"} {
		if strings.Contains(err.Error(), code) {
			return true
		}
	}
	return false
}

// authorize is a person's browser: it begins the flow at the gateway, goes to the authorization server, which approves,
// and comes back.
func (g *gateway) authorize() error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var start struct {
		URL string `json:"authorization_url"`
	}
	previous := http.DefaultClient.Jar
	http.DefaultClient.Jar = jar // rest sends with the default client
	err = g.rest(http.MethodPost, "/v1/mcp/server/mock/connect", map[string]any{}, &start)
	http.DefaultClient.Jar = previous
	if err != nil {
		return err
	}
	resp, err := browser.Get(start.URL)
	if err != nil {
		return err
	}
	resp.Body.Close()
	back := resp.Header.Get("Location")
	if back == "" {
		return fmt.Errorf("the authorization server answered %d without a redirect", resp.StatusCode)
	}
	if resp, err = browser.Get(back); err != nil {
		return err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("callback: %d %s", resp.StatusCode, page)
	}
	return nil
}
