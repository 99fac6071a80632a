package authserver

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	issuer = "http://127.0.0.1:9000"
	odd    = "se:cret+with/odd %characters"
)

func newServer(t *testing.T, options Options) *Server {
	t.Helper()
	options.Issuer = issuer
	server, err := New(options)
	require.NoError(t, err)
	return server
}

func post(server *Server, path string, form url.Values, edit func(*http.Request)) *httptest.ResponseRecorder {
	request := httptest.NewRequest("POST", issuer+path, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if edit != nil {
		edit(request)
	}
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, request)
	return recorder
}

func basic(id, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
}

func decode(t *testing.T, recorder *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	out := make(map[string]any)
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &out), recorder.Body.String())
	return out
}

func assertion(t *testing.T, algorithm jose.SignatureAlgorithm, key any, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	require.NoError(t, err)
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(t, err)
	return token
}

func claimsOf(id string) jwt.Claims {
	return jwt.Claims{
		Issuer: id, Subject: id, Audience: jwt.Audience{issuer + "/token"},
		Expiry: jwt.NewNumericDate(time.Now().Add(time.Minute)), ID: rand.Text(),
	}
}

func withAssertion(token string) url.Values {
	return url.Values{
		"grant_type":            {"client_credentials"},
		"client_assertion":      {token},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
}

func publicKeys(keys ...crypto.PublicKey) (set jose.JSONWebKeySet) {
	for _, key := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key})
	}
	return set
}

