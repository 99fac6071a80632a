package main

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
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

var ticket = regexp.MustCompile(`name="ticket" value="([^"]+)"`)

// consent is a person who allows an application at the gateway, and the gateway at the authorization server on the way. It
// answers where the application's browser comes back to.
func (g *gateway) consent(address string) (string, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	visit := func(method, address string, form url.Values) (*http.Response, string, error) {
		r, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
		if err != nil {
			return nil, "", err
		}
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", g.url)
		}
		resp, err := browser.Do(r)
		if err != nil {
			return nil, "", err
		}
		defer resp.Body.Close()
		page, err := io.ReadAll(resp.Body)
		return resp, string(page), err
	}
	_, page, err := visit(http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	found := ticket.FindStringSubmatch(page)
	if found == nil {
		return "", fmt.Errorf("no consent page: %s", page)
	}
	at, _, _ := strings.Cut(address, "?")
	resp, page, err := visit(http.MethodPost, at, url.Values{"ticket": {html.UnescapeString(found[1])}, "decision": {"allow"}, "key": {g.key}})
	if err != nil {
		return "", err
	}
	for next := strings.TrimPrefix(resp.Header.Get("Refresh"), "0; url="); next != ""; next = resp.Header.Get("Location") {
		if u, err := url.Parse(next); err != nil || u.Query().Has("iss") && u.Path == "/cb" {
			return next, err
		}
		if resp, page, err = visit(http.MethodGet, next, nil); err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("the browser stays at %d %s", resp.StatusCode, page)
}
