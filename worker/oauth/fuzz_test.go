package oauth

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func FuzzTokenResponse(f *testing.F) {
	for _, seed := range []string{
		`{"access_token":"a","token_type":"Bearer","expires_in":3600,"scope":"x"}`, `{"access_token":"a","token_type":"bearer","expires_in":"12"}`,
		`{"access_token":"a","token_type":"Bearer","expires_in":1e18}`, `{"error":"invalid_client"}`, `[]`, ``, `<html>`, `{"access_token":1}`, `null`,
	} {
		f.Add([]byte(seed))
	}
	life := Life{Assumed: 5 * time.Minute, Longest: 24 * time.Hour}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, failure := parseTokenResponse(body, life)
		if (r == nil) == (failure == nil) {
			t.Fatal("neither or both")
		}
		if r == nil {
			if failure.Class == "" || failure.Code == "" || len(failure.Message) > 400 {
				t.Fatalf("%+v", failure)
			}
			return
		}
		if r.AccessToken == "" || len(r.AccessToken) > MaxTokenLength || strings.ContainsFunc(r.AccessToken, func(c rune) bool { return c <= ' ' || c > '~' }) {
			t.Fatalf("token %q", r.AccessToken)
		}
		if r.Life < 0 || r.Life > life.Longest {
			t.Fatalf("life %v", r.Life)
		}
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Bearer realm="a", error="invalid_token", scope="x y"`)
	f.Add(`Basic x, Bearer error=e, resource_metadata="https://a/\"b"`)
	f.Add(`,,,=`)
	f.Fuzz(func(t *testing.T, header string) {
		c := ParseChallenge([]string{header})
		if !c.Bearer && c != (Challenge{}) {
			t.Fatalf("%+v", c)
		}
		if len(c.Error)+len(c.Scope)+len(c.ResourceMetadata) > len(header) {
			t.Fatal("longer than the header")
		}
		for _, s := range ScopeList(c.Scope, 50) {
			if !validScope(s) {
				t.Fatalf("scope %q", s)
			}
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://i","token_endpoint":"https://i/t","scopes_supported":["a"]}`), []byte(`{"resource":"https://m/mcp","authorization_servers":["https://i"]}`))
	f.Add([]byte(`[]`), []byte(`{"resource":1}`))
	server, err := url.Parse("https://m/mcp")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, as, resource []byte) {
		if s, failure := parseServer(as, "https://i"); failure == nil && (s.Issuer != "https://i" || s.TokenURL == "") {
			t.Fatalf("%+v", s)
		}
		r, failure := parseResource(resource, server)
		if failure != nil {
			return
		}
		u, err := url.Parse(r.Resource)
		if err != nil || !strings.EqualFold(u.Host, "m") {
			t.Fatalf("%+v", r)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120")
	f.Add("Sat, 01 Jan 2000 00:00:30 GMT")
	f.Add("99999999999999999999")
	f.Fuzz(func(t *testing.T, s string) {
		if d := retryAfter(http.Header{"Retry-After": {s}}, time.Unix(946684800, 0)); d < 0 {
			t.Fatal(d)
		}
	})
}