func TestClientAuthentication(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	server := newServer(t, Options{Clients: []Client{
		{ID: "basic:id", Secrets: []string{odd}},
		{ID: "post", Method: MethodPost, Secrets: []string{odd}},
		{ID: "hs", Method: MethodSecret, Secrets: []string{strings.Repeat("s", 32)}},
		{ID: "key", Method: MethodKey, Keys: publicKeys(&ec.PublicKey, &rsaKey.PublicKey, edPublic)},
		{ID: "public", Method: MethodNone},
	}})
	grantType := url.Values{"grant_type": {"client_credentials"}}
	replayed := assertion(t, jose.ES256, ec, claimsOf("key"))
	edited := func(edit func(*jwt.Claims)) jwt.Claims {
		claims := claimsOf("key")
		edit(&claims)
		return claims
	}
	for _, test := range []struct {
		name   string
		form   url.Values
		edit   func(*http.Request)
		status int
		code   string
	}{
		{"basic", grantType, basic("basic:id", odd), 200, ""},
		{"basic, not form-encoded", grantType, func(r *http.Request) { r.SetBasicAuth("basic%3Aid", odd) }, 400, "invalid_client"},
		{"basic, wrong secret", grantType, basic("basic:id", "wrong"), 401, "invalid_client"},
		{"basic, unknown client", grantType, basic("nobody", odd), 401, "invalid_client"},
		{"post client by basic", grantType, basic("post", odd), 401, "invalid_client"},
		{"post", url.Values{"grant_type": {"client_credentials"}, "client_id": {"post"}, "client_secret": {odd}}, nil, 200, ""},
		{"post and basic at once", url.Values{"grant_type": {"client_credentials"}, "client_id": {"post"}, "client_secret": {odd}}, basic("post", odd), 400, "invalid_request"},
		{"basic client by post", url.Values{"grant_type": {"client_credentials"}, "client_id": {"basic:id"}, "client_secret": {odd}}, nil, 401, "invalid_client"},
		{"no authentication", url.Values{"grant_type": {"client_credentials"}, "client_id": {"post"}}, nil, 401, "invalid_client"},
		{"public client", url.Values{"grant_type": {"client_credentials"}, "client_id": {"public"}}, nil, 400, "invalid_client"},
		{"HS256", withAssertion(assertion(t, jose.HS256, []byte(strings.Repeat("s", 32)), claimsOf("hs"))), nil, 200, ""},
		{"HS256, wrong secret", withAssertion(assertion(t, jose.HS256, []byte(strings.Repeat("x", 32)), claimsOf("hs"))), nil, 401, "invalid_client"},
		{"ES256", withAssertion(assertion(t, jose.ES256, ec, claimsOf("key"))), nil, 200, ""},
		{"RS256", withAssertion(assertion(t, jose.RS256, rsaKey, claimsOf("key"))), nil, 200, ""},
		{"PS256", withAssertion(assertion(t, jose.PS256, rsaKey, claimsOf("key"))), nil, 200, ""},
		{"EdDSA", withAssertion(assertion(t, jose.EdDSA, ed, claimsOf("key"))), nil, 200, ""},
		{"RS384 is not permitted", withAssertion(assertion(t, jose.RS384, rsaKey, claimsOf("key"))), nil, 401, "invalid_client"},
		{"foreign key", withAssertion(assertion(t, jose.ES256, stranger, claimsOf("key"))), nil, 401, "invalid_client"},
		{"first use", withAssertion(replayed), nil, 200, ""},
		{"replay", withAssertion(replayed), nil, 401, "invalid_client"},
		{"expired", withAssertion(assertion(t, jose.ES256, ec, edited(func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(time.Now().Add(-time.Minute)) }))), nil, 401, "invalid_client"},
		{"no exp", withAssertion(assertion(t, jose.ES256, ec, edited(func(c *jwt.Claims) { c.Expiry = nil }))), nil, 401, "invalid_client"},
		{"too long", withAssertion(assertion(t, jose.ES256, ec, edited(func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(time.Now().Add(2 * time.Hour)) }))), nil, 401, "invalid_client"},
		{"other audience", withAssertion(assertion(t, jose.ES256, ec, edited(func(c *jwt.Claims) { c.Audience = jwt.Audience{"http://other"} }))), nil, 401, "invalid_client"},
		{"issuer audience", withAssertion(assertion(t, jose.ES256, ec, edited(func(c *jwt.Claims) { c.Audience = jwt.Audience{issuer} }))), nil, 200, ""},
		{"no jti", withAssertion(assertion(t, jose.ES256, ec, edited(func(c *jwt.Claims) { c.ID = "" }))), nil, 401, "invalid_client"},
	} {
		t.Run(test.name, func(t *testing.T) {
			recorder := post(server, "/token", test.form, test.edit)
			assert.Equal(t, test.status, recorder.Code, recorder.Body.String())
			reply := decode(t, recorder)
			if test.code != "" {
				assert.Equal(t, test.code, reply["error"])
				return
			}
			assert.Equal(t, "Bearer", reply["token_type"])
			assert.Equal(t, "no-store", recorder.Header().Get("Cache-Control"))
		})
	}
}

