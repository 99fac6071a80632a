package oauth

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// endpoint is the RoundTripper between golang.org/x/oauth2 and the platform. It
// judges the answer itself, because the package reads it too leniently for a shared
// credential store (redirects, any content type, a token that is not a string), and
// passes a canonical answer on.
type endpoint struct {
	next    http.RoundTripper // guarded
	limit   int
	life    Life
	secrets []string // to take out of hints
	header  http.Header

	sent     time.Time // when the last request left: a token's life begins there
	response *tokenResponse
	status   int
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", UserAgent)
	for k, v := range e.header {
		r.Header[k] = v
	}
	e.sent, e.status = time.Now(), 0
	resp, err := e.next.RoundTrip(r)
	if err != nil {
		return nil, FailureOf(err)
	}
	defer func() { _ = resp.Body.Close() }()
	e.status = resp.StatusCode
	body, whole, err := readLimited(resp.Body, e.limit)
	if err != nil {
		return nil, FailureOf(err)
	}
	if resp.StatusCode >= 300 {
		members, _ := object(body)
		f := errorFailure(resp.StatusCode, errorCode(members), retryAfter(resp.Header, time.Now()))
		f.Hint = e.hint(members)
		return nil, f
	}
	if !whole {
		f := fail(Misconfigured, "idp_response_too_large", "The token endpoint's answer is larger than "+itoa(e.limit)+" bytes. Check token_url.")
		f.Status = resp.StatusCode
		return nil, f
	}
	response, f := parseTokenResponse(body, e.life)
	if f != nil {
		f.Status = resp.StatusCode
		return nil, f
	}
	e.response = response
	canonical, err := json.Marshal(map[string]any{"access_token": response.AccessToken, "token_type": "Bearer"})
	if err != nil {
		return nil, FailureOf(err)
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(canonical)),
		ContentLength: int64(len(canonical)), Request: r,
	}, nil
}

// hint answers error_description for an administrator: printable ASCII (RFC 6749
// §5.2), at most 200 characters, and without anything that was sent as a secret.
func (e *endpoint) hint(members map[string]json.RawMessage) string {
	var said string
	if !text(members["error_description"], &said) {
		return ""
	}
	for _, s := range e.secrets {
		if len(s) >= 4 {
			said = strings.ReplaceAll(said, s, "***")
		}
	}
	said = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return ' '
		}
		return c
	}, said)
	return said[:min(len(said), 200)]
}