func TestAccessToken(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	server := newServer(t, Options{
		Clients:       []Client{{ID: "c", Secrets: []string{"s"}, Scopes: []string{"mcp:read"}, Audiences: []string{"http://mcp/mcp"}}},
		TokenLifetime: 90 * time.Second, Now: func() time.Time { return now },
	})
	recorder := post(server, "/token", url.Values{"grant_type": {"client_credentials"}, "resource": {"http://mcp/mcp"}}, basic("c", "s"))
	require.Equal(t, 200, recorder.Code, recorder.Body.String())
	reply := decode(t, recorder)
	assert.EqualValues(t, 90, reply["expires_in"])
	assert.Equal(t, "mcp:read", reply["scope"])

	token, err := jwt.ParseSigned(reply["access_token"].(string), []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(t, err)
	assert.Equal(t, "at+jwt", token.Headers[0].ExtraHeaders["typ"])
	var claims accessClaims
	set := server.Keys()
	require.NoError(t, token.Claims(&set, &claims))
	assert.Equal(t, issuer, claims.Issuer)
	assert.Equal(t, jwt.Audience{"http://mcp/mcp"}, claims.Audience)
	assert.Equal(t, "c", claims.ClientID)
	assert.Equal(t, "c", claims.Subject)
	assert.Equal(t, now.Add(90*time.Second).Unix(), claims.Expiry.Time().Unix())
	assert.Equal(t, now.Unix(), claims.NotBefore.Time().Unix())
	assert.NotEmpty(t, claims.ID)
	assert.Equal(t, Stats{TokenRequests: 1, Mints: map[string]int{"c": 1}}, server.Stats())

	for _, test := range []struct{ parameter, value, code string }{
		{"scope", "mcp:call", "invalid_scope"},
		{"resource", "http://elsewhere", "invalid_target"},
		{"resource", "relative", "invalid_target"},
		{"audience", "other", "invalid_target"},
	} {
		recorder := post(server, "/token", url.Values{"grant_type": {"client_credentials"}, test.parameter: {test.value}}, basic("c", "s"))
		assert.Equal(t, 400, recorder.Code, test.value)
		assert.Equal(t, test.code, decode(t, recorder)["error"], test.value)
	}
}

func TestRotation(t *testing.T) {
	server := newServer(t, Options{Clients: []Client{{ID: "c", Secrets: []string{"old"}}}})
	form := url.Values{"grant_type": {"client_credentials"}}
	status := func(secret string) int { return post(server, "/token", form, basic("c", secret)).Code }

	server.RotateSecret("c", "new", true)
	assert.Equal(t, []int{200, 200}, []int{status("old"), status("new")})
	server.RotateSecret("c", "newest", false)
	assert.Equal(t, []int{401, 401, 200}, []int{status("old"), status("new"), status("newest")})

	token := decode(t, post(server, "/token", form, basic("c", "newest")))["access_token"].(string)
	_, err := server.verifyOwn(token)
	require.NoError(t, err)
	require.NoError(t, server.RotateKeys(true))
	_, err = server.verifyOwn(token)
	require.NoError(t, err, "the old key is still published")
	require.NoError(t, server.RotateKeys(false))
	_, err = server.verifyOwn(token)
	require.Error(t, err, "the old key is withdrawn")
}

func TestFaults(t *testing.T) {
	listening, err := Listen("127.0.0.1:0", Options{Clients: []Client{{ID: "c", Secrets: []string{"s"}}}})
	require.NoError(t, err)
	defer listening.Close()
	form := url.Values{"grant_type": {"client_credentials"}}
	do := func(ctx context.Context) (*http.Response, []byte, error) {
		request, err := http.NewRequestWithContext(ctx, "POST", listening.TokenEndpoint(), strings.NewReader(form.Encode()))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.SetBasicAuth("c", "s")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, nil, err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return response, body, err
	}

	listening.Fail(Fault{Times: 2, Status: 503, Header: http.Header{"Retry-After": {"7"}}, Body: []byte("down")})
	for range 2 {
		response, body, err := do(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 503, response.StatusCode)
		assert.Equal(t, "7", response.Header.Get("Retry-After"))
		assert.Equal(t, "down", string(body))
	}

	listening.Fail(Fault{Reset: true})
	_, _, err = do(t.Context())
	require.Error(t, err)

	ctx, leave := context.WithCancel(t.Context())
	listening.Fail(Fault{Hang: true, Match: func(*http.Request) bool { leave(); return true }}) // it has arrived
	_, _, err = do(ctx)
	require.ErrorIs(t, err, context.Canceled)

	for value, want := range map[string]string{`"90"`: `"expires_in":"90"`, `1e999`: `"expires_in":1e999`, `-5`: `"expires_in":-5`} {
		listening.Fail(Fault{ExpiresIn: json.RawMessage(value), Drip: time.Microsecond})
		response, body, err := do(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 200, response.StatusCode)
		assert.Contains(t, string(body), want)
	}
	listening.Fail(Fault{ExpiresIn: json.RawMessage("null"), Edit: func(reply map[string]any) { reply["token_type"] = "MAC" }})
	_, body, err := do(t.Context())
	require.NoError(t, err)
	assert.NotContains(t, string(body), "expires_in")
	assert.Contains(t, string(body), `"MAC"`)

	response, _, err := do(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 200, response.StatusCode, "every fault is used up")
	assert.Equal(t, Stats{TokenRequests: 9, Mints: map[string]int{"c": 5}}, listening.Stats())
}

func TestMetadata(t *testing.T) {
	server, err := New(Options{Issuer: issuer + "/tenant", Registration: true})
	require.NoError(t, err)
	for _, path := range []string{
		"/.well-known/oauth-authorization-server/tenant",
		"/.well-known/openid-configuration/tenant",
		"/tenant/.well-known/openid-configuration",
	} {
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, httptest.NewRequest("GET", issuer+path, nil))
		require.Equal(t, 200, recorder.Code, path)
		metadata := decode(t, recorder)
		assert.Equal(t, issuer+"/tenant", metadata["issuer"])
		assert.Equal(t, issuer+"/tenant/token", metadata["token_endpoint"])
		assert.Equal(t, issuer+"/tenant/register", metadata["registration_endpoint"])
	}
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, httptest.NewRequest("GET", issuer+"/.well-known/oauth-authorization-server", nil))
	assert.Equal(t, 404, recorder.Code, "an issuer with a path has no metadata at the root")

	for _, bad := range []string{"", "relative", "http://h/", "http://h?x=1"} {
		_, err := New(Options{Issuer: bad})
		assert.Error(t, err, bad)
	}
}

func TestAuthorizationCode(t *testing.T) {
	server := newServer(t, Options{Registration: true, Subject: "alice"})
	request := httptest.NewRequest("POST", issuer+"/register", strings.NewReader(
		`{"redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"]}`))
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, request)
	require.Equal(t, 201, recorder.Code, recorder.Body.String())
	id := decode(t, recorder)["client_id"].(string)

	verifier := strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	authorize := func(edit func(url.Values)) *httptest.ResponseRecorder {
		query := url.Values{
			"response_type": {"code"}, "client_id": {id}, "redirect_uri": {"http://127.0.0.1/cb"}, "state": {"st"},
			"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "resource": {"http://mcp/mcp"},
		}
		if edit != nil {
			edit(query)
		}
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, httptest.NewRequest("GET", issuer+"/authorize?"+query.Encode(), nil))
		return recorder
	}
	location := func(recorder *httptest.ResponseRecorder) url.Values {
		require.Equal(t, 302, recorder.Code, recorder.Body.String())
		u, err := url.Parse(recorder.Header().Get("Location"))
		require.NoError(t, err)
		return u.Query()
	}

	assert.NotEqual(t, 302, authorize(func(q url.Values) { q.Set("redirect_uri", "http://evil/cb") }).Code)
	assert.Equal(t, "invalid_request", location(authorize(func(q url.Values) { q.Del("code_challenge") })).Get("error"))

	answer := location(authorize(nil))
	assert.Equal(t, "st", answer.Get("state"))
	assert.Equal(t, issuer, answer.Get("iss"))
	exchange := func(code, verifier string) *httptest.ResponseRecorder {
		return post(server, "/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {id}, "code": {code},
			"redirect_uri": {"http://127.0.0.1/cb"}, "code_verifier": {verifier}}, nil)
	}
	assert.Equal(t, 400, exchange(location(authorize(nil)).Get("code"), "wrong").Code)
	recorder = exchange(answer.Get("code"), verifier)
	require.Equal(t, 200, recorder.Code, recorder.Body.String())
	assert.Equal(t, 400, exchange(answer.Get("code"), verifier).Code, "a code is good once")
	reply := decode(t, recorder)
	claims, err := server.verifyOwn(reply["access_token"].(string))
	require.NoError(t, err)
	assert.Equal(t, "alice", claims.Subject)
	assert.Equal(t, jwt.Audience{"http://mcp/mcp"}, claims.Audience)

	refresh := func(token string) *httptest.ResponseRecorder {
		return post(server, "/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {id}, "refresh_token": {token}}, nil)
	}
	first := reply["refresh_token"].(string)
	second := decode(t, refresh(first))["refresh_token"].(string)
	assert.NotEqual(t, first, second)
	assert.Equal(t, 400, refresh(first).Code, "a refresh token is good once")
	assert.Equal(t, 400, refresh(second).Code, "a second use revokes the family")
}

func TestConsent(t *testing.T) {
	server := newServer(t, Options{
		Clients: []Client{{ID: "app", Secrets: []string{"s"}, RedirectURIs: []string{"http://127.0.0.1/cb"}}},
		People:  []Person{{Subject: "ada", Claims: map[string]any{"groups": []string{"ops"}}}, {Subject: "eve"}},
	})
	verifier := strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	decide := func(subject string) url.Values {
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, httptest.NewRequest("GET", issuer+"/authorize?"+url.Values{
			"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {"http://127.0.0.1/cb"}, "state": {"st"}, "nonce": {"n"}, "scope": {"openid"},
			"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
		}.Encode(), nil))
		require.Equal(t, 302, recorder.Code, recorder.Body.String())
		page := recorder.Header().Get("Location")
		recorder = httptest.NewRecorder()
		server.ServeHTTP(recorder, httptest.NewRequest("GET", page, nil))
		assert.Contains(t, recorder.Body.String(), "Allow as ada")
		_, request, _ := strings.Cut(page, "request=")
		form := url.Values{"request": {request}, "subject": {subject}}
		recorder = post(server, "/consent", form, nil)
		require.Equal(t, 303, recorder.Code)
		assert.Equal(t, 404, post(server, "/consent", form, nil).Code, "a request is decided once")
		u, err := url.Parse(recorder.Header().Get("Location"))
		require.NoError(t, err)
		return u.Query()
	}
	assert.Equal(t, url.Values{"error": {"access_denied"}, "state": {"st"}, "iss": {issuer}}, decide(""))

	recorder := post(server, "/token", url.Values{"grant_type": {"authorization_code"}, "code": {decide("ada").Get("code")},
		"redirect_uri": {"http://127.0.0.1/cb"}, "code_verifier": {verifier}}, basic("app", "s"))
	require.Equal(t, 200, recorder.Code, recorder.Body.String())
	token, err := jwt.ParseSigned(decode(t, recorder)["id_token"].(string), []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(t, err)
	set, claims := server.Keys(), map[string]any{}
	require.NoError(t, token.Claims(&set, &claims))
	assert.Equal(t, []any{issuer, "ada", "app", "n", []any{"ops"}}, []any{claims["iss"], claims["sub"], claims["aud"], claims["nonce"], claims["groups"]})
}

func TestPublishedKeys(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	published := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(publicKeys(key.Public()))
	}))
	server := newServer(t, Options{Clients: []Client{{ID: "app", Method: MethodKey, KeysURL: published.URL}}})
	assert.Equal(t, 200, post(server, "/token", withAssertion(assertion(t, jose.ES256, key, claimsOf("app"))), nil).Code)
	published.Close()
	assert.Equal(t, 401, post(server, "/token", withAssertion(assertion(t, jose.ES256, key, claimsOf("app"))), nil).Code)
}

func TestAssertionGrants(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	server := newServer(t, Options{
		Clients:        []Client{{ID: "c", Secrets: []string{"s"}}},
		TrustedIssuers: []TrustedIssuer{{Issuer: "http://idp", Keys: publicKeys(&key.PublicKey)}},
	})
	claims := func(audience, clientID string) any {
		return foreignClaims{Claims: jwt.Claims{Issuer: "http://idp", Subject: "alice", Audience: jwt.Audience{audience},
			Expiry: jwt.NewNumericDate(time.Now().Add(time.Minute)), ID: rand.Text()}, ClientID: clientID, Resource: "http://mcp/mcp", Scope: "mcp:read"}
	}
	bearer := func(c any) *httptest.ResponseRecorder {
		return post(server, "/token", url.Values{"grant_type": {GrantJWTBearer}, "assertion": {assertion(t, jose.ES256, key, c)}}, basic("c", "s"))
	}
	recorder := bearer(claims(issuer, "c"))
	require.Equal(t, 200, recorder.Code, recorder.Body.String())
	reply := decode(t, recorder)
	assert.Equal(t, "mcp:read", reply["scope"])
	own, err := server.verifyOwn(reply["access_token"].(string))
	require.NoError(t, err)
	assert.Equal(t, "alice", own.Subject)
	assert.Equal(t, jwt.Audience{"http://mcp/mcp"}, own.Audience)
	assert.Equal(t, 400, bearer(claims("http://other", "c")).Code)
	assert.Equal(t, 400, bearer(claims(issuer, "other")).Code)
	assert.Equal(t, 401, post(server, "/token", url.Values{"grant_type": {GrantJWTBearer}, "assertion": {assertion(t, jose.ES256, key, claims(issuer, "c"))}}, basic("c", "x")).Code)

	exchange := func(token, tokenType string) *httptest.ResponseRecorder {
		return post(server, "/token", url.Values{"grant_type": {GrantTokenExchange}, "subject_token": {token}, "subject_token_type": {tokenType},
			"resource": {"http://second/mcp"}}, basic("c", "s"))
	}
	recorder = exchange(reply["access_token"].(string), "urn:ietf:params:oauth:token-type:access_token")
	require.Equal(t, 200, recorder.Code, recorder.Body.String())
	exchanged := decode(t, recorder)
	assert.Equal(t, "urn:ietf:params:oauth:token-type:access_token", exchanged["issued_token_type"])
	own, err = server.verifyOwn(exchanged["access_token"].(string))
	require.NoError(t, err)
	assert.Equal(t, "alice", own.Subject)
	assert.Equal(t, "c", own.Actor.Subject)
	server.RevokeAccessToken(reply["access_token"].(string))
	assert.Equal(t, 400, exchange(reply["access_token"].(string), "urn:ietf:params:oauth:token-type:access_token").Code)
	assert.Equal(t, 400, exchange("rubbish", "urn:ietf:params:oauth:token-type:jwt").Code)
}

func TestIntrospectionAndRevocation(t *testing.T) {
	server := newServer(t, Options{Clients: []Client{{ID: "c", Secrets: []string{"s"}}, {ID: "other", Secrets: []string{"s"}}}})
	token := decode(t, post(server, "/token", url.Values{"grant_type": {"client_credentials"}}, basic("c", "s")))["access_token"].(string)
	active := func() any {
		return decode(t, post(server, "/introspect", url.Values{"token": {token}}, basic("c", "s")))["active"]
	}
	assert.Equal(t, true, active())
	assert.Equal(t, 200, post(server, "/revoke", url.Values{"token": {token}}, basic("other", "s")).Code)
	assert.Equal(t, true, active(), "another client cannot revoke it")
	assert.Equal(t, 200, post(server, "/revoke", url.Values{"token": {token}}, basic("c", "s")).Code)
	assert.Equal(t, false, active())
}

func TestMetadataDocument(t *testing.T) {
	var document bytes.Buffer
	published := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(document.Bytes()) }))
	defer published.Close()
	id := published.URL + "/client.json"
	server := newServer(t, Options{MetadataDocuments: true})
	authorize := func() int {
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, httptest.NewRequest("GET", issuer+"/authorize?"+url.Values{
			"response_type": {"code"}, "client_id": {id}, "redirect_uri": {"http://127.0.0.1/cb"},
			"code_challenge": {strings.Repeat("c", 43)}, "code_challenge_method": {"S256"},
		}.Encode(), nil))
		return recorder.Code
	}
	json.NewEncoder(&document).Encode(map[string]any{"client_id": id, "redirect_uris": []string{"http://127.0.0.1/cb"}})
	assert.Equal(t, 302, authorize())
	document.Reset()
	json.NewEncoder(&document).Encode(map[string]any{"client_id": id + "x", "redirect_uris": []string{"http://127.0.0.1/cb"}})
	assert.Equal(t, 401, authorize(), "the document must name its own URL")
}
